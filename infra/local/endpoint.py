"""How a command finds the control plane that is already serving a folder."""

import fcntl
import json
import os
import socket
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import urlsplit

_LOCK = "serving.lock"
_FILE = "endpoint.json"
_TRIES = 20
_PAUSE_SECONDS = 0.02


class AlreadyServing(Exception):
    """Another long-running plane serves this folder."""


def running(root: Path) -> dict[str, str] | None:
    """The environment variables of the live plane that serves this folder, if there is one."""
    try:
        with (root / _LOCK).open() as lock:
            # The kernel drops a lock with its process: whoever gets it knows that nobody serves.
            if _locks(lock.fileno(), fcntl.LOCK_SH):
                return None
        environ: dict[str, str] = json.loads((root / _FILE).read_text(encoding="utf-8"))
        address = urlsplit(environ["MODAL_SERVER_URL"])
        with socket.create_connection((str(address.hostname), int(address.port or 0)), timeout=1):
            return environ
    except (OSError, ValueError, KeyError):
        return None


@contextmanager
def announced(root: Path, environ: Mapping[str, str]) -> Iterator[None]:
    """Let `running` find this process's plane for as long as the block lasts."""
    with (root / _LOCK).open("w") as lock:
        _claim(lock.fileno(), root)
        temporary = root / f"{_FILE}.{os.getpid()}"
        with open(temporary, "w", encoding="utf-8", opener=_private) as stream:
            json.dump(dict(environ), stream)
        temporary.replace(root / _FILE)
        try:
            yield
        finally:
            (root / _FILE).unlink(missing_ok=True)


def _claim(lock: int, root: Path) -> None:
    for _ in range(_TRIES):
        if _locks(lock, fcntl.LOCK_EX):
            return
        # `running` in another process holds the lock for an instant, to see whether it can.
        time.sleep(_PAUSE_SECONDS)
    raise AlreadyServing(f"another control plane already serves {root}")


def _locks(lock: int, kind: int) -> bool:
    try:
        fcntl.flock(lock, kind | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _private(path: str, flags: int) -> int:
    """The file holds the plane's token: only its owner may read it."""
    return os.open(path, flags, 0o600)
