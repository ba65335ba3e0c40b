"""Apps that somebody stopped, rolled back, replaced or lost the record of: told, and mended."""

import asyncio
from pathlib import Path
from typing import Any

import modal
import pytest
import worlds
from sdk import ModalCli
from worlds import DOORS, World, addresses, change, drift, fields, scale, service, stack, told

from infra import App, Stack
from infra.diff import Action
from infra.errors import InfraError
from infra.local import ControlPlane
from infra.tiers import ROLLING

FOREIGN = """
import modal

app = modal.App("alpha")


@app.cls(gpu="L4", min_containers=3)
@modal.experimental.http_server(port=9000, proxy_regions=["us-west"])
class {name}:
    @modal.enter()
    def start(self):
        pass
"""


@pytest.fixture
def world(control_plane: ControlPlane, tmp_path: Path) -> World:
    """A checkout and a workspace."""
    return worlds.new(control_plane, tmp_path)


@pytest.fixture(params=DOORS)
def door(request: pytest.FixtureRequest) -> str:
    """Each of Modal's front doors."""
    return str(request.param)


def test_a_module_of_somebody_elses(world: World, modal_cli: ModalCli) -> None:
    """`modal deploy` of another file takes the record away: told, and only taken back on demand."""
    wanted = stack()
    world.converge(wanted)
    path = world.folder / "other.py"
    path.write_text(FOREIGN.format(name="Chat"))
    assert modal_cli("deploy", str(path)).returncode == 0
    plan = world.plan(wanted)
    found = drift(plan, "app.alpha")
    newest = world.live(wanted).deployments["alpha"].newest
    assert found.what == "was deployed anew outside of infra, without its record"
    assert (found.by, found.at) == (newest.by, newest.at)
    assert newest.by and newest.version == 2
    assert len(plan.obstacles) == 1
    with pytest.raises(InfraError, match="can't be applied"):
        world.carry_out(plan)
    assert world.live(wanted).deployments["alpha"].version == 2
    world.converge(wanted, adopt=True)


def test_a_newer_module_of_the_same_stack(world: World) -> None:
    """`modal deploy` of the generated file is as good as an apply: the record comes with it."""
    world.converge(stack())
    wanted = stack(service(gpu="H200:2"))
    world.deploy(worlds.artifact(wanted).source)
    plan = world.plan(wanted)
    assert (list(plan.changes()), list(plan.drift())) == ([], [])


def test_an_older_module_of_the_same_stack(world: World) -> None:
    """`modal deploy` of a file that was generated earlier is a change back, from its own record."""
    older, wanted = stack(), stack(service(gpu="H200:2"))
    world.converge(older)
    world.converge(wanted)
    world.deploy(worlds.artifact(older).source)
    plan = world.plan(wanted)
    gpu = fields(change(plan, "service.chat"))["gpu"]
    assert (gpu.before, gpu.after, gpu.drifted) == (["H100:2"], ["H200:2"], False)
    world.converge(wanted)


def test_a_stopped_app_is_drift(world: World, modal_cli: ModalCli) -> None:
    """`modal app stop` is told with who and when; an apply brings the App back."""
    wanted = stack()
    world.converge(wanted)
    by, app = world.live(wanted).deployments["alpha"].newest.by, worlds.app_id("alpha")
    assert modal_cli("app", "stop", "alpha", "--yes").returncode == 0
    plan = world.plan(wanted)
    found = drift(plan, "app.alpha")
    stopped_at = modal.App.lookup(app).info().lifecycle.stopped_at
    assert stopped_at
    assert (found.what, found.by, found.at) == ("was stopped", by, stopped_at.timestamp())
    # The Volume is there still.
    assert set(addresses(plan)) == {"app.alpha", "image.chat", "service.chat"}
    assert {each.action for each in plan.changes()} == {Action.CREATE}
    world.converge(wanted)


def test_an_app_that_infra_stopped_is_no_drift(world: World) -> None:
    """Who destroys a stack and plans it again is not told that somebody stopped it."""
    wanted = stack()
    world.converge(wanted)
    world.destroy(wanted)
    plan = world.plan(wanted)
    assert list(plan.drift()) == []
    assert change(plan, "app.alpha").action is Action.CREATE
    assert world.plan(wanted, destroy=True).is_empty()


