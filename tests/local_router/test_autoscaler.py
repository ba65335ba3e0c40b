"""Replicas come and go as demand, settings, versions and accidents want it; all are processes."""

import asyncio
import re
import signal
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import aiohttp
import attrs
import pytest
from engines import EngineProcess, scenario

from infra.local.autoscaler import Autoscaler
from infra.local.door import Door
from infra.local.pool import Pool
from infra.local.router import Router
from infra.local.scaling import Settings

QUICK = Settings(scaledown_window=0.5, target_concurrency=1)


class Replica:
    """A replica as the autoscaler knows it, around an engine's process."""

    def __init__(self, engine: EngineProcess, *, gets_ready: bool = True) -> None:
        self.id = engine.backend.id
        self.socket = engine.backend.socket
        self.state = "starting"
        self.engine = engine
        self._gets_ready = gets_ready

    async def start(self) -> None:
        await self.engine.start()

    async def wait_ready(self) -> None:
        if not self._gets_ready:
            await self.wait_ended()
            raise RuntimeError(self.obituary())
        self.state = "ready"

    async def wait_ended(self) -> None:
        while self.engine.is_running():
            await asyncio.sleep(0.01)

    async def stop(self, grace_seconds: float) -> None:
        self.state = "draining"
        self.engine.end(signal.SIGKILL)
        self.state = "stopped"

    def obituary(self) -> str:
        return f"replica {self.id} ended"


@attrs.define(kw_only=True)
class Stage:
    """A router, its pool, an autoscaler, and what became of its replicas."""

    folder: Path
    client: aiohttp.ClientSession
    pool: Pool
    autoscaler: Autoscaler
    told: list[str] = attrs.field(factory=list)
    replicas: list[Replica] = attrs.field(factory=list)
    most_running: int = 0

    def launch(self, version: str, *, gets_ready: bool = True) -> Callable[[], Replica]:
        def make() -> Replica:
            name = f"{version}-{len(self.replicas)}"
            replica = Replica(EngineProcess(self.folder, name), gets_ready=gets_ready)
            self.most_running = max(self.most_running, len(self.running()) + 1)
            self.replicas.append(replica)
            return replica

        return make

    def deploy(self, version: str, settings: Settings, grace: float = 60) -> None:
        self.autoscaler.deploy(self.launch(version), settings, exit_grace_period=grace)

    def failures(self) -> list[str]:
        return [each for each in self.told if "No other one starts" in each]

    def running(self, version: str = "") -> list[str]:
        return [
            each.id
            for each in self.replicas
            if each.engine.is_running() and each.id.startswith(version)
        ]

    async def until(self, condition: Callable[[], bool]) -> None:
        """Wait for it; a test that waits in vain hangs, and fails by that."""
        while not condition():
            await asyncio.sleep(0.01)

    async def ready(self, count: int, version: str = "") -> None:
        def is_so() -> bool:
            ready = self.pool.ready()
            return len(ready) == count and all(each.startswith(version) for each in ready)

        await self.until(is_so)

    async def ask(self, path: str = "/short") -> int:
        async with self.client.post(path, data=b"hello") as response:
            await response.read()
            return response.status


def failures(told: list[str]) -> int:
    """How many of the lines tell of one."""
    return sum("No other one starts" in each for each in told)


@asynccontextmanager
async def staged(folder: Path) -> AsyncIterator[Stage]:
    """A stage; at its end nothing runs any more, and that is checked."""
    pool = Pool()
    router = Router(pool=pool, door=Door())
    await router.start()
    told: list[str] = []
    autoscaler = Autoscaler(pool=pool, tell=told.append)
    async with aiohttp.ClientSession(router.url) as client:
        stage = Stage(folder=folder, client=client, pool=pool, autoscaler=autoscaler, told=told)
        autoscaler.start()
        try:
            yield stage
        finally:
            await autoscaler.stop()
            left = stage.running()
            for each in stage.replicas:
                each.engine.end(signal.SIGKILL)
    await router.stop()
    assert left == []


@scenario
async def test_settings_take_effect_at_once(folder: Path) -> None:
    """The minimum starts replicas, a higher one more, and a lower maximum lets some go."""
    async with staged(folder) as stage:
        stage.deploy("v1", Settings(min_containers=1))
        await stage.ready(1)
        assert await stage.ask() == 200
        stage.autoscaler.update(Settings(min_containers=3))
        # A few turns of the event loop: nothing is waited for.
        for _ in range(10):
            await asyncio.sleep(0)
        assert len(stage.replicas) == 3
        await stage.ready(3)
        stage.autoscaler.update(Settings(min_containers=1, max_containers=1))
        await stage.until(lambda: len(stage.running()) == 1)
        assert len(stage.pool.ready()) == 1


