"""A router in a process of its own: `front_process.py [TOKEN_ID TOKEN_SECRET]`; told by stdin."""

import asyncio
import contextlib
import sys
import tempfile
from collections.abc import AsyncIterator
from pathlib import Path

from infra.local.door import Door
from infra.local.pool import Backend, Pool
from infra.local.router import Router


@contextlib.asynccontextmanager
async def relayed(socket: Path, port: int) -> AsyncIterator[None]:
    """A Unix socket, as a replica's, in front of an engine's port."""
    relays: set[asyncio.Task[None]] = set()

    async def pipe(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(OSError):
            while data := await reader.read(65536):
                writer.write(data)
                await writer.drain()
        writer.close()

    async def relay(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task
        relays.add(task)
        engine_reader, engine_writer = await asyncio.open_connection("127.0.0.1", port)
        await asyncio.gather(pipe(reader, engine_writer), pipe(engine_reader, writer))

    server = await asyncio.start_unix_server(relay, socket)
    try:
        yield
    finally:
        server.close()
        # The router is gone: what is left ends by itself.
        await asyncio.gather(*relays)


async def main(folder: Path) -> None:
    """Serve until stdin ends; each line is `NAME PORT`, an engine to add, or `NAME`, to close."""
    token = (sys.argv[1], sys.argv[2]) if sys.argv[1:] else None
    pool = Pool()
    router = Router(pool=pool, door=Door(token=token))
    await router.start()
    print(router.url, flush=True)
    async with contextlib.AsyncExitStack() as stack:
        while line := await asyncio.to_thread(sys.stdin.readline):
            name, *port = line.split()
            if port:
                backend = Backend(id=name, socket=folder / f"{name}.sock")
                await stack.enter_async_context(relayed(backend.socket, int(port[0])))
                pool.add(backend)
            else:
                pool.close(name)
            print("done", flush=True)
        await router.stop()


if __name__ == "__main__":
    with tempfile.TemporaryDirectory(prefix="front-") as name:
        asyncio.run(main(Path(name)))
