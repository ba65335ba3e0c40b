"""
The first process of a replica: it starts the module's runtime, and nothing outlives it.

The file descriptor 0 is one end of a socket pair, whose other end only the daemon holds. Over it
come a line with the plan, as JSON, and later commands; back go events, one to a line. When the
daemon closes it, or dies in whatever way, this process ends at once. In a PID namespace the kernel
then kills every process of the replica, in whatever process group or session it is.

    commands: terminate          events: started, accepting, refusing, ended <return code>
"""

import asyncio
import json
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from infra.local.inside import filesystem, orphans
from infra.local.inside.network import raise_loopback
from infra.local.inside.relay import accepts, start_relay

_POLL_SECONDS = 0.02
_RECHECK_SECONDS = 1.0


class _First:
    """
    The first process.

    Attributes:
        plan: What the daemon asked for; `infra.local.launch` writes it.
    """

    def __init__(self, control: socket.socket, plan: Mapping[str, Any]) -> None:
        self._control = control
        self._plan = plan
        self._ended = asyncio.Event()
        self._code = 0

    async def run(self, listener: socket.socket) -> int:
        if self._plan["root"] is None and await accepts(self._plan["port"]):
            print(f"port {self._plan['port']} of this machine is taken", file=sys.stderr)
            return 1
        loop = asyncio.get_running_loop()
        loop.add_signal_handler(signal.SIGCHLD, self._reap)
        # The relay is there before the module, which may ask for its own address.
        await start_relay(listener, self._plan["port"])
        self._module = subprocess.Popen(
            self._plan["command"],
            env=self._plan["environment"],
            cwd=self._plan["folder"],
            stdin=subprocess.DEVNULL,
            start_new_session=True,
        )
        self._tell("started")
        loop.add_reader(self._control, self._command)
        watching = loop.create_task(self._watch_port())
        await self._ended.wait()
        watching.cancel()
        return self._code

    def _reap(self) -> None:
        """Collect whatever has ended: orphans come to the first process of a namespace."""
        while True:
            try:
                pid, status = os.waitpid(-1, os.WNOHANG)
            except ChildProcessError:
                return
            if pid == 0:
                return
            if pid == self._module.pid:
                self._code = os.waitstatus_to_exitcode(status)
                self._module.returncode = self._code
                self._tell(f"ended {self._code}")
                self._ended.set()

    def _command(self) -> None:
        commands = self._control.recv(4096)
        if not commands:
            self._code = -signal.SIGKILL
            self._ended.set()
        if b"terminate" in commands and self._module.returncode is None:
            self._module.terminate()

    async def _watch_port(self) -> None:
        accepting = False
        while True:
            if await accepts(self._plan["port"]) != accepting:
                accepting = not accepting
                self._tell("accepting" if accepting else "refusing")
            await asyncio.sleep(_RECHECK_SECONDS if accepting else _POLL_SECONDS)

    def _tell(self, event: str) -> None:
        try:
            self._control.sendall(f"{event}\n".encode())
        except OSError:
            self._ended.set()


def _receive_plan(control: socket.socket) -> Mapping[str, Any]:
    with control.makefile("rb") as lines:
        line = lines.readline()
    if not line:
        raise SystemExit("the daemon is gone")
    plan: Mapping[str, Any] = json.loads(line)
    return plan


def main() -> int:
    """The exit code."""
    control = socket.socket(fileno=os.dup(0))
    plan = _receive_plan(control)
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    listener.bind(plan["socket"])
    listener.listen(1024)
    if plan["root"] is not None:
        raise_loopback()
        filesystem.enter(Path(plan["root"]), plan["entries"])
    else:
        orphans.adopt()
    code = asyncio.run(_First(control, plan).run(listener))
    if plan["root"] is None:
        orphans.kill()
    return code if code >= 0 else 128 - code


if __name__ == "__main__":
    # Not sys.exit: neither threads nor handlers may delay the end.
    os._exit(main())
