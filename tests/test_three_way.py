"""Recorded, live and wanted: each way in which they can differ, made to happen through the SDK."""

from pathlib import Path
from typing import Any

import attrs
import modal
import pytest
import worlds
from worlds import DOORS, World, addresses, change, drift, fields, scale, service, stack, told

from components import WeightCache
from infra.diff import Action
from infra.local import ControlPlane

# What somebody edits in the generated module of a service with either front door or with one, and
# the drift that it is.
GPU = "    gpu=CHAT_GPU,"
CACHE = "/root/.cache/huggingface"
EDITS: list[tuple[str, str, str, str, Any, Any]] = [
    ("both", 'GPU = "H100:2"', 'GPU = "H200:2"', "gpu", ["H100:2"], ["H200:2"]),
    ("both", 'GPU = "H100:2"', 'GPU = ["L4:2", "T4:2"]', "gpu", ["H100:2"], ["L4:2", "T4:2"]),
    ("both", GPU, f"{GPU} cpu=8,", "cpu", None, 8),
    ("both", GPU, f"{GPU} memory=4096,", "memory", None, 4096),
    ("both", GPU, f'{GPU} cloud="oci",', "cloud", None, "oci"),
    ("http_server", GPU, f"{GPU} timeout=600,", "timeout", None, 600),
    ("server", "_TIMEOUT = 900", "_TIMEOUT = 400", "startup_timeout", 900, 400),
    ("both", "PORT = 8000", "PORT = 8001", "port", 8000, 8001),
    ("http_server", ' region="us-east"', ' region="us"', "routing.region", ["us-east"], ["us"]),
    ("server", 'compute_region="us-east"', 'compute_region="us"',
     "routing.region", ["us-east"], ["us"]),
    ("http_server", 'proxy_regions=["us-east"]', 'proxy_regions=["us-west"]',
     "routing.proxy_regions", ["us-east"], ["us-west"]),
    ("server", 'routing_region="us-east"', 'routing_region="us-west"',
     "routing.proxy_regions", ["us-east"], ["us-west"]),
    ("http_server", "target_inputs=10", "target_inputs=12", "routing.target_inputs", 10, 12),
    ("server", "concurrency=10", "concurrency=12", "routing.target_inputs", 10, 12),
    ("server", GPU, f"{GPU} max_concurrency=40,", "routing.max_inputs", None, 40),
    ("server", GPU, f"{GPU} unauthenticated=True,", "routing.unauthenticated", False, True),
    ("both", "period=15", "period=20", "routing.exit_grace_period", 15, 20),
    ("both", "    exit_grace_period=15,\n", "", "routing.exit_grace_period", 15, None),
    ("both", "_containers=1", "_containers=2", "autoscaler.min_containers", 1, 2),
    ("both", GPU, f"{GPU} scaledown_window=120,", "autoscaler.scaledown_window", None, 120),
    ("both", '.from_name("weights"', '.from_name("other"', f"volumes {CACHE}", "weights", "other"),
    ("both", '": WEIGHTS_VOLUME', '": WEIGHTS_VOLUME.read_only()',
     f"volumes {CACHE}", "weights", "weights, read-only"),
    ("both", '": WEIGHTS_VOLUME', '": WEIGHTS_VOLUME, "/two": modal.Volume.from_name("two")',
     "volumes /two", None, "two"),
    ("both", "[TOKEN_SECRET]", '[TOKEN_SECRET, modal.Secret.from_name("more")]',
     "secrets", ["token"], ["more", "token"]),
    ("both", "image.entrypoint([])", 'image.entrypoint(["/bin/sh"])', "image id", ..., ...),
]  # fmt: skip
CASES = [
    pytest.param(door, *edit, id=f"{edit[2]}-{door}-{number}")
    for number, (doors, *edit) in enumerate(EDITS)
    for door in DOORS
    if doors in ("both", door)
]


@pytest.fixture
def world(control_plane: ControlPlane, tmp_path: Path) -> World:
    """A checkout and a workspace."""
    return worlds.new(control_plane, tmp_path)


@pytest.fixture(params=DOORS)
def door(request: pytest.FixtureRequest) -> str:
    """Each of Modal's front doors."""
    return str(request.param)


def test_nothing(world: World, door: str) -> None:
    """Row a | a | a: there is nothing to do and nothing to tell."""
    wanted = stack(service(door=door))
    assert set(addresses(world.converge(wanted))) == {
        "app.alpha",
        "volume.weights",
        "image.chat",
        "service.chat",
    }


def test_defaults_that_are_written_out_are_nothing(world: World, door: str) -> None:
    """Row a | a | a: values that say what Modal does anyway are no difference."""
    spelled = service(
        door=door, gpu="h100", min_containers=0, buffer_containers=0, scaledown_window=60
    )
    world.converge(stack(spelled))
    world.converge(stack(attrs.evolve(spelled, scaledown_window=None)))
    world.converge(stack(spelled))