@scenario
async def test_the_first_request_starts_the_first_replica(folder: Path) -> None:
    """It gets 503; those that come when the replica is ready are answered, and then it goes."""
    async with staged(folder) as stage:
        stage.deploy("v1", Settings())
        assert await stage.ask() == 503
        await stage.ready(1)
        assert await stage.ask() == 200
        stage.autoscaler.update(QUICK)
        await stage.until(lambda: stage.running() == [])
        assert await stage.ask() == 503


@scenario
async def test_replicas_follow_the_demand(folder: Path) -> None:
    """One for each request that lasts; none when all are done."""
    async with staged(folder) as stage:
        stage.deploy("v1", attrs.evolve(QUICK, min_containers=1))
        await stage.ready(1)
        calls = [asyncio.create_task(stage.ask("/wait")) for _ in range(3)]
        await stage.ready(3)
        for each in stage.replicas:
            each.engine.release()
        stage.autoscaler.update(QUICK)
        assert set(await asyncio.gather(*calls)) == {200}
        await stage.until(lambda: stage.running() == [])


@scenario
async def test_a_new_version_takes_over_without_a_gap(folder: Path) -> None:
    """Every request is answered while replicas of the new version replace those of the old."""
    async with staged(folder) as stage:
        stage.deploy("v1", Settings(min_containers=2))
        await stage.ready(2)
        statuses = []

        async def ask_on() -> None:
            while stage.running("v1"):
                statuses.append(await stage.ask("/stream"))

        asking = [asyncio.create_task(ask_on()) for _ in range(4)]
        stage.deploy("v2", Settings(min_containers=2))
        await asyncio.gather(*asking)
        await stage.ready(2, "v2")
        assert set(statuses) == {200}
        assert stage.failures() == []


@scenario
async def test_a_maximum_of_one_leaves_a_gap(folder: Path) -> None:
    """There is no room for a replacement beside the old replica, so nobody serves in between."""
    async with staged(folder) as stage:
        stage.deploy("v1", Settings(min_containers=1, max_containers=1))
        await stage.ready(1)
        stage.deploy("v2", Settings(min_containers=1, max_containers=1))
        await stage.until(lambda: stage.pool.ready() == [])
        assert await stage.ask() == 503
        await stage.ready(1, "v2")
        assert await stage.ask() == 200
        assert stage.most_running == 1


@scenario
async def test_a_version_that_never_gets_ready_replaces_nobody(folder: Path) -> None:
    """The old replicas serve on; a third version sends the unready ones away."""
    async with staged(folder) as stage:
        stage.deploy("v1", Settings(min_containers=1))
        await stage.ready(1)
        stuck = stage.launch("v2", gets_ready=False)
        stage.autoscaler.deploy(stuck, Settings(min_containers=1), exit_grace_period=0)
        await stage.until(lambda: stage.running("v2") != [])
        assert await stage.ask() == 200
        stage.deploy("v3", Settings(min_containers=1))
        await stage.ready(1, "v3")
        await stage.until(lambda: len(stage.running()) == 1)
        assert stage.failures() == []


@scenario
async def test_requests_in_flight_have_the_grace_period(folder: Path) -> None:
    """A replica that must go gets nothing new, and ends when its last request is answered."""
    async with staged(folder) as stage:
        stage.deploy("v1", Settings(min_containers=1))
        await stage.ready(1)
        call = asyncio.create_task(stage.ask("/wait"))
        await stage.until(lambda: stage.pool.in_flight("v1-0") == 1)
        stage.deploy("v2", Settings(min_containers=1))
        await stage.ready(1, "v2")
        assert await stage.ask() == 200
        assert stage.running("v1") == ["v1-0"]
        stage.replicas[0].engine.release()
        assert await call == 200
        await stage.until(lambda: stage.running("v1") == [])


@scenario
async def test_after_the_grace_period_requests_are_cut(folder: Path) -> None:
    """Their callers get an error."""
    async with staged(folder) as stage:
        stage.deploy("v1", Settings(min_containers=1), grace=0)
        await stage.ready(1)
        call = asyncio.create_task(stage.ask("/wait"))
        await stage.until(lambda: stage.pool.in_flight("v1-0") == 1)
        stage.deploy("v2", Settings(min_containers=1))
        assert await call == 502
        await stage.ready(1, "v2")


@scenario
async def test_a_replica_that_died_is_replaced(folder: Path) -> None:
    """It is told of, too."""
    async with staged(folder) as stage:
        stage.deploy("v1", Settings(min_containers=2))
        await stage.ready(2)
        stage.replicas[0].engine.send(signal.SIGKILL)
        await stage.until(lambda: stage.failures() != [])
        assert stage.failures() == ["replica v1-0 ended\n    No other one starts for 1 s."]
        assert await stage.ask() == 200
        await stage.ready(2)
        assert sorted(stage.pool.ready()) == ["v1-1", "v1-2"]


