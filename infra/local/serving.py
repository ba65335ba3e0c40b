"""A folder's daemon: control plane and rehearsal, until interrupted or told to stop."""

import asyncio
import os
import signal
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from infra.errors import InfraError
from infra.local import control, report
from infra.local.control_plane import ControlPlane
from infra.local.endpoint import Endpoint, claimed
from infra.local.proxy_token import proxy_token
from infra.local.rehearsal import Rehearsal
from infra.text import harmless

_SIGNALS = (signal.SIGINT, signal.SIGTERM)


def serve(root: Path, port: int = 0) -> None:
    """
    Run until a signal or `infra local down`. The main thread must call this.

    Raises:
        InfraError: Another daemon serves the folder, or its state can't be used.
    """
    root = root.absolute()
    try:
        with claimed(root) as announce, ControlPlane(root, port=port) as plane:
            asyncio.run(_serve(root, plane, announce))
    except OSError as error:
        raise InfraError(
            f"infra local up: {error}; a free port and a folder with room for the state are "
            f"needed; choose another --port, or look at {root}"
        ) from error


async def _serve(root: Path, plane: ControlPlane, announce: Callable[[Endpoint], None]) -> None:
    stopping = asyncio.Event()
    loop = asyncio.get_running_loop()

    def stop() -> None:
        stopping.set()
        for number in _SIGNALS:
            loop.remove_signal_handler(number)
            # The second one ends this process at once, and the kernel its replicas.
            signal.signal(number, signal.SIG_DFL)

    for number in _SIGNALS:
        loop.add_signal_handler(number, stop)
    async with Rehearsal(root, _tell) as rehearsal:
        path = rehearsal.control
        async with control.listening(path, lambda: rehearsal.status(plane.url), stop):
            token_id, token_secret = proxy_token(root)
            environ = plane.environ() | {
                "MODAL_PROXY_TOKEN_ID": token_id,
                "MODAL_PROXY_TOKEN_SECRET": token_secret,
            }
            announce(Endpoint(environ=environ, control=str(path), pid=os.getpid()))
            _say(report.summary(rehearsal.status(plane.url)))
            if rehearsal.left_over:
                _say(report.left_over(rehearsal.left_over))
            await rehearsal.run(stopping)
            _say(report.stopping(rehearsal.status(plane.url)))


def _tell(name: str, text: str) -> None:
    _say(f"{time.strftime('%H:%M:%S')} {name}: {text}")


def _say(text: str) -> None:
    """Services go on when nobody reads any more, or the log's disk is full."""
    with suppress(OSError):
        print(harmless(text), flush=True)