def test_change(world: World, door: str) -> None:
    """Row a | a | b: what the stack changed is a change, from what is live to what is wanted."""
    before = service(door=door)
    world.converge(stack(before))
    plan = world.converge(stack(attrs.evolve(before, gpu="H200:2", max_containers=3)))
    assert list(plan.drift()) == []
    found = fields(change(plan, "service.chat"))
    assert (found["gpu"].before, found["gpu"].after) == (["H100:2"], ["H200:2"])
    scaled = found["autoscaler.max_containers"]
    assert (scaled.before, scaled.after) == (None, 3)
    assert not any(field.drifted or field.already for field in found.values())


@pytest.mark.parametrize(
    ("setting", "value", "before"),
    [
        ("min_containers", 4, 1),
        ("min_containers", 0, 1),
        ("max_containers", 9, None),
        ("buffer_containers", 2, None),
        ("scaledown_window", 300, None),
    ],
)
def test_an_overridden_autoscaler_is_drift(
    world: World,
    door: str,
    setting: str,
    value: int,
    before: int | None,
) -> None:
    """Row a | b | a: who overrode the autoscaler is told with the time, and an apply resets it."""
    wanted = stack(service(door=door))
    world.converge(wanted)
    scale("alpha", "Chat", **{setting: value})
    plan = world.plan(wanted)
    found = drift(plan, "service.chat")
    assert found.what == "autoscaler was overridden"
    (deployed,) = world.live(wanted).deployments.values()
    assert found.by == deployed.newest.by != ""
    assert found.at and found.at > deployed.newest.at
    path = f"autoscaler.{setting}"
    (only,) = found.fields
    assert (only.path, only.before, only.after or 0) == (path, before, value)
    (reset,) = change(plan, "service.chat").fields
    assert (reset.path, reset.before or 0, reset.after) == (path, value, before)
    assert reset.drifted and not reset.already and reset.was == before
    world.converge(wanted)
    assert getattr(worlds.scaling("alpha", "Chat"), setting) == {
        "min_containers": 1,
        "max_containers": None,
        "buffer_containers": 0,
        "scaledown_window": 60,
    }.get(setting)


def test_a_servers_overridden_target_is_drift(world: World) -> None:
    """Row a | b | a: the concurrency that a server aims at is one of its autoscaler's settings."""
    wanted = stack(service(door="server"))
    world.converge(wanted)
    scale("alpha", "Chat", target_concurrency=33)
    plan = world.plan(wanted)
    found = drift(plan, "service.chat")
    assert found.what == "autoscaler was overridden"
    assert [(f.path, f.before, f.after) for f in found.fields] == [
        ("routing.target_inputs", 10, 33)
    ]
    world.converge(wanted)
    assert worlds.scaling("alpha", "Chat").target_concurrency == 10


def test_only_the_record_is_behind(world: World, door: str) -> None:
    """Row a | b | b: what is live as it should be says so; an apply only moves the record."""
    world.converge(stack(service(door=door)))
    scale("alpha", "Chat", min_containers=5)
    wanted = stack(service(door=door, min_containers=5))
    plan = world.plan(wanted)
    (field,) = change(plan, "service.chat").fields
    assert field.already and field.drifted
    assert (field.path, field.before, field.after) == ("autoscaler.min_containers", 1, 5)
    published = world.publishes()
    world.converge(wanted)
    assert world.publishes() == published
    assert worlds.scaling("alpha", "Chat").min_containers == 5


def test_change_over_drift(world: World, door: str) -> None:
    """Row a | b | c: the change starts from what is live, with what was recorded beside it."""
    world.converge(stack(service(door=door)))
    scale("alpha", "Chat", min_containers=5)
    wanted = stack(service(door=door, min_containers=2))
    (field,) = change(world.plan(wanted), "service.chat").fields
    assert (field.was, field.before, field.after) == (1, 5, 2)
    assert field.drifted and not field.already
    world.converge(wanted)


def test_what_modal_does_not_report_is_taken_from_the_record(world: World, door: str) -> None:
    """Row a | unreadable | b: a flag of the engine changes from what was recorded."""
    before = service(door=door)
    world.converge(stack(before))
    wanted = stack(attrs.evolve(before, engine=type(before.engine)(mem_fraction_static=0.9)))
    plan = world.converge(wanted)
    (field,) = change(plan, "service.chat").fields
    assert (field.path, field.before, field.after) == ("engine --mem-fraction-static", None, "0.9")
    assert not field.drifted