@scenario
async def test_what_ends_it_is_heard_of(folder: Path) -> None:
    """A fault in a step of its own is raised to whoever asks, and the replicas go all the same."""
    async with staged(folder) as stage:
        stage.deploy("v1", Settings(min_containers=1))
        await stage.ready(1)
        stage.autoscaler.check()

        def launch() -> Replica:
            raise LookupError("no such version")

        stage.autoscaler.deploy(launch, Settings(min_containers=2), exit_grace_period=0)

        def is_over() -> bool:
            try:
                stage.autoscaler.check()
            except LookupError:
                return True
            return False

        await stage.until(is_over)
        assert stage.running() == ["v1-0"]
        await stage.autoscaler.stop()
        assert stage.running() == []


class Broken(Replica):
    """One that cannot even be started."""

    async def start(self) -> None:
        raise OSError("no room")


@scenario
async def test_a_replica_that_cannot_start_is_tried_again(folder: Path) -> None:
    """As often as it takes, and its reasons are told."""
    async with staged(folder) as stage:
        good = stage.launch("v1")

        def launch() -> Replica:
            if len(stage.replicas) < 2:
                stage.replicas.append(Broken(EngineProcess(folder, "broken")))
                return stage.replicas[-1]
            return good()

        stage.autoscaler.deploy(launch, Settings(min_containers=1), exit_grace_period=0)
        await stage.ready(1)
        assert stage.told == [
            "0 -> 1 replicas: min_containers=1",
            "replica broken starts",
            "no room\n    No other one starts for 1 s.",
            "replica broken starts",
            "no room\n    No other one starts for 2 s.",
            "replica v1-2 starts",
            stage.told[-1],
        ]
        assert re.fullmatch(r"replica v1-2 is ready after \d+\.\d s", stage.told[-1])
        assert len(stage.replicas) == 3


@scenario
async def test_a_replica_that_was_stopped_by_hand_did_not_fail(folder: Path) -> None:
    """Another one takes its place at once."""
    async with staged(folder) as stage:
        stage.deploy("v1", Settings(min_containers=1))
        await stage.ready(1)
        await stage.replicas[0].stop(0)
        await stage.until(lambda: stage.pool.ready() == ["v1-1"])
        assert "replica v1-0 was stopped by hand" in stage.told
        assert stage.failures() == []


@scenario
async def test_it_is_not_tried_again_at_once(folder: Path) -> None:
    """A pause comes first, and a new version does not have to wait for its end."""
    told: list[str] = []
    autoscaler = Autoscaler(pool=Pool(), tell=told.append)

    def launch() -> Replica:
        return Broken(EngineProcess(folder, "broken"))

    now = asyncio.get_running_loop().time()
    autoscaler.deploy(launch, Settings(min_containers=1), exit_grace_period=0)
    for later, expected in [(0, 1), (0, 1), (3600, 2), (0, 2)]:
        autoscaler.reconcile(now + later)
        await asyncio.sleep(0.01)
        assert failures(told) == expected
    autoscaler.deploy(launch, Settings(min_containers=1), exit_grace_period=0)
    autoscaler.reconcile(now)
    await asyncio.sleep(0.01)
    assert failures(told) == 3


@scenario
async def test_a_replica_whose_port_is_silent_gets_nothing(folder: Path) -> None:
    """Until it answers again."""
    async with staged(folder) as stage:
        stage.deploy("v1", Settings(min_containers=2))
        await stage.ready(2)
        stage.replicas[0].state = "draining"
        await stage.until(lambda: stage.pool.ready() == [stage.replicas[1].id])
        stage.replicas[0].state = "ready"
        await stage.ready(2)


@pytest.mark.parametrize("grace", [0, 60])
@scenario
async def test_stopping_leaves_nothing(folder: Path, grace: float) -> None:
    """Ready, starting and busy replicas all end; with time, requests are answered first."""
    async with staged(folder) as stage:
        stage.deploy("v1", Settings(min_containers=2))
        await stage.ready(2)
        call = asyncio.create_task(stage.ask("/wait"))
        await stage.until(lambda: stage.pool.demand() > 0)
        stage.autoscaler.update(Settings(min_containers=3))
        await stage.until(lambda: len(stage.replicas) == 3)
        stopping = asyncio.create_task(stage.autoscaler.stop(grace))
        if grace:
            await stage.until(lambda: len(stage.running()) == 1)
            assert await stage.ask() == 503
            for each in stage.replicas:
                each.engine.release()
        await stopping
        assert stage.running() == []
        assert await call == (200 if grace else 502)
