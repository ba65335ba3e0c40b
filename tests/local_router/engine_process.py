"""An engine that answers with its name: `engine_process.py SOCKET NAME`; SIGUSR1 releases."""

import asyncio
import os
import signal
import sys

from aiohttp import web

SOCKET, NAME = sys.argv[1:]
RELEASED = asyncio.Event()


async def answer(request: web.BaseRequest) -> web.StreamResponse:
    """In one piece, in pieces, when it is told to, or not at all: as the path says."""
    body = await request.read()
    if request.path == "/wait":
        await RELEASED.wait()
    if request.path in ("/short", "/wait"):
        return web.json_response({"engine": NAME, "got": body.decode(), "complete": True})
    if request.path == "/die":
        os.kill(os.getpid(), signal.SIGKILL)
    response = web.StreamResponse()
    if request.path == "/half-known":
        response.content_length = 1000
    await response.prepare(request)
    await response.write(f"{NAME}\n".encode())
    if request.path.startswith("/half"):
        # The piece must have left before its engine is gone.
        await request.content.read()
        os.kill(os.getpid(), signal.SIGKILL)
    for _ in range(3):
        await asyncio.sleep(0.005)
        await response.write(b"more\n")
    await response.write(body + b"\ncomplete\n")
    return response


async def main() -> None:
    """Serve until SIGTERM."""
    ended = asyncio.Event()
    loop = asyncio.get_running_loop()
    loop.add_signal_handler(signal.SIGTERM, ended.set)
    loop.add_signal_handler(signal.SIGUSR1, RELEASED.set)
    runner = web.ServerRunner(web.Server(answer, access_log=None), shutdown_timeout=0.1)
    await runner.setup()
    await web.UnixSite(runner, SOCKET).start()
    print("serving", flush=True)
    await ended.wait()
    await runner.cleanup()


if __name__ == "__main__":
    asyncio.run(main())
