"""A process with one replica of each class that it is given: tests kill it, or confine it."""

import asyncio
import sys
from pathlib import Path

from rehearsals import service, started

from infra.local.replica_host import ReplicaHost
from infra.local.replicas import ReplicaFailed


async def main(root: Path, *class_names: str) -> None:
    """Say what came of them, then hold them until a line comes in."""
    async with ReplicaHost(root) as host:
        print(host.isolation.notice or "isolated", flush=True)
        for class_name in class_names:
            try:
                (replica,) = await started(host, service(root, class_name))
            except ReplicaFailed as error:
                print(str(error).replace("\n", " "), flush=True)
            else:
                print(replica.id, replica.socket, flush=True)
        await asyncio.to_thread(sys.stdin.readline)


asyncio.run(main(Path(sys.argv[1]), *sys.argv[2:]))
