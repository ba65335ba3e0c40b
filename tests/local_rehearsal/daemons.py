"""What the tests of rehearsals share: daemons as processes, and questions to what they serve."""

import asyncio
import signal
import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import aiohttp

from infra.local import control
from infra.local.endpoint import Endpoint, serving
from infra.local.replica_host import ReplicaHost
from infra.local.router import REPLICA
from infra.local.status import ServiceStatus, Status

ROOT = Path(__file__).parent.parent.parent
MODULES = Path(__file__).parent / "modules"
LIMIT_SECONDS = 90  # for what must happen; never for how fast


def until(condition: Callable[[], bool], what: Callable[[], str] = str) -> None:
    """Wait for something that must happen."""
    deadline = time.monotonic() + LIMIT_SECONDS
    while not condition():
        assert time.monotonic() < deadline, what()
        time.sleep(0.05)


class Daemon:
    """A folder's daemon, as `infra local up` runs it."""

    def __init__(self, root: Path, environ: dict[str, str]) -> None:
        self.root = root
        self._environ = environ
        self._log = root.with_name(f"{root.name}.log")
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Return when it serves."""
        process = self._process = self._spawn()
        until(lambda: serving(self.root) is not None or process.poll() is not None, self.said)
        assert process.poll() is None, self.said()

    def refusal(self) -> str:
        """What it says when it can't serve."""
        assert self._spawn().wait(LIMIT_SECONDS) == 1
        assert "Traceback" not in self.said()
        return self.said()

    def _spawn(self) -> "subprocess.Popen[bytes]":
        with self._log.open("wb") as log:
            return subprocess.Popen(
                [sys.executable, "-m", "infra.local", "--root", str(self.root)],
                env=self._environ,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
            )

    def interrupt(self) -> None:
        """As Ctrl-C does."""
        assert self._process is not None
        self._process.send_signal(signal.SIGINT)

    def end(self, number: signal.Signals = signal.SIGTERM) -> int:
        """Return when it is gone; its exit code."""
        if self._process is None:
            return 0
        self._process.send_signal(number)
        code = self._process.wait(LIMIT_SECONDS)
        self._process = None
        return code

    def said(self) -> str:
        """All that it has printed."""
        return self._log.read_text()

    @property
    def endpoint(self) -> Endpoint:
        """How to talk to it."""
        endpoint = serving(self.root)
        assert endpoint is not None, self.said()
        return endpoint

    def environ(self) -> dict[str, str]:
        """A client's environment."""
        return {**self._environ, **self.endpoint.environ}

    def status(self) -> Status:
        """What it says that goes on."""
        return control.status(self.endpoint)

    def service(self, name: str) -> ServiceStatus:
        """What it says of one service."""
        return next(each for each in self.status().services if each.name == name)

    def ready(self, name: str, count: int, version: int = 1) -> str:
        """Return when exactly so many replicas take requests; the service's URL."""

        def is_so() -> bool:
            services = [each for each in self.status().services if each.name == name]
            return [(each.ready, each.version) for each in services] == [(count, version)]

        until(is_so, self.said)
        return self.service(name).url

    def modal(self, *arguments: str) -> str:
        """What the real `modal` command prints."""
        result = subprocess.run(
            [sys.executable, "-m", "modal", *arguments],
            env=self.environ(),
            cwd=ROOT,
            capture_output=True,
            text=True,
            check=False,
        )
        assert result.returncode == 0, result.stdout + result.stderr
        return result.stdout

    def python(self, script: str) -> None:
        """Run a script of somebody's who uses the SDK."""
        subprocess.run([sys.executable, "-c", script], env=self.environ(), check=True)


def survivors(root: Path) -> list[str]:
    """The command lines of living processes that any replica of this state started."""
    with sqlite3.connect(root / "state.db") as database:
        ids = [row[0].encode() for row in database.execute("SELECT id FROM tasks")]
    database.close()
    found = []
    for process in Path("/proc").glob("[0-9]*"):
        try:
            environ = (process / "environ").read_bytes()
            command = (process / "cmdline").read_bytes()
        except OSError:
            continue
        if command and any(b"MODAL_TASK_ID=" + each in environ for each in ids):
            found.append(command.replace(b"\0", b" ").decode())
    return found


def descendants(pid: int) -> dict[int, str]:
    """All processes that this one has started and they have, with the network that each is in."""
    found: dict[int, str] = {}
    for child in children().get(pid, []):
        try:
            found[child] = str(Path(f"/proc/{child}/ns/net").readlink())
        except OSError:
            continue
        found |= descendants(child)
    return found


def children() -> dict[int, list[int]]:
    """Of every process."""
    found: dict[int, list[int]] = {}
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            # The name of the program may hold spaces and brackets: what follows it does not.
            parent = int(stat.read_text().rpartition(")")[2].split()[1])
        except OSError:
            continue
        found.setdefault(parent, []).append(int(stat.parent.name))
    return found


def networks() -> set[str]:
    """The network namespaces that have a process in them."""
    found = set()
    for link in Path("/proc").glob("[0-9]*/ns/net"):
        try:
            found.add(str(link.readlink()))
        except OSError:
            continue
    return found


def remains(root: Path) -> list[str]:
    """What a rehearsal must not leave: processes, files of replicas, sockets, its announcement."""
    files = [*(root / "replicas").glob("*"), *root.glob("endpoint.json*")]
    sockets = ReplicaHost(root).sockets_folder
    return [*survivors(root), *map(str, files), *([str(sockets)] if sockets.exists() else [])]


def get(url: str, headers: dict[str, str] | None = None) -> tuple[int, str, str]:
    """Status, text and the replica that answered."""

    async def ask() -> tuple[int, str, str]:
        async with (
            aiohttp.ClientSession(headers=headers) as session,
            session.get(url) as response,
        ):
            return response.status, await response.text(), response.headers.get(REPLICA, "")

    return asyncio.run(ask())
