"""What the replicas of one daemon share: the state, the log, and folders that end with them."""

import asyncio
import contextlib
import functools
import hashlib
import os
import stat
import tempfile
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Self, TypeVar

from infra.errors import InfraError
from infra.local import logs, tasks, volume_folders
from infra.local.blobs import Blobs
from infra.local.call import Call
from infra.local.dispatch import Dispatcher
from infra.local.engine import model_figures
from infra.local.folders import Folders
from infra.local.isolation import Isolation, isolation
from infra.local.offline import NoLinks, call_in
from infra.local.replicas import Replica
from infra.local.secret_values import SecretValues
from infra.local.services import ServiceVersion
from infra.local.store import Database

_T = TypeVar("_T")

_FLUSH_SECONDS = 0.1
# For exit hooks, after the grace period that requests have.
_HOOKS_SECONDS = 30


class ReplicaHost:
    """
    Starts replicas of what is deployed in the state under a folder.

    Attributes:
        sockets_folder: Where each replica has a folder with its sockets.
        isolation: How replicas are kept apart on this machine.
        hidden: Folders that no replica sees: the state, and the checkout that the daemon was
            started in, as a replica runs what was deployed.
        models: The file with the models' figures, if there is one.
        left_over: Replicas of a killed daemon, of which the rest was removed at the start.
    """

    def __init__(self, root: Path) -> None:
        self._root = root.absolute()
        self.sockets_folder = _sockets_folder(self._root)
        self._lines: list[logs.Line] = []
        self._replicas: dict[str, Replica] = {}
        self._stops: set[asyncio.Task[None]] = set()
        self.isolation: Isolation = isolation()
        self.blobs = Blobs(self._root / "blobs")
        self.models = self._root / model_figures.FILE
        self.left_over: tuple[str, ...] = ()
        here = Path.cwd()
        # What lies directly in the root folder belongs to the system.
        self.hidden = (self._root, *([here] if len(here.parts) > 2 else []))

    async def __aenter__(self) -> Self:
        self._root.mkdir(mode=0o700, parents=True, exist_ok=True)
        _make_private(self.sockets_folder)
        self._database = Database(self._root / "state.db")
        self._clean_up()
        self._attending = asyncio.create_task(self._attend())
        return self

    async def __aexit__(self, *_: object) -> None:
        await asyncio.gather(*(replica.stop(0) for replica in list(self._replicas.values())))
        self._attending.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await self._attending
        await asyncio.gather(*self._stops)
        self._flush()
        self._database.close()
        with contextlib.suppress(OSError):
            self.sockets_folder.rmdir()

    def replica(self, service: ServiceVersion) -> Replica:
        """A new one, to be started."""
        replica = Replica(self, service)
        self._replicas[replica.id] = replica
        return replica

    def forget(self, replica: Replica) -> None:
        self._replicas.pop(replica.id, None)
        self._flush()

    def stop_soon(self, replica: Replica) -> None:
        """Somebody other than its owner wants it to end."""
        if not replica.stopping.is_set():
            replica.stopping.set()
            grace = replica.service.exit_grace_period + _HOOKS_SECONDS
            stop = asyncio.create_task(replica.stop(grace))
            self._stops.add(stop)
            stop.add_done_callback(self._stops.discard)

    def folders(self, task_id: str) -> Folders:
        return Folders(
            scratch=self._root / "replicas" / task_id,
            own=self.sockets_folder / task_id,
            is_isolated=self.isolation.is_complete,
        )

    def dispatcher(self, task_id: str) -> Dispatcher:
        """Answers what a replica asks of the plane, as done by that container."""
        make_call = functools.partial(
            Call,
            blobs=self.blobs,
            secret_values=SecretValues(self._root / "secrets"),
            links=NoLinks(root=""),
            user=task_id,
            token=("", ""),
        )
        return Dispatcher(
            database=self._database,
            make_call=make_call,
            token=None,
            pause=functools.partial(asyncio.sleep, 0),
            calls=Counter(),
            log=self._root / "plane.log",
        )

    def read(self, action: Callable[[Call], _T]) -> _T:
        with self._database.reading() as connection:
            return action(call_in(self._root, connection))

    def write(self, action: Callable[[Call], _T]) -> _T:
        with self._database.writing() as connection:
            return action(call_in(self._root, connection))

    def changes(self) -> int:
        """Another number whenever somebody else has changed the state."""
        return self._database.changes()

    def log(self, line: logs.Line) -> None:
        self._lines.append(line)

    async def fill_volume(self, volume_id: str) -> Path:
        return await asyncio.to_thread(volume_folders.fill, self._root, volume_id)

    async def commit_volume(self, volume_id: str) -> None:
        await asyncio.to_thread(volume_folders.commit, self._root, volume_id)

    async def _attend(self) -> None:
        while True:
            await asyncio.sleep(_FLUSH_SECONDS)
            self._flush()
            for task_id in self.read(_asked_to_stop):
                if replica := self._replicas.get(task_id):
                    self.stop_soon(replica)

    def _flush(self) -> None:
        if self._lines:
            lines, self._lines = self._lines, []
            self.write(lambda call: logs.append(call, lines))

    def _clean_up(self) -> None:
        """Remove what a killed daemon left; its processes ended with it."""
        rows = self.read(tasks.abandoned)
        alive = {row["id"] for row in self.read(tasks.running)}
        # Sockets may be there of which the state knows nothing, as somebody has removed it.
        sockets = {each.name for each in self.sockets_folder.iterdir() if each.is_dir()}
        for task_id in {row["id"] for row in rows} | (sockets - alive):
            self.folders(task_id).remove()
        self.write(lambda call: tasks.bury(call, [row["id"] for row in rows]))
        self.left_over = tuple(row["id"] for row in rows)


def _asked_to_stop(call: Call) -> list[str]:
    rows = tasks.running(call, "is_stop_asked AND owner = ?", tasks.this_process())
    return [row["id"] for row in rows]


def _sockets_folder(root: Path) -> Path:
    """Short, as a socket's path may have 100 bytes only; the same for the same root."""
    base = os.environ.get("XDG_RUNTIME_DIR") or tempfile.gettempdir()
    digest = hashlib.sha256(os.fsencode(root.resolve())).hexdigest()[:12]
    return Path(base) / f"infra-{os.getuid()}-{digest}"


def _make_private(folder: Path) -> None:
    folder.mkdir(mode=0o700, exist_ok=True)
    status = folder.lstat()
    # In a folder that everybody may write to, somebody else may have been first.
    if not stat.S_ISDIR(status.st_mode) or status.st_uid != os.getuid() or status.st_mode & 0o077:
        raise InfraError(
            f"{folder}: it is not yours alone; a folder that only you can use is needed; remove it"
        )
