"""Recorded, live and wanted: each way in which they can differ, made to happen through the SDK."""

import asyncio
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import attrs
import modal
import pytest
import worlds
from conftest import ModalCli
from worlds import World, addresses, change, drift, fields, scale, service, stack

from components import WeightCache
from infra import App, Stack
from infra.diff import Action
from infra.errors import InfraError
from infra.local import ControlPlane
from infra.plan import Plan
from infra.tiers import ROLLING

DOORS = ["http_server", "server"]
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
    folder = tmp_path / "checkout"
    folder.mkdir()
    return World(control_plane, folder)


@pytest.fixture(params=DOORS)
def door(request: pytest.FixtureRequest) -> str:
    """Each of Modal's front doors."""
    return str(request.param)


@pytest.fixture
def plane_clock(world: World) -> Iterator[Callable[[float | None], None]]:
    """Says that a moment lies between the start of the test and now."""
    import time

    started = time.time()

    def check(at: float | None) -> None:
        assert at is not None
        assert started <= at <= time.time()

    yield check


def told(plan: Plan) -> dict[str, str]:
    """What was changed outside of infra, by address."""
    return {each.address: each.what for each in plan.drift()}


def test_nothing(world: World, door: str) -> None:
    """a | a | a: what is recorded, live and wanted alike is nothing to do and nothing to tell."""
    wanted = stack(service(door=door))
    assert set(addresses(world.converge(wanted))) == {
        "app.alpha",
        "volume.weights",
        "image.chat",
        "service.chat",
    }


def test_defaults_that_are_written_out_are_nothing(world: World, door: str) -> None:
    """a | a | a: values that say what Modal would do anyway are no difference in any spelling."""
    spelled = service(
        door=door, gpu="h100", min_containers=0, buffer_containers=0, scaledown_window=60
    )
    world.converge(stack(spelled))
    world.converge(stack(attrs.evolve(spelled, scaledown_window=None)))
    world.converge(stack(spelled))


def test_change(world: World, door: str) -> None:
    """a | a | b: what the stack changed is a change, from what is live to what is wanted."""
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
    plane_clock: Callable[[float | None], None],
    setting: str,
    value: int,
    before: int | None,
) -> None:
    """a | b | a: who overrode the autoscaler is told with the time, and an apply resets it."""
    wanted = stack(service(door=door))
    world.converge(wanted)
    scale("alpha", "Chat", **{setting: value})
    plan = world.plan(wanted)
    found = drift(plan, "service.chat")
    assert found.what == "autoscaler was overridden"
    (deployed,) = world.live(wanted).deployments.values()
    assert found.by == deployed.newest.by != ""
    plane_clock(found.at)
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
    """a | b | a: the concurrency that a server aims at is one of its autoscaler's settings."""
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
    """a | b | b: what is live as it should be says so; an apply only moves the record."""
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
    """a | b | c: the change starts from what is live, with what was recorded beside it."""
    world.converge(stack(service(door=door)))
    scale("alpha", "Chat", min_containers=5)
    wanted = stack(service(door=door, min_containers=2))
    (field,) = change(world.plan(wanted), "service.chat").fields
    assert (field.was, field.before, field.after) == (1, 5, 2)
    assert field.drifted and not field.already
    world.converge(wanted)


def test_what_modal_does_not_report_is_taken_from_the_record(world: World, door: str) -> None:
    """a | unreadable | b: a flag of the engine changes from what was recorded."""
    before = service(door=door)
    world.converge(stack(before))
    wanted = stack(attrs.evolve(before, engine=type(before.engine)(mem_fraction_static=0.9)))
    plan = world.converge(wanted)
    (field,) = change(plan, "service.chat").fields
    assert (field.path, field.before, field.after) == ("engine --mem-fraction-static", None, "0.9")
    assert not field.drifted


