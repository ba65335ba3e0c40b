"""How a command finds the daemon that is already serving a folder."""

import fcntl
import json
import os
import socket
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import urlsplit

import attrs

from infra.errors import InfraError

_LOCK = "serving.lock"
_FILE = "endpoint.json"
_TRIES = 20
_PAUSE_SECONDS = 0.02


@attrs.frozen(kw_only=True)
class Endpoint:
    """
    How to talk to a daemon.

    Attributes:
        environ: The environment variables for clients of its control plane and of its services.
        control: Path of the socket that `control` describes.
        pid: The daemon's process id.
    """

    environ: Mapping[str, str] = attrs.field(repr=False)
    control: str
    pid: int

    @classmethod
    def parse(cls, text: str) -> "Endpoint":
        """
        Read what `claimed` has written.

        Raises:
            ValueError: It is something else.
        """
        match json.loads(text):
            case {"environ": dict(environ), "control": str(control), "pid": int(pid)} as fields:
                are_strings = all(isinstance(value, str) for value in environ.values())
                if are_strings and len(fields) == len(attrs.fields(cls)):
                    return cls(environ=environ, control=control, pid=pid)
        raise ValueError(f"{_FILE} does not describe a daemon")


def serving(root: Path) -> Endpoint | None:
    """The live daemon that serves this folder, if there is one."""
    try:
        with (root / _LOCK).open() as lock:
            # The kernel drops a lock with its process: whoever gets it knows that nobody serves.
            if _locks(lock.fileno(), fcntl.LOCK_SH):
                return None
        endpoint = Endpoint.parse((root / _FILE).read_text(encoding="utf-8"))
        address = urlsplit(endpoint.environ["MODAL_SERVER_URL"])
        with socket.create_connection((str(address.hostname), int(address.port or 0)), timeout=1):
            return endpoint
    except (OSError, ValueError, KeyError):
        return None


def running(root: Path) -> dict[str, str] | None:
    """The environment variables of the live daemon that serves this folder, if there is one."""
    endpoint = serving(root)
    return None if endpoint is None else dict(endpoint.environ)


def wait_gone(root: Path) -> None:
    """Return when no daemon serves this folder."""
    with (root / _LOCK).open() as lock:
        fcntl.flock(lock.fileno(), fcntl.LOCK_SH)


@contextmanager
def claimed(root: Path) -> Iterator[Callable[[Endpoint], None]]:
    """
    Be the only daemon of this folder; `serving` finds what is handed to the function given.

    Raises:
        InfraError: Another one is.
    """
    root.mkdir(mode=0o700, parents=True, exist_ok=True)
    with (root / _LOCK).open("w") as lock:
        _claim(lock.fileno(), root)
        # That of a killed daemon says nothing any more.
        (root / _FILE).unlink(missing_ok=True)
        try:
            yield lambda endpoint: _announce(root, endpoint)
        finally:
            (root / _FILE).unlink(missing_ok=True)


def _announce(root: Path, endpoint: Endpoint) -> None:
    temporary = root / f"{_FILE}.new"
    with open(temporary, "w", encoding="utf-8", opener=_private) as stream:
        json.dump(attrs.asdict(endpoint), stream)
    temporary.replace(root / _FILE)


def _claim(lock: int, root: Path) -> None:
    for _ in range(_TRIES):
        if _locks(lock, fcntl.LOCK_EX):
            return
        # `serving` in another process holds the lock for an instant, to see whether it can.
        time.sleep(_PAUSE_SECONDS)
    raise InfraError(
        f"{root}: another daemon already serves it; one at a time is allowed; see "
        "`infra local status`"
    )


def _locks(lock: int, kind: int) -> bool:
    try:
        fcntl.flock(lock, kind | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _private(path: str, flags: int) -> int:
    """The file holds tokens: only its owner may read it."""
    return os.open(path, flags, 0o600)
