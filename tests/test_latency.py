"""Reading what is deployed waits for few answers, one after the other, however much there is."""

import asyncio
from collections.abc import Iterator
from pathlib import Path

import modal
import pytest
import worlds
from sdk import forget_modal_client
from worlds import DOORS, World, service

from infra import App, Stack
from infra.local import ControlPlane
from infra.target import Target

ALLOWED = 5  # rounds
QUIET = 0.25  # seconds without a call, after which the client is taken to wait for answers


class Rounds(ControlPlane):
    """
    A plane that answers in rounds: nothing, until all is asked that is asked at once.

    How deep a client's calls rest on each other is then a number, on a slow machine and on a fast.

    Attributes:
        rounds: How many calls were answered in each round; None: each is answered at once.
    """

    def __init__(self, root: Path) -> None:
        super().__init__(root)
        self.rounds: list[int] | None = None
        self._asked = 0
        self._answers: asyncio.Task[None] | None = None

    async def pause(self) -> None:
        """Wait for the end of the round."""
        if self.rounds is None:
            return
        self._asked += 1
        if self._answers is None:
            self._answers = asyncio.create_task(self._end_of_round(self.rounds))
        await self._answers

    async def _end_of_round(self, rounds: list[int]) -> None:
        asked = 0
        while asked != self._asked:
            asked = self._asked
            await asyncio.sleep(QUIET)
        rounds.append(asked)
        self._asked = 0
        self._answers = None


@pytest.fixture
def plane(
    control_plane: ControlPlane, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Rounds]:
    """A plane that answers in rounds when it is told to."""
    with Rounds(tmp_path / "rounds") as plane:
        for name, value in plane.environ().items():
            monkeypatch.setenv(name, value)
        forget_modal_client()
        yield plane
        forget_modal_client()


def many(apps: int, services: int, **fields: int) -> Stack:
    """A stack of Apps with services each, with either front door."""
    return Stack(
        "dev",
        apps=[
            App(
                f"app-{one}",
                [
                    service(f"chat-{one}-{two}", door=DOORS[two % 2], **fields)
                    for two in range(services)
                ],
            )
            for one in range(apps)
        ],
    )


def depth(world: World, plane: Rounds, stack: Stack) -> int:
    """How many rounds of calls a plan takes, the first ones of the SDK included."""
    forget_modal_client()
    plane.rounds = []
    world.plan(stack)
    rounds, plane.rounds = plane.rounds, None
    print(rounds)
    return len(rounds)


@pytest.mark.parametrize(("apps", "services"), [(1, 1), (10, 10)])
def test_the_depth_of_a_plan(plane: Rounds, tmp_path: Path, apps: int, services: int) -> None:
    """No call of a plan waits for more than four others, of one service or of a hundred."""
    world = worlds.new(plane, tmp_path)
    deployed = many(apps, services)
    world.apply(deployed)
    assert depth(world, plane, deployed) <= ALLOWED
    # The records must be read.
    assert depth(world, plane, many(apps, services, port=9000)) <= ALLOWED


def test_rates_are_asked_for_beside_the_rest(plane: Rounds, tmp_path: Path) -> None:
    """What computing costs is one call more, and no round more."""
    world = worlds.new(plane, tmp_path)
    world.apply(many(2, 2))
    target, asked = Target(name="modal", environment=None), []
    for rates in (False, True):
        forget_modal_client()
        plane.rounds = []
        asyncio.run(target.read("dev", apps=["app-0", "app-1"], rates=rates))
        asked.append(plane.rounds)
    plain, priced = asked
    assert len(priced) <= len(plain) <= ALLOWED
    assert sum(priced) == sum(plain) + 1


@pytest.mark.parametrize("left", [1, 9])
def test_the_depth_of_a_plan_that_destroys(plane: Rounds, tmp_path: Path, left: int) -> None:
    """Apps that the stack file does not hold any more are read within the same depth."""
    world = worlds.new(plane, tmp_path)
    world.apply(many(1 + left, 2))
    assert depth(world, plane, many(1, 1)) <= ALLOWED


def test_the_depth_of_a_plan_after_a_stop(plane: Rounds, tmp_path: Path) -> None:
    """Who stopped an App, and when, is asked for within the same depth."""
    world = worlds.new(plane, tmp_path)
    world.apply(many(2, 1))
    modal.App.lookup("app-1").stop()
    assert depth(world, plane, many(2, 1)) <= ALLOWED