# What somebody edits in the generated module, for each front door, and the drift that it is.
EDITS: list[tuple[str, dict[str, tuple[str, str]], str, Any, Any]] = [
    (
        "gpu",
        dict.fromkeys(DOORS, ('CHAT_GPU = "H100:2"', 'CHAT_GPU = "H200:2"')),
        "gpu",
        ["H100:2"],
        ["H200:2"],
    ),
    (
        "gpus in order of preference",
        dict.fromkeys(DOORS, ('CHAT_GPU = "H100:2"', 'CHAT_GPU = ["H100:2", "H200:2"]')),
        "gpu",
        ["H100:2"],
        ["H100:2", "H200:2"],
    ),
    (
        "cpu",
        dict.fromkeys(DOORS, ("    gpu=CHAT_GPU,", "    gpu=CHAT_GPU, cpu=8,")),
        "cpu",
        None,
        8,
    ),
    (
        "memory",
        dict.fromkeys(DOORS, ("    gpu=CHAT_GPU,", "    gpu=CHAT_GPU, memory=4096,")),
        "memory",
        None,
        4096,
    ),
    (
        "region",
        {
            "http_server": ('    region="us-east"', '    region=["us-west", "us-east"]'),
            "server": ('compute_region="us-east"', 'compute_region=["us-west", "us-east"]'),
        },
        "routing.region",
        ["us-east"],
        ["us-west", "us-east"],
    ),
    (
        "routing region",
        {
            "http_server": ('proxy_regions=["us-east"]', 'proxy_regions=["us-west"]'),
            "server": ('routing_region="us-east"', 'routing_region="us-west"'),
        },
        "routing.proxy_regions",
        ["us-east"],
        ["us-west"],
    ),
    (
        "target_inputs",
        {
            "http_server": ("target_inputs=10", "target_inputs=12"),
            "server": ("target_concurrency=10", "target_concurrency=12"),
        },
        "routing.target_inputs",
        10,
        12,
    ),
    (
        "max_inputs",
        {"server": ("target_concurrency=10,", "target_concurrency=10, max_concurrency=40,")},
        "routing.max_inputs",
        None,
        40,
    ),
    (
        "exit_grace_period",
        dict.fromkeys(DOORS, ("exit_grace_period=15", "exit_grace_period=20")),
        "routing.exit_grace_period",
        15,
        20,
    ),
    (
        "exit_grace_period taken out",
        dict.fromkeys(DOORS, ("    exit_grace_period=15,\n", "")),
        "routing.exit_grace_period",
        15,
        None,
    ),
    (
        "unauthenticated",
        {"server": ("    gpu=CHAT_GPU,", "    gpu=CHAT_GPU, unauthenticated=True,")},
        "routing.unauthenticated",
        False,
        True,
    ),
    ("port", dict.fromkeys(DOORS, ("CHAT_PORT = 8000", "CHAT_PORT = 8001")), "port", 8000, 8001),
    (
        "startup_timeout",
        {"server": ("CHAT_STARTUP_TIMEOUT = 900", "CHAT_STARTUP_TIMEOUT = 400")},
        "startup_timeout",
        900,
        400,
    ),
    (
        "timeout",
        {"http_server": ("    gpu=CHAT_GPU,", "    gpu=CHAT_GPU, timeout=600,")},
        "timeout",
        None,
        600,
    ),
    (
        "cloud",
        dict.fromkeys(DOORS, ("    gpu=CHAT_GPU,", '    gpu=CHAT_GPU, cloud="oci",')),
        "cloud",
        None,
        "oci",
    ),
    (
        "another volume",
        dict.fromkeys(
            DOORS,
            (
                '    "/root/.cache/huggingface": WEIGHTS_VOLUME,\n',
                '    "/root/.cache/huggingface": WEIGHTS_VOLUME,\n'
                '    "/two": modal.Volume.from_name("two", create_if_missing=True),\n',
            ),
        ),
        "volumes /two",
        None,
        "two",
    ),
    (
        "volume",
        dict.fromkeys(DOORS, ('.from_name("weights"', '.from_name("other"')),
        "volumes /root/.cache/huggingface",
        "weights",
        "other",
    ),
    (
        "read-only volume",
        dict.fromkeys(
            DOORS,
            ('huggingface": WEIGHTS_VOLUME,', 'huggingface": WEIGHTS_VOLUME.read_only(),'),
        ),
        "volumes /root/.cache/huggingface",
        "weights",
        "weights, read-only",
    ),
    (
        "secrets",
        dict.fromkeys(
            DOORS,
            (
                "CHAT_SECRETS = [TOKEN_SECRET]",
                'CHAT_SECRETS = [TOKEN_SECRET, modal.Secret.from_name("more")]',
            ),
        ),
        "secrets",
        ["token"],
        ["more", "token"],
    ),
    (
        "min_containers",
        dict.fromkeys(DOORS, ("min_containers=1", "min_containers=2")),
        "autoscaler.min_containers",
        1,
        2,
    ),
    (
        "scaledown_window",
        dict.fromkeys(DOORS, ("min_containers=1", "min_containers=1, scaledown_window=120")),
        "autoscaler.scaledown_window",
        None,
        120,
    ),
    (
        "image",
        dict.fromkeys(DOORS, ("image.entrypoint([])", 'image.entrypoint(["/bin/sh"])')),
        "image id",
        ...,
        ...,
    ),
]
CASES = [
    pytest.param(door, *edits[door], *rest, id=f"{name}-{door}")
    for name, edits, *rest in ((name, edits, *rest) for name, edits, *rest in EDITS)
    for door in edits
]


@pytest.mark.parametrize(("door", "written", "edit", "path", "before", "after"), CASES)
def test_an_edited_module_is_drift(
    world: World,
    plane_clock: Callable[[float | None], None],
    door: str,
    written: str,
    edit: str,
    path: str,
    before: Any,
    after: Any,
) -> None:
    """a | b | a: a module that was edited and deployed by hand differs in the field's own name."""
    for name in ("token", "more"):
        modal.Secret.objects.create(name, {"KEY": "value"})
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
    plane_clock(found.at)
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
    """none | b | any: it is taken over with its live values as `before`."""
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


def test_a_stopped_app_is_drift(
    world: World, modal_cli: ModalCli, plane_clock: Callable[[float | None], None]
) -> None:
    """`modal app stop` is told with who and when; an apply brings the App back."""
    wanted = stack()
    world.converge(wanted)
    by = world.live(wanted).deployments["alpha"].newest.by
    assert modal_cli("app", "stop", "alpha", "--yes").returncode == 0
    plan = world.plan(wanted)
    found = drift(plan, "app.alpha")
    assert (found.what, found.by) == ("was stopped", by)
    plane_clock(found.at)
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


def test_a_rollback_is_drift(
    world: World, modal_cli: ModalCli, plane_clock: Callable[[float | None], None]
) -> None:
    """`modal app rollback` is told with who and when; an apply goes forward again."""
    older, wanted = stack(), stack(service(gpu="H200:2"))
    world.converge(older)
    world.converge(wanted)
    assert modal_cli("app", "rollback", "alpha", "v1").returncode == 0
    plan = world.plan(wanted)
    found = drift(plan, "app.alpha")
    newest = world.live(wanted).deployments["alpha"].newest
    assert (found.what, found.by) == ("was rolled back to v1", newest.by)
    plane_clock(found.at)
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
    """none | b | any: what somebody else deployed is taken over from its live values."""
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
    """What the stack does not hold of an App that is taken over is destroyed, and the plan says so."""
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
