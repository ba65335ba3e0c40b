"""Serve a folder's control plane until interrupted or terminated."""

import argparse
import signal
import sys
import threading
from pathlib import Path

from infra.local.control_plane import ControlPlane
from infra.local.endpoint import AlreadyServingError, announced


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m infra.local", description=__doc__)
    parser.add_argument("--root", type=Path, required=True, help="folder of the state")
    parser.add_argument("--port", type=int, default=0, help="TCP port; 0 takes a free one")
    arguments = parser.parse_args()
    stopping = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: stopping.set())
    plane = ControlPlane(arguments.root, port=arguments.port)
    try:
        with plane, announced(arguments.root, plane.environ()):
            print(f"local control plane at {plane.url}, state in {arguments.root}", flush=True)
            stopping.wait()
    except (AlreadyServingError, OSError) as error:
        print(error, file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
