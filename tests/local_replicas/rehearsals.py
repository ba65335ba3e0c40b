"""What the tests of replicas share: their modules, one host, questions to an engine."""

import asyncio
import io
import os
import sqlite3
import subprocess
import sys
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import aiohttp

from infra.local.replica_host import ReplicaHost
from infra.local.replicas import Replica, ServiceVersion, deployed_services

MODULES = Path(__file__).parent / "modules"
LIMIT_SECONDS = 60  # for what must happen; never for how fast

Deploy = Callable[[Path], None]
Rehearse = Callable[[Callable[[ReplicaHost], Awaitable[Any]]], Any]


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


def sockets(root: Path) -> list[Path]:
    """The folders of sockets of this state."""
    host = ReplicaHost(root)
    return list(host.sockets_folder.parent.glob(host.sockets_folder.name))


def until(condition: Callable[[], bool]) -> None:
    """Wait for something that must happen."""
    deadline = time.monotonic() + LIMIT_SECONDS
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.02)


def service(root: Path, class_name: str) -> ServiceVersion:
    """The deployed service of this class."""
    return next(each for each in deployed_services(root) if each.class_name == class_name)


async def started(host: ReplicaHost, *services: ServiceVersion) -> list[Replica]:
    """One replica of each, ready."""
    replicas = [host.replica(each) for each in services]
    for replica in replicas:
        await replica.start()
    await asyncio.gather(*(replica.wait_ready() for replica in replicas))
    return replicas


async def ask(replica: Replica, path: str = "/", data: io.BytesIO | None = None) -> Any:
    """What the engine of a replica answers."""
    connector = aiohttp.UnixConnector(path=str(replica.socket))
    async with aiohttp.ClientSession(connector=connector) as session:
        method = "GET" if data is None else "POST"
        url, headers = f"http://replica{path}", {"Content-Type": "application/json"}
        async with session.request(method, url, data=data, headers=headers) as response:
            assert response.status == 200, await response.text()
            return await response.json(content_type=None)


async def cli(*arguments: str) -> str:
    """What the real `modal` command prints."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "modal", *arguments),
        env={**os.environ, "COLUMNS": "300", "NO_COLOR": "1"},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    output, errors = await process.communicate()
    assert process.returncode == 0, errors.decode()
    return output.decode()
