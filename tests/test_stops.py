"""Applies that are refused or stop on their way: what is said is what holds."""

import asyncio
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import modal
import pytest
import worlds
from grpclib import GRPCError, Status
from sdk import forget_modal_client
from worlds import World, addresses, scale, service, stack

from components import WeightCache
from infra.apply import ApplyFailed, interrupted
from infra.errors import StalePlan
from infra.local import ControlPlane
from infra.plan import Plan
from infra.plan_file import from_json, to_json
from infra.session import Session
from infra.stack import Stack


class Refusing(ControlPlane):
    """
    A plane that refuses everything from one call on.

    Attributes:
        refuses: The call and how many of its kind are answered before; None: all are answered.
    """

    refuses: tuple[str, int] | None = None

    async def pause(self) -> None:
        """Answer, or refuse."""
        if self.refuses and self.calls[self.refuses[0]] > self.refuses[1]:
            raise GRPCError(Status.FAILED_PRECONDITION, "cut off")

    def refuse(self, name: str, after: int = 0) -> None:
        """Answer so many more calls of a kind, and nothing from then on."""
        self.refuses = (name, self.calls[name] + after)


@pytest.fixture
def plane(
    control_plane: ControlPlane, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Refusing]:
    """A plane that refuses when it is told to."""
    monkeypatch.chdir(tmp_path)
    with Refusing(tmp_path / "refusing") as plane:
        for name, value in plane.environ().items():
            monkeypatch.setenv(name, value)
        forget_modal_client()
        yield plane
        forget_modal_client()


@pytest.fixture
def world(plane: Refusing, tmp_path: Path) -> World:
    """A checkout and a workspace."""
    return worlds.new(plane, tmp_path)


def two(**fields: Any) -> Stack:
    """A stack whose one App has two services."""
    return stack(service("one", **fields), service("two", **fields))


def saved(plan: Plan) -> Plan:
    """The plan as a file has it."""
    return from_json(to_json(plan), "plan.json")


@pytest.mark.parametrize("door", worlds.DOORS)
@pytest.mark.parametrize("is_in_place", [False, True])
def test_an_autoscaler_that_was_overridden_makes_a_plan_stale(
    world: World, door: str, is_in_place: bool
) -> None:
    """What a plan does not mention is not wiped: it names what moved, and who moved it."""
    world.converge(stack(service(door=door, max_containers=4)))
    change: dict[str, Any] = {"buffer_containers": 2} if is_in_place else {"cpu": 8}
    wanted = stack(service(door=door, max_containers=4, **change))
    plan = saved(world.plan(wanted))
    assert all(app.is_in_place is is_in_place for app in plan.apps)
    scale("alpha", "Chat", max_containers=50)
    before = world.plane.requests("AppPublish", "FunctionUpdateSchedulingParams")
    with pytest.raises(StalePlan) as caught:
        world.carry_out(plan)
    by = world.live(wanted).deployments["alpha"].newest.by
    line = f"  - service.chat: autoscaler.max_containers was 4, is 50 now, set by {by}"
    assert line in str(caught.value).splitlines()
    assert world.plane.requests("AppPublish", "FunctionUpdateSchedulingParams") == before
    scale("alpha", "Chat", max_containers=4)
    world.carry_out(plan)
    assert world.plan(wanted).is_empty()


def test_an_override_that_a_plan_knows_of_is_none(world: World) -> None:
    """What was so when the plan was made does not stop it."""
    world.converge(stack())
    scale("alpha", "Chat", min_containers=5)
    wanted = stack(service(cpu=8))
    world.carry_out(saved(world.plan(wanted)))
    assert world.plan(wanted).is_empty()


def test_an_app_that_is_scaled_in_part_says_so(world: World, plane: Refusing) -> None:
    """Which services have their settings already is told, and the command that goes on."""
    world.converge(two())
    wanted = two(min_containers=3)
    plan = world.plan(wanted)
    plane.refuse("FunctionUpdateSchedulingParams", after=1)
    with pytest.raises(ApplyFailed) as caught:
        world.carry_out(plan)
    first, *rest = str(caught.value).splitlines()
    assert first.startswith("scaling alpha failed: ") and first.endswith("cut off")
    part = "App alpha is scaled service by service, its record last; done so far: service.one."
    assert rest == [
        "Done before that: nothing. Not done: alpha.",
        f"{part} When the cause is mended, run `infra apply {plan.stack_file} --target local`.",
    ]
    plane.refuses = None
    assert worlds.scaling("alpha", "One").min_containers == 3
    assert worlds.scaling("alpha", "Two").min_containers == 1
    assert part in str(asyncio.run(interrupted(plan, world.target, [])))
    world.carry_out(world.plan(wanted))
    said = str(asyncio.run(interrupted(plan, world.target, [])))
    assert "Done before that: alpha. Not done: nothing." in said
    assert "Nothing is half-deployed" in said


