"""A plane's servers on a thread and an event loop of their own."""

import asyncio
import functools
import getpass
import secrets
import threading
import weakref
from collections import Counter
from concurrent.futures import Future
from pathlib import Path

import grpclib.server
from grpclib.protocol import H2Protocol

from infra.local import loopback
from infra.local.blobs import Blobs
from infra.local.call import Call
from infra.local.dispatch import Dispatcher, Pause, Servicer
from infra.local.secret_values import SecretValues
from infra.local.store import Database
from infra.local.transfers import Transfers


class Servers:
    """
    gRPC for calls, HTTP for contents; both on loopback only.

    Attributes:
        port: Where calls are answered.
        token: (id, secret) that each call must bring; new at every start.
        database: File of the state.
    """

    def __init__(self, root: Path, port: int, pause: Pause, calls: Counter[str]) -> None:
        self._root = root
        self._pause = pause
        self._calls = calls
        self._listener = loopback.listen(port)
        self._ready: Future[None] = Future()
        self._thread = threading.Thread(target=self._run, name="local control plane", daemon=True)
        self.port: int = self._listener.getsockname()[1]
        self.token = (f"ak-{secrets.token_hex(11)}", f"as-{secrets.token_hex(11)}")
        self.database = root / "state.db"
        self._thread.start()
        self._ready.result()

    def stop(self) -> None:
        self._loop.call_soon_threadsafe(self._stopping.set)
        self._thread.join()

    def _run(self) -> None:
        try:
            asyncio.run(self._serve())
        except BaseException as error:
            if self._ready.done():
                raise
            self._ready.set_exception(error)
        finally:
            self._listener.close()

    async def _serve(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._stopping = asyncio.Event()
        database = Database(self.database)
        blobs = Blobs(self._root / "blobs")
        transfers = Transfers(blobs)
        server = HangUpServer(
            Dispatcher(
                database=database,
                make_call=functools.partial(
                    Call,
                    blobs=blobs,
                    secret_values=SecretValues(self._root / "secrets"),
                    links=transfers.links,
                    user=_user(),
                    token=self.token,
                ),
                token=self.token,
                pause=self._pause,
                calls=self._calls,
                log=self._root / "plane.log",
            )
        )
        transfers.listen()
        await server.start(sock=self._listener)
        self._ready.set_result(None)
        await self._stopping.wait()
        server.hang_up()
        await server.wait_closed()
        await transfers.close()
        # One more turn of the loop, in which closed connections release their sockets.
        await asyncio.sleep(0)
        database.close()


class HangUpServer(grpclib.server.Server):
    """Remembers its connections: an event loop that ends must not leave them open."""

    def __init__(self, servicer: Servicer) -> None:
        super().__init__([servicer])
        self._protocols: weakref.WeakSet[H2Protocol] = weakref.WeakSet()

    def _protocol_factory(self) -> H2Protocol:
        protocol = super()._protocol_factory()
        self._protocols.add(protocol)
        return protocol

    def hang_up(self) -> None:
        self.close()
        for protocol in self._protocols:
            # A protocol that never got as far as a connection has none.
            if hasattr(protocol, "connection"):
                protocol.connection.close()


def _user() -> str:
    try:
        return getpass.getuser()
    except (KeyError, OSError):
        # In a container the process may run under a number that has no name.
        return "local"
