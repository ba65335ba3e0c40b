"""A replica's first process, seen from the daemon: start it, command it, hear from it."""

import asyncio
import contextlib
import os
import socket
import sys
from collections.abc import AsyncIterator, Iterator, Sequence
from pathlib import Path

import infra
from infra.local.visible_files import package_folders

_LATE_SECONDS = 5


class FirstProcess:
    """
    The process that `infra.local.inside` describes, after its start.

    Attributes:
        stdout: The module's.
        stderr: The module's.
    """

    def __init__(
        self,
        process: asyncio.subprocess.Process,
        events: asyncio.StreamReader,
        commands: asyncio.StreamWriter,
    ) -> None:
        assert process.stdout and process.stderr
        self.stdout = process.stdout
        self.stderr = process.stderr
        self._process = process
        self._events = events
        self._commands = commands

    @classmethod
    async def start(cls, prefix: Sequence[str], plan: bytes) -> "FirstProcess":
        """Start it behind the prefix's command, and hand it the plan."""
        ours, theirs = socket.socketpair()
        with theirs:
            try:
                process = await asyncio.create_subprocess_exec(
                    *(*prefix, sys.executable, "-P", "-m", "infra.local.inside"),
                    stdin=theirs.fileno(),
                    stdout=asyncio.subprocess.PIPE,
                    stderr=asyncio.subprocess.PIPE,
                    # Nothing of what the daemon's user has set.
                    env={"PYTHONPATH": os.pathsep.join(_import_path())},
                    # Ctrl-C in the daemon's terminal is the daemon's to handle.
                    start_new_session=True,
                )
            except BaseException:
                ours.close()
                raise
        events, commands = await asyncio.open_unix_connection(sock=ours)
        commands.write(plan + b"\n")
        return cls(process, events, commands)

    def terminate_module(self) -> None:
        if not self._commands.is_closing():
            self._commands.write(b"terminate\n")

    def kill(self) -> None:
        """It ends when this connection does, and the kernel ends what it has started."""
        self._commands.close()
        # A file system of this machine that hangs may keep it from noticing.
        asyncio.get_running_loop().call_later(_LATE_SECONDS, self._force)

    def _force(self) -> None:
        with contextlib.suppress(ProcessLookupError):
            self._process.kill()

    async def wait(self) -> int:
        """Its exit code, which is the module's."""
        return await self._process.wait()

    async def accepting(self) -> AsyncIterator[bool]:
        """Whether the module's port accepts connections, whenever that changes."""
        with contextlib.suppress(ConnectionResetError):
            async for event in self._events:
                if event in (b"accepting\n", b"refusing\n"):
                    yield event == b"accepting\n"


def _import_path() -> Iterator[str]:
    yield str(Path(infra.__file__).parent.parent)
    yield from package_folders()
