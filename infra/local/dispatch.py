"""From a gRPC call to its handler: authenticate, open a transaction, record, answer."""

import asyncio
import functools
import hmac
import time
import traceback
from collections import Counter
from collections.abc import Awaitable, Callable, Mapping
from pathlib import Path
from typing import Any, Protocol

import attrs
import grpclib.server
from google.protobuf.message import Message
from grpclib import GRPCError, Status
from grpclib.const import Handler

from infra.local import recordings, service
from infra.local.call import Call
from infra.local.calls import READS, WRITES, is_lookup
from infra.local.store import Database

Pause = Callable[[], Awaitable[None]]
Stream = grpclib.server.Stream[Any, Any]

_NEWS_SECONDS = 0.2


class Servicer(Protocol):
    """What a gRPC server serves."""

    def __mapping__(self) -> Mapping[str, Handler]:
        """Handlers by the path of the call."""


@attrs.frozen(kw_only=True)
class Dispatcher:
    """
    The one servicer of a plane.

    Attributes:
        make_call: `Call` with all but its connection and the client's version filled in.
        token: (id, secret) that every call must bring; None where only the right ones can call.
        pause: Waited for before each answer.
        calls: Counted by name, answered or not.
        log: File that tracebacks of our own failures go to.
    """

    database: Database
    make_call: Callable[..., Call]
    token: tuple[str, str] | None
    pause: Pause
    calls: Counter[str]
    log: Path

    def __mapping__(self) -> Mapping[str, Handler]:
        return {
            path: handler._replace(
                func=functools.partial(
                    self._answer, service.name_of(path), handler.cardinality.server_streaming
                )
            )
            for path, handler in service.calls().items()
        }

    async def _answer(self, name: str, streams: bool, stream: Stream) -> None:
        self.calls[name] += 1
        metadata: Mapping[str, Any] = stream.metadata or {}
        self._authenticate(metadata)
        request = await stream.recv_message()
        if request is None:
            raise GRPCError(Status.INVALID_ARGUMENT, f"{name} came without a request")
        await self.pause()
        version = str(metadata.get("x-modal-client-version", ""))
        if not streams:
            await stream.send_message(self._reply(name, request, version))
            return
        # A client that follows something says how many seconds it waits for news.
        deadline = time.monotonic() + getattr(request, "timeout", 0)
        while not (reply := self._reply(name, request, version)) and time.monotonic() < deadline:
            await asyncio.sleep(_NEWS_SECONDS)
        for message in reply:
            await stream.send_message(message)

    def _reply(self, name: str, request: Message, client_version: str) -> Any:
        try:
            return self._run(name, request, client_version)
        except GRPCError:
            raise
        except Exception as error:
            with self.log.open("a", encoding="utf-8") as log:
                log.write(f"{name}\n{traceback.format_exc()}\n")
            raise GRPCError(
                Status.INTERNAL, f"{name} failed in the local control plane; see {self.log}"
            ) from error

    def _authenticate(self, metadata: Mapping[str, Any]) -> None:
        if self.token is None:
            return
        for name, expected in zip(("id", "secret"), self.token, strict=True):
            given = str(metadata.get(f"x-modal-token-{name}", ""))
            if not hmac.compare_digest(given.encode(), expected.encode()):
                raise GRPCError(
                    Status.UNAUTHENTICATED, "this token is not the local control plane's"
                )

    def _run(self, name: str, request: Message, client_version: str) -> Any:
        # Handlers do not await: what runs between BEGIN and COMMIT is never interleaved.
        handler = READS.get(name) or WRITES.get(name)
        if handler is None:
            message = f"{name} is not part of the local control plane"
            raise GRPCError(Status.UNIMPLEMENTED, message)
        if name in READS or is_lookup(name, request):
            with self.database.reading() as connection:
                return handler(
                    self.make_call(db=connection, client_version=client_version), request
                )
        with self.database.writing() as connection:
            call = self.make_call(db=connection, client_version=client_version)
            reply = handler(call, request)
            recordings.record(call, name, request)
        for action in call.after_commit:
            action()
        return reply
