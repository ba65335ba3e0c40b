"""Serve a folder in the foreground until interrupted or terminated."""

import signal
import sys
import threading
from pathlib import Path

from infra.local.control_plane import ControlPlane
from infra.local.endpoint import AlreadyServing, announced


def serve(root: Path, port: int = 0) -> int:
    """Run until SIGINT or SIGTERM; the exit code. The main thread must call this."""
    stopping = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: stopping.set())
    plane = ControlPlane(root, port=port)
    try:
        # The variables exist once the plane does: it starts first.
        with plane, announced(root, plane.environ()):
            print(f"local control plane at {plane.url}, state in {root}", flush=True)
            stopping.wait()
    except (AlreadyServing, OSError) as error:
        print(error, file=sys.stderr)
        return 1
    return 0