def test_a_rollback_is_drift(world: World, modal_cli: ModalCli) -> None:
    """`modal app rollback` is told with who and when; an apply goes forward again."""
    older, wanted = stack(), stack(service(gpu="H200:2"))
    world.converge(older)
    world.converge(wanted)
    assert modal_cli("app", "rollback", "alpha", "v1").returncode == 0
    plan = world.plan(wanted)
    found = drift(plan, "app.alpha")
    newest = world.live(wanted).deployments["alpha"].newest
    assert (found.what, found.by, found.at) == ("was rolled back to v1", newest.by, newest.at)
    gpu = fields(change(plan, "service.chat"))["gpu"]
    assert (gpu.before, gpu.after) == (["H100:2"], ["H200:2"])
    world.converge(wanted)


def test_a_rollback_that_the_stack_follows(world: World) -> None:
    """Whoever rolls back and takes the change out of the stack file too has nothing to apply."""
    older, newer = stack(), stack(service(gpu="H200:2"))
    world.converge(older)
    world.converge(newer)
    world.rollback("alpha", 1)
    plan = world.plan(older)
    assert (list(plan.changes()), list(plan.drift())) == ([], [])


def test_a_rollback_is_told_until_the_next_apply(world: World) -> None:
    """An apply in place leaves the rollback in Modal's history; it is told no more."""
    world.converge(stack())
    world.converge(stack(service(gpu="H200:2")))
    world.rollback("alpha", 1)
    scaled = stack(service(min_containers=2))
    published = world.publishes()
    plan = world.converge(scaled)
    assert told(plan) == {"app.alpha": "was rolled back to v1"}
    assert world.publishes() == published
    plan = world.plan(stack(service(min_containers=3)))
    assert list(plan.drift()) == []


def test_a_deleted_volume_is_drift(world: World, door: str) -> None:
    """A Volume that was deleted is told, with the mount that hangs; an apply creates a new one."""
    wanted = stack(service(door=door))
    world.converge(wanted)
    was = modal.Volume.from_name("weights").hydrate().object_id
    modal.Volume.objects.delete("weights")
    plan = world.plan(wanted)
    assert told(plan) == {"volume.weights": "was deleted", "service.chat": "has changed"}
    (mount,) = drift(plan, "service.chat").fields
    assert (mount.path, mount.before, mount.after) == (
        "volumes /root/.cache/huggingface",
        "weights",
        was,
    )
    assert change(plan, "volume.weights").action is Action.CREATE
    assert change(plan, "service.chat").tier == ROLLING
    world.converge(wanted)
    assert modal.Volume.from_name("weights").hydrate().object_id != was


def test_a_volume_that_two_apps_share_is_told_once(world: World) -> None:
    """Apps that share a deleted Volume both mount it anew; it is created once."""
    wanted = stack(alpha=[service()], beta=[service("draft")])
    world.converge(wanted)
    modal.Volume.objects.delete("weights")
    plan = world.plan(wanted)
    assert [each.address for each in plan.drift()].count("volume.weights") == 1
    assert addresses(plan).count("volume.weights") == 1
    assert plan.counts() == {"add": 1, "change": 2}
    world.converge(wanted)


def test_a_volume_that_nobody_wants_any_more_may_be_deleted(world: World) -> None:
    """What the stack does not hold is not missed."""
    world.converge(stack())
    wanted = stack(service(weights=None))
    assert change(world.converge(wanted), "volume.weights").action is Action.FORGET
    modal.Volume.objects.delete("weights")
    assert list(world.plan(wanted).drift()) == []


@pytest.mark.parametrize("damage", ["forged", "missing"])
def test_without_its_record_an_app_is_taken_as_it_is_live(
    world: World, door: str, damage: str
) -> None:
    """A record that is not what its name says is not believed: said, and read from Modal."""
    world.converge(stack(service(door=door)))
    fingerprint = worlds.artifact(stack(service(door=door))).manifest.fingerprint
    path = f"/dev/alpha/{fingerprint}.json"
    volume = modal.Volume.from_name("infra-state")
    if damage == "missing":
        volume.remove_file(path)
    else:
        forged = world.folder / "forged.json"
        forged.write_text("{}")
        with volume.batch_upload(force=True) as batch:
            batch.put_file(forged, path)
    wanted = stack(service(door=door, gpu="H200:2"))
    plan = world.plan(wanted)
    found = drift(plan, "app.alpha")
    problem = "is damaged" if damage == "forged" else "there is no"
    assert found.what.startswith("lost its record: ")
    assert problem in found.what and path in found.what
    held = change(plan, "service.chat")
    assert held.action is Action.UPDATE
    gpu = fields(held)["gpu"]
    assert (gpu.before, gpu.after) == (["H100:2"], ["H200:2"])
    # What Modal reports as it is wanted is no difference; what it does not report may be one.
    assert {field.path for field in held.fields if not field.path.startswith("engine ")} == {
        "gpu",
        "model",
        "entrypoint",
        "warm_up_timeout",
        "routing.session_affinity",
    }
    world.converge(wanted)


