"""Serves until told to stop."""

import asyncio
import os
import signal
import sys

from aiohttp import web

from infra.local.engine.clock import Clock
from infra.local.engine.engine import Engine, State
from infra.local.engine.server import Server
from infra.local.engine.settings import Settings
from infra.local.engine.vllm import VLLM
from infra.local.engine.vllm_server import VllmServer


async def serve(settings: Settings, speed: float | None) -> int:
    """Load, answer, and on SIGTERM or SIGINT finish what is under way; the exit code."""
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    engine = Engine(settings, os.environ, Clock(speed))
    server = VllmServer(engine) if settings.engine == VLLM else Server(engine)
    # A client that goes away ends its handler, which drops the request.
    runner = web.AppRunner(
        server.app, access_log=None, handler_cancellation=True, shutdown_timeout=1
    )
    await runner.setup()
    site = web.TCPSite(runner, settings.host, settings.port)
    print(engine.banner(), end="", file=sys.stderr, flush=True)
    try:
        await site.start()
    except OSError as problem:
        print(f"ERROR:    {problem}", file=sys.stderr)
        await runner.cleanup()
        return 1
    try:
        async with asyncio.TaskGroup() as group:
            tasks = [group.create_task(engine.scheduler.run()), group.create_task(start(engine))]
            await stop.wait()
            await leave(engine, server, site)
            for task in tasks:
                task.cancel()
    finally:
        await runner.cleanup()
    return 0


async def start(engine: Engine) -> None:
    """Load, and say so."""
    await engine.load()
    engine.log.server("The server is fired up and ready to roll!")
    for doubt in engine.settings.doubts:
        print(f"stand-in: {doubt}", file=sys.stderr, flush=True)


async def leave(engine: Engine, server: Server, site: web.TCPSite) -> None:
    """Take no more connections; wait for the requests that are under way."""
    engine.state = State.LEAVING
    await site.stop()
    engine.log.server(f"Gracefully exiting... Remaining number of requests {server.active}.")
    while server.active:
        await asyncio.sleep(0.01)
