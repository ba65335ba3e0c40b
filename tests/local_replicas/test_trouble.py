"""What does not come up, does not stay up or does not go: shown, bounded, and gone."""

import asyncio
from pathlib import Path

import aiohttp
import pytest
from rehearsals import MODULES, Deploy, Rehearse, ask, cli, service, started, survivors

from infra.local.replica_host import ReplicaHost
from infra.local.replicas import ReplicaFailed


@pytest.mark.parametrize(
    ("class_name", "reason", "last_line"),
    [
        ("DeadEngine", "RuntimeError('the engine ended with exit code 1')", "CUDA out of memory"),
        ("Late", "it was not ready within its startup_timeout of 1 s", "loading weights"),
        ("Deaf", "it was not ready within its startup_timeout of 2 s", "entered"),
        ("Vanishing", "it ended by itself, by SIGKILL", None),
    ],
)
def test_what_does_not_come_up_says_why(
    root: Path,
    deploy: Deploy,
    rehearse: Rehearse,
    class_name: str,
    reason: str,
    last_line: str | None,
) -> None:
    """A replica that is not ready in time or ends before fails, with the reason and its output."""
    deploy(MODULES / "trouble.py")

    async def body(host: ReplicaHost) -> None:
        replica = host.replica(service(root, class_name))
        await replica.start()
        with pytest.raises(ReplicaFailed) as failure:
            await replica.wait_ready()
        assert (replica.state, replica.reason) == ("failed", reason)
        assert reason in str(failure.value)
        assert last_line is None or f"\n    {last_line}" in str(failure.value)
        assert survivors(root) == []
        assert last_line is None or last_line in await cli("app", "logs", "trouble")

    rehearse(body)


def test_an_exit_hook_has_the_grace_period(root: Path, deploy: Deploy, rehearse: Rehearse) -> None:
    """A hook that never ends is begun and then cut off."""
    deploy(MODULES / "trouble.py")

    async def body(host: ReplicaHost) -> None:
        (replica,) = await started(host, service(root, "Stubborn"))
        stopping = asyncio.create_task(replica.stop(grace_seconds=2))
        await replica.wait_ended()
        assert "thinking about it" in replica.last_lines
        assert replica.state == "stopped"
        assert "by SIGKILL" in replica.reason
        await stopping
        assert survivors(root) == []

    rehearse(body)


@pytest.mark.parametrize("class_name", ["Web", "Door"])
def test_nothing_outlives_a_stopped_replica(
    root: Path, deploy: Deploy, rehearse: Rehearse, class_name: str
) -> None:
    """Exit hooks run, and even a process in a session of its own, deaf to SIGTERM, ends."""
    deploy(MODULES / "front_doors.py")

    async def body(host: ReplicaHost) -> None:
        (replica,) = await started(host, service(root, class_name))
        assert len(survivors(root)) == 3  # the runtime, the engine, a stray one
        await replica.stop(30)
        assert f"leaving {class_name.lower()}" in replica.last_lines
        assert survivors(root) == []
        assert not replica.socket.exists()

    rehearse(body)


@pytest.mark.parametrize("class_name", ["Web", "Door"])
def test_a_lost_port_drains_the_replica(
    root: Path, deploy: Deploy, rehearse: Rehearse, class_name: str
) -> None:
    """Once the engine is dead the replica gets no more requests; after a while it has failed."""
    deploy(MODULES / "front_doors.py")

    async def body(host: ReplicaHost) -> None:
        (replica,) = await started(host, service(root, class_name))
        with pytest.raises(aiohttp.ClientError):
            await ask(replica, "/exit")
        while replica.state == "ready":
            await asyncio.sleep(0.05)
        assert replica.state == "draining"
        with pytest.raises(aiohttp.ClientError):
            await ask(replica)
        await replica.wait_ended()
        assert (replica.state, replica.reason) == ("failed", "its port no longer answered")
        assert f"leaving {class_name.lower()}" in replica.last_lines

    rehearse(body)


def test_a_host_that_ends_takes_its_replicas_with_it(
    root: Path, deploy: Deploy, rehearse: Rehearse
) -> None:
    """Replicas that nobody stopped, ready or still starting, end with the host."""
    deploy(MODULES / "front_doors.py")

    async def body(host: ReplicaHost) -> None:
        await started(host, service(root, "Web"))
        await host.replica(service(root, "Door")).start()

    rehearse(body)
    assert survivors(root) == []


def test_a_starting_replica_can_be_stopped(root: Path, deploy: Deploy, rehearse: Rehearse) -> None:
    """There is no hook to wait for, so it ends at once, and whoever waits is told."""
    deploy(MODULES / "trouble.py")

    async def body(host: ReplicaHost) -> None:
        replica = host.replica(service(root, "Stubborn"))
        await replica.start()
        await replica.stop(grace_seconds=600)
        assert replica.state == "stopped"
        with pytest.raises(ReplicaFailed, match="it was asked to stop"):
            await replica.wait_ready()

    rehearse(body)