def test_adoption(world: World) -> None:
    """Row none | b | any: what somebody else deployed is taken over from its live values."""
    world.deploy(FOREIGN.format(name="Chat"))
    wanted = stack(service(gpu="L4", port=9000))
    assert world.plan(wanted).obstacles != ()
    plan = world.plan(wanted, adopt=True)
    assert plan.obstacles == ()
    assert [app.adopted for app in plan.apps] == [True]
    assert list(plan.drift()) == []
    found = fields(change(plan, "service.chat"))
    assert {
        path: (found[path].before, found[path].after)
        for path in found
        if path in ("gpu", "port", "autoscaler.min_containers", "routing.proxy_regions")
    } == {
        "autoscaler.min_containers": (3, 1),
        "routing.proxy_regions": (["us-west"], ["us-east"]),
    }
    assert change(plan, "app.alpha").action is Action.UPDATE
    assert world.live(wanted).deployments["alpha"].version == 1
    world.converge(wanted, adopt=True)


def test_adoption_of_an_app_with_other_classes(world: World) -> None:
    """What the stack does not hold of an App that is taken over is destroyed."""
    world.deploy(FOREIGN.format(name="Other"))
    plan = world.plan(stack(), adopt=True)
    gone = change(plan, "service.Other")
    assert gone.action is Action.DELETE
    assert fields(gone)["autoscaler.min_containers"].before == 3
    assert change(plan, "service.chat").action is Action.CREATE
    world.converge(stack(), adopt=True)


@pytest.mark.parametrize("destroy", [False, True])
@pytest.mark.parametrize("owner", ["nobody", "another stack"])
def test_somebody_elses_app_is_never_touched(world: World, owner: str, destroy: bool) -> None:
    """Without adoption, and when destroying even with it, an App of that name is left alone."""
    if owner == "nobody":
        world.deploy(FOREIGN.format(name="Chat"))
    else:
        world.converge(Stack("theirs", apps=[App("alpha", [service()])]))
    before = world.plane.requests("AppPublish", "AppStop", "AppSetTags")
    plan = world.plan(stack(), destroy=destroy, adopt=destroy)
    (obstacle,) = plan.obstacles
    assert obstacle.startswith("app.alpha: ")
    assert ("stack theirs" if owner != "nobody" else "somebody without infra") in obstacle
    with pytest.raises(InfraError, match="can't be applied"):
        world.carry_out(plan)
    assert world.plane.requests("AppPublish", "AppStop", "AppSetTags") == before
    assert modal.App.lookup("alpha").info().lifecycle.stopped_at is None


def test_two_checkouts_see_the_same(
    world: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Modal is the state: from a folder that shares no file the plan is the same."""
    other = World(world.plane, tmp_path / "elsewhere")
    other.folder.mkdir()
    monkeypatch.chdir(world.folder)
    world.converge(stack())
    scale("alpha", "Chat", max_containers=7)
    wanted = stack(service(gpu="H200:2"), service("draft"))
    here = world.plan(wanted)
    monkeypatch.chdir(other.folder)
    assert other.plan(wanted) == here
    other.converge(wanted)
    monkeypatch.chdir(world.folder)
    assert world.plan(wanted).is_empty()


def test_a_plan_needs_no_record_that_it_can_compute(world: World) -> None:
    """Reading is the same whether the caller knows the record already or not."""
    world.converge(stack())

    def read(**known: Any) -> Any:
        return asyncio.run(world.target.read("dev", apps=["alpha"], **known))

    assert read(known=[worlds.artifact(stack()).manifest]) == read()
