"""Engines for the router's tests: real aiohttp servers on Unix sockets."""

import asyncio
import functools
import signal
import subprocess
import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import aiohttp
from aiohttp import web

from infra.local.door import Door
from infra.local.pool import Backend, Pool
from infra.local.router import Router

Handler = Callable[[web.BaseRequest], Awaitable[web.StreamResponse]]
Speaker = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]
# Far beyond what any of the tests takes: only a test that hangs meets it.
_HUNG_SECONDS = 120


def scenario(test: Callable[..., Awaitable[None]]) -> Callable[..., None]:
    """Run an async test in an event loop of its own."""

    @functools.wraps(test)
    def run(*arguments: Any, **named: Any) -> None:
        async def limited() -> None:
            async with asyncio.timeout(_HUNG_SECONDS):
                await test(*arguments, **named)

        asyncio.run(limited())

    return run


@asynccontextmanager
async def engine(folder: Path, name: str, handler: Handler) -> AsyncIterator[Backend]:
    """An aiohttp server in this event loop."""
    backend = Backend(id=name, socket=folder / f"{name}.sock")
    server = web.Server(handler, handler_cancellation=True, access_log=None, auto_decompress=False)
    runner = web.ServerRunner(server, shutdown_timeout=0.1)
    await runner.setup()
    await web.UnixSite(runner, backend.socket).start()
    try:
        yield backend
    finally:
        await runner.cleanup()


@asynccontextmanager
async def raw_engine(folder: Path, name: str, speak: Speaker) -> AsyncIterator[Backend]:
    """A server that says what no aiohttp server would."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            await speak(reader, writer)
        finally:
            writer.close()

    backend = Backend(id=name, socket=folder / f"{name}.sock")
    server = await asyncio.start_unix_server(serve, backend.socket)
    try:
        yield backend
    finally:
        server.close()
        await asyncio.sleep(0)


@asynccontextmanager
async def routed(
    *backends: Backend, door: Door | None = None, max_concurrency: int | None = None
) -> AsyncIterator[tuple[aiohttp.ClientSession, Pool]]:
    """A router in front of these backends; a client of it, and its pool."""
    pool = Pool(max_concurrency=max_concurrency)
    for backend in backends:
        pool.add(backend)
    router = Router(pool=pool, door=door or Door())
    await router.start()
    try:
        async with aiohttp.ClientSession(
            router.url,
            connector=aiohttp.TCPConnector(limit=0),
            auto_decompress=False,
            # A test wants to see what came of the one request that it made.
            middlewares=[_once],
        ) as client:
            yield client, pool
    finally:
        await router.stop()


async def _once(
    request: aiohttp.ClientRequest, send: aiohttp.ClientHandlerType
) -> aiohttp.ClientResponse:
    try:
        return await send(request)
    except (aiohttp.ServerDisconnectedError, aiohttp.ClientOSError) as error:
        raise aiohttp.ClientPayloadError(str(error)) from error


class EngineProcess:
    """
    An engine in a process of its own, as one that can be killed.

    Attributes:
        backend: Where it answers.
    """

    def __init__(self, folder: Path, name: str) -> None:
        self.backend = Backend(id=name, socket=folder / f"{name}.sock")
        self._process: subprocess.Popen[bytes] | None = None

    async def start(self) -> None:
        """Return when it serves."""
        script = Path(__file__).with_name("engine_process.py")
        command = [sys.executable, str(script), str(self.backend.socket), self.backend.id]
        self._process = subprocess.Popen(command, stdout=subprocess.PIPE)
        assert self._process.stdout
        await asyncio.to_thread(self._process.stdout.readline)

    def is_running(self) -> bool:
        return self._process is not None and self._process.poll() is None

    def release(self) -> None:
        """Let it answer all requests that wait, and those that will."""
        self.send(signal.SIGUSR1)

    def send(self, number: signal.Signals) -> None:
        if self._process is not None:
            self._process.send_signal(number)

    def end(self, number: signal.Signals = signal.SIGTERM) -> None:
        """Return when nothing of it is left; nothing else happens in the event loop meanwhile."""
        if self._process is not None and self._process.stdout:
            self._process.send_signal(number)
            self._process.wait()
            self._process.stdout.close()
            self._process = None