def test_an_override_that_is_taken_back_in_part_is_not_done(world: World) -> None:
    """That the App has its own record again does not mean that its autoscalers are as recorded."""
    world.converge(two())
    for name in ("One", "Two"):
        scale("alpha", name, min_containers=9)
    plan = world.plan(two())
    scale("alpha", "One", min_containers=1)
    said = str(asyncio.run(interrupted(plan, world.target, [])))
    assert "Not done: alpha." in said and "done so far: service.one." in said
    scale("alpha", "Two", min_containers=1)
    assert "before that: alpha." in str(asyncio.run(interrupted(plan, world.target, [])))


def test_what_is_done_is_said_when_it_can_not_be_read_back(world: World, plane: Refusing) -> None:
    """An App that is deployed is done, whatever fails behind it; those before have receipts."""
    wanted = stack(alpha=[service("one")], beta=[service("two")], gamma=[service("three")])
    plan = world.plan(wanted)
    published = 0

    def tell(line: str) -> None:
        nonlocal published
        published += line.endswith("Deployed")
        if published == 2:
            plane.refuse("AppGetOrCreate", after=-1)

    with pytest.raises(ApplyFailed) as caught:
        world.carry_out(plan, tell)
    first, *rest = str(caught.value).splitlines()
    assert first.startswith("reading beta back, which is deployed, failed: ")
    assert rest[0] == "Done before that: alpha, beta. Not done: gamma."
    assert rest[1].endswith(f"run `infra apply {plan.stack_file} --target local`.")
    plane.refuses = None
    live = world.live(wanted)
    assert {name: bool(each.images) for name, each in live.deployments.items()} == {
        "alpha": True,
        "beta": False,
    }
    assert addresses(world.plan(wanted))[0] == "app.gamma"


def test_an_app_that_somebody_else_deploys_meanwhile(world: World) -> None:
    """Only what Modal says afterwards counts."""
    wanted = stack()
    newer = worlds.artifact(stack(service(cpu=8))).source

    def tell(line: str) -> None:
        if line.endswith("Deployed"):
            with ThreadPoolExecutor() as elsewhere:  # the SDK refuses to block a running loop
                elsewhere.submit(world.deploy, newer).result()

    with pytest.raises(ApplyFailed, match="somebody else deployed it meanwhile"):
        world.carry_out(world.plan(wanted), tell)


def test_a_rollback_goes_on_as_one(world: World, plane: Refusing) -> None:
    """After one that failed, the command that it names goes back still, and not forward."""
    world.converge(stack(service(cpu=4)))
    wanted = stack(service(cpu=8))
    world.converge(wanted)
    plan, _ = Session(world.target).plan_rollback(worlds.project(wanted), None, None)
    plane.refuse("AppPublish")
    with pytest.raises(ApplyFailed) as caught:
        world.carry_out(plan)
    again = f"run `infra rollback {plan.stack_file} --target local v1 --app alpha`."
    assert str(caught.value).endswith(f"When the cause is mended, {again}")
    plane.refuses = None
    assert str(asyncio.run(interrupted(plan, world.target, []))).endswith(f"To go on, {again}")


def test_a_rollback_knows_what_the_earlier_version_needs(world: World) -> None:
    """Of Volumes and Secrets that the stack file has no more it tells which are there."""
    modal.Secret.objects.create("old", {"KEY": "value"})
    weights = WeightCache("old-weights", secret="old")
    world.converge(stack(service(weights=weights)))
    wanted = stack(service(weights=WeightCache("new-weights")))
    world.converge(wanted)
    here = Session(world.target)
    plan, _ = here.plan_rollback(worlds.project(wanted), None, None)
    assert "volume.old-weights" not in addresses(plan)
    assert plan.obstacles == ()
    modal.Secret.objects.delete("old")
    plan, _ = here.plan_rollback(worlds.project(wanted), None, None)
    [obstacle] = plan.obstacles
    assert obstacle.startswith("secret.old: does not exist")
    modal.Volume.objects.delete("old-weights")
    plan, _ = here.plan_rollback(worlds.project(wanted), None, None)
    assert "volume.old-weights" in addresses(plan)
