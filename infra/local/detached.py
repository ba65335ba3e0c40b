"""Start a folder's daemon in the background."""

import subprocess
import sys
import time
from pathlib import Path

from infra.errors import InfraError
from infra.local.endpoint import Endpoint, serving
from infra.text import harmless

LOG = "rehearsal.log"
LARGE = 4 * 2**20  # bytes; weeks of what a daemon tells
_LOOK_SECONDS = 0.05


def start(root: Path, port: int = 0) -> Endpoint:
    """
    Return when it serves; what it tells goes to a log in the folder, a large one is begun anew.

    Raises:
        InfraError: It has ended instead.
    """
    root.mkdir(mode=0o700, parents=True, exist_ok=True)
    _set_aside(root)
    with (root / LOG).open("ab") as log:
        begin = log.tell()
        daemon = subprocess.Popen(
            [sys.executable, "-m", "infra.local", "--root", str(root), "--port", str(port)],
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            start_new_session=True,  # nothing that happens to this terminal reaches it
        )
    try:
        while daemon.poll() is None:
            endpoint = serving(root)
            # An earlier daemon's must not be taken for it.
            if endpoint is not None and endpoint.pid == daemon.pid:
                return endpoint
            time.sleep(_LOOK_SECONDS)
    except KeyboardInterrupt:
        daemon.terminate()  # whoever gives up wants none
        daemon.wait()
        raise
    with (root / LOG).open("rb") as log:
        log.seek(begin)
        said = harmless(log.read().decode(errors="replace")).strip()
    raise InfraError(
        said
        or f"{root}: the daemon has ended without a word, with code {daemon.returncode}; it must "
        "run on; run `infra local up` without --detach"
    )


def _set_aside(root: Path) -> None:
    """Of a log that has become large, keep one."""
    log = root / LOG
    # A daemon that runs goes on writing where it began.
    if log.exists() and log.stat().st_size > LARGE and serving(root) is None:
        log.replace(log.with_name(f"{LOG}.1"))