@pytest.mark.parametrize(("door", "written", "edit", "path", "before", "after"), CASES)
def test_an_edited_module_is_drift(
    world: World,
    door: str,
    written: str,
    edit: str,
    path: str,
    before: Any,
    after: Any,
) -> None:
    """Row a | b | a: of a module edited and deployed by hand the field is named."""
    for name in ("token", "more"):
        modal.Secret.objects.create(name, {"KEY": "value"})
    for name in ("two", "other"):
        modal.Volume.objects.create(name)
    weights = WeightCache("weights", secret="token")
    wanted = stack(service(door=door, weights=weights, startup_timeout=900))
    world.converge(wanted)
    image = world.live(wanted).deployments["alpha"].endpoints[0].image_id
    world.deploy(worlds.edited(worlds.artifact(wanted).source, (written, edit)))
    deployment = world.live(wanted).deployments["alpha"]
    plan = world.plan(wanted)
    found = drift(plan, "service.chat")
    assert (found.what, found.by) == ("has changed", deployment.newest.by)
    assert found.at == deployment.newest.at
    (field,) = found.fields
    if path == "image id":
        before, after = image, deployment.endpoints[0].image_id
        assert before != after
    assert (field.path, field.before, field.after) == (path, before, after)
    (reset,) = change(plan, "service.chat").fields
    assert (reset.path, reset.before, reset.after) == (path, after, before)
    assert reset.drifted and not reset.already
    world.converge(wanted)
    assert world.live(wanted).deployments["alpha"].endpoints[0].image_id == image


def test_drift_of_two_kinds_is_told_apart(world: World, door: str) -> None:
    """Who deployed another module and who overrode an autoscaler are two notes on one service."""
    wanted = stack(service(door=door))
    world.converge(wanted)
    edit = ('CHAT_GPU = "H100:2"', 'CHAT_GPU = "H200:2"')
    world.deploy(worlds.edited(worlds.artifact(wanted).source, edit))
    scale("alpha", "Chat", max_containers=2)
    plan = world.plan(wanted)
    assert {(each.what, *(field.path for field in each.fields)) for each in plan.drift()} == {
        ("has changed", "gpu"),
        ("autoscaler was overridden", "autoscaler.max_containers"),
    }
    assert set(fields(change(plan, "service.chat"))) == {"gpu", "autoscaler.max_containers"}
    world.converge(wanted)


def test_an_image_that_was_replaced_and_is_wanted_otherwise(world: World) -> None:
    """Where other steps are wanted the image is built anew, whatever somebody put there."""
    wanted = stack()
    world.converge(wanted)
    edit = ("image.entrypoint([])", 'image.entrypoint(["/bin/sh"])')
    world.deploy(worlds.edited(worlds.artifact(wanted).source, edit))
    other = stack(service(image=worlds.IMAGE.run_commands("true")))
    plan = world.plan(other)
    assert [field.path for field in drift(plan, "service.chat").fields] == ["image id"]
    assert addresses(plan) == ["image.chat"]
    world.converge(other)


def test_a_service_that_somebody_added_is_drift(world: World, door: str) -> None:
    """A class that no record holds is told, and goes with the next apply."""
    wanted = stack(service(door=door))
    more = stack(service(door=door), service("draft", door=door))
    world.converge(wanted)
    tags = worlds.artifact(wanted).manifest.fingerprint
    source = worlds.artifact(more).source
    world.deploy(source.replace(worlds.artifact(more).manifest.fingerprint, tags))
    plan = world.plan(wanted)
    assert told(plan) == {"service.Draft": "was added"}
    gone = change(plan, "service.Draft")
    assert (gone.action, addresses(plan)) == (Action.DELETE, ["service.Draft"])
    assert [each.address for app in plan.apps for each in app.cycled] == ["service.chat"]
    world.converge(wanted)
    assert len(world.live(wanted).deployments["alpha"].endpoints) == 1


def test_a_service_that_somebody_added_and_that_is_wanted(world: World) -> None:
    """Row none | b | any: it is taken over with its live values as `before`."""
    world.converge(stack())
    more = stack(service(), service("draft", gpu="L4"))
    tags = worlds.artifact(stack()).manifest.fingerprint
    source = worlds.artifact(more).source.replace('DRAFT_GPU = "L4"', 'DRAFT_GPU = "T4"')
    world.deploy(source.replace(worlds.artifact(more).manifest.fingerprint, tags))
    found = change(world.plan(more), "service.draft")
    assert found.action is Action.UPDATE
    assert (fields(found)["gpu"].before, fields(found)["gpu"].after) == (["T4:1"], ["L4"])
    world.converge(more)


def test_a_service_that_somebody_removed_is_drift(world: World, door: str) -> None:
    """A class that is recorded and not there is told, and comes back with the next apply."""
    wanted = stack(service(door=door), service("draft", door=door))
    world.converge(wanted)
    alone = stack(service(door=door))
    tags = worlds.artifact(wanted).manifest.fingerprint
    source = worlds.artifact(alone).source
    world.deploy(source.replace(worlds.artifact(alone).manifest.fingerprint, tags))
    plan = world.plan(wanted)
    assert told(plan) == {"service.draft": "is gone"}
    assert change(plan, "service.draft").action is Action.CREATE
    assert addresses(plan) == ["service.draft"]
    world.converge(wanted)
