"""An earlier version again: which one it is, and that nothing else is ever executed."""

import asyncio
import io
import json
from pathlib import Path
from typing import Any

import attrs
import modal
import pytest
import worlds
from worlds import DOORS, World, artifact, service, stack

from components import SGLang
from infra.compile import Artifact
from infra.errors import InfraError, UsageError
from infra.local import ControlPlane
from infra.manifest import Manifest, canonical, digest
from infra.masking import masked_value
from infra.past import next_scaling, states, version_name
from infra.plan import Plan
from infra.records import STATE_VOLUME, record_path
from infra.session import Session

FIRST = stack(service(min_containers=1))
SCALING_OF_ALL = {"max_containers": 4, "buffer_containers": 0, "scaledown_window": 60}
SECOND = stack(service(min_containers=1, cpu=8))


@pytest.fixture
def world(control_plane: ControlPlane, tmp_path: Path) -> World:
    """A workspace where something else was deployed before."""
    world = worlds.new(control_plane, tmp_path)
    world.apply(FIRST)
    world.apply(SECOND)
    return world


def rollback(world: World, version: str | None = None) -> Plan:
    """What `infra rollback` would do."""
    plan, _ = Session(world.target).plan_rollback(worlds.project(SECOND), None, version)
    return plan


def stored(of: Artifact) -> str:
    """Where the text of a module lies, beside its record."""
    return f"{record_path('dev', of.app, of.manifest.fingerprint)}.py"


def store(path: str, text: str) -> None:
    """Write to the Volume that everybody in the workspace may write to."""
    with modal.Volume.from_name(STATE_VOLUME).batch_upload(force=True) as batch:
        batch.put_file(io.BytesIO(text.encode()), path)


def deploy(world: World, what: Artifact, tag: str) -> None:
    """What `modal deploy --tag` does with a generated module."""
    asyncio.run(world.target.deploy(what, world.folder / "modules", tag))


def test_an_earlier_version_is_deployed_again(world: World) -> None:
    """It has its own record afterwards, and the one before it is the way forward again."""
    first, second = artifact(FIRST), artifact(SECOND)
    for wanted in (first, second):
        made = rollback(world)
        assert [app.artifact for app in made.apps] == [wanted]
        live = world.carry_out(made)
        assert live.deployments["alpha"].fingerprint == wanted.manifest.fingerprint


@pytest.mark.parametrize("door", DOORS)
@pytest.mark.parametrize("routing", [{"target_inputs": None}, {"target_inputs": 10}])
@pytest.mark.parametrize("settings", [{}, SCALING_OF_ALL])
def test_every_text_is_its_own_records(
    door: str, routing: dict[str, Any], settings: dict[str, Any]
) -> None:
    """Whatever an autoscaler is told, the text is whole, also beside a record that was read."""
    services = [service(name, door=door, routing=routing, **settings) for name in ("chat", "draft")]
    made = artifact(stack(*services))
    read = Manifest.from_json(made.manifest.to_json(), made.manifest.fingerprint)
    assert made.is_whole() and Artifact(read, made.source).is_whole()


EDITS = {
    "code before it": ("import", "import os\nimport"),
    "code behind it": ("app = modal.App(", "os.abort()\napp = modal.App("),
    "code as a setting": ("    min_containers=1,", "    min_containers=os.abort(),"),
    "code behind a setting": ("    min_containers=1,", "    min_containers=1,\r    os.abort(),"),
    "one more setting": ("    min_containers=1,", "    min_containers=1,\n    max_containers=1,"),
    "another setting": ("    min_containers=1,", "    min_containers=99,"),
    "another App": ('"alpha"', '"beta"'),
    "another stack": ('"infra-stack": "dev"', '"infra-stack": "prod"'),
    "no text": ("", ""),
}


@pytest.mark.parametrize("edit", EDITS.values(), ids=EDITS)
def test_a_text_that_is_not_the_records_is_not_executed(
    world: World, edit: tuple[str, str]
) -> None:
    """Who may write to the Volume can't run code where somebody rolls back."""
    first = artifact(FIRST)
    before, after = edit
    assert before in first.source
    store(stored(first), first.source.replace(before, after, 1) if before else "")
    published = world.publishes()
    with pytest.raises(InfraError) as caught:
        rollback(world)
    assert str(caught.value) == (
        f"app.alpha: can't be rolled back: {stored(first)} in Volume infra-state is not what was "
        "deployed; only the text that its record was made with is executed; apply the stack file "
        "of that commit instead"
    )
    assert world.publishes() == published


def test_a_record_keeps_its_name_whatever_is_masked_since(world: World) -> None:
    """A record that has in clear what is taken for a secret by now can be deployed again."""
    later = artifact(stack(service(engine=SGLang(api_key="top-secret"))))
    mark = masked_value("--api-key", "top-secret")
    text = later.manifest.to_json().replace(mark.encode(), b"top-secret")
    source = later.source.replace(later.manifest.fingerprint, digest(text))
    path = record_path("dev", "alpha", digest(text))
    store(f"{path}.json", text.decode())
    store(f"{path}.py", source)
    deploy(world, Artifact(later.manifest, source), digest(text))
    world.apply(SECOND)
    made = rollback(world)
    assert "top-secret" not in str(list(made.changes()))
    live = world.carry_out(made)
    assert live.deployments["alpha"].fingerprint == digest(text)
    assert live.deployments["alpha"].record_problem is None
    assert asyncio.run(world.target.artifact("dev", "alpha", digest(text))) == made.apps[0].artifact


def test_a_record_of_another_app_is_none(world: World) -> None:
    """A record counts where it belongs: in the folder of its stack and App."""
    other = artifact(stack(beta=[service()]))
    path = record_path("dev", "alpha", other.manifest.fingerprint)
    store(f"{path}.json", other.manifest.to_json().decode())
    store(f"{path}.py", other.source)
    assert asyncio.run(world.target.artifact("dev", "alpha", other.manifest.fingerprint)) == (
        f"{path}.json in Volume infra-state is damaged: it is of App beta of stack dev"
    )


def test_what_was_scaled_in_place_is_a_state_of_its_own(world: World) -> None:
    """The one before the live one is what ran, and each change is told where it was made."""
    idle, busy = stack(service(min_containers=0)), stack(service(min_containers=2))
    bigger = stack(service(min_containers=2, cpu=8))
    for each in (idle, busy, idle, busy, bigger):
        world.apply(each)
    [rows] = Session(world.target).history(worlds.project(bigger), 10).values()
    assert [(version_name(each.version, each.scaling), each.what) for each in rows] == [
        ("v4", "service.chat: cpu"),
        ("v3.3", "in place: service.chat: autoscaler.min_containers"),
        ("v3.2", "in place: service.chat: autoscaler.min_containers"),
        ("v3.1", "in place: service.chat: autoscaler.min_containers"),
        ("v3", "service.chat: autoscaler.min_containers, cpu"),
        ("v2", "service.chat: cpu"),
        ("v1", "created"),
    ]
    [one] = Session(world.target).history(worlds.project(bigger), 1).values()
    assert one == rows[:1]
    for version, wanted in ((None, busy), ("v3.2", idle), ("3.1", busy), ("v3", idle)):
        assert [app.artifact for app in rollback(world, version).apps] == [artifact(wanted)]
    world.carry_out(rollback(world))
    assert [app.artifact for app in rollback(world).apps] == [artifact(bigger)]
    world.apply(idle)
    assert [app.artifact for app in rollback(world).apps] == [artifact(busy)]


def test_receipts_of_an_older_infra_tell_it_too(world: World) -> None:
    """Those had no number: of a version that has several, all but its own tag's were scalings."""
    idle, busy = stack(service(min_containers=0)), stack(service(min_containers=2))
    world.apply(idle)
    world.apply(busy)
    deployment = world.live(busy).deployments["alpha"]
    *others, numbered = deployment.steps
    older = attrs.evolve(deployment, steps=(*others, numbered._replace(scaling=0)))
    assert numbered.scaling == 1
    assert states(older) == states(deployment)
    assert [each.name for each in states(older)] == ["v3.1", "v3", "v2", "v1"]
    assert next_scaling(older) == 2


@pytest.mark.parametrize("tag", ["a" * 40, "v1.2.3", ""])
def test_only_a_record_is_a_version_of_infra(world: World, tag: str) -> None:
    """Whoever tags a deployment with a commit has no record of it, though that is as long."""
    deploy(world, artifact(FIRST), tag)
    deployment = world.live(FIRST).deployments["alpha"]
    assert [each.fingerprint for each in states(deployment)] == [
        None,
        artifact(SECOND).manifest.fingerprint,
        artifact(FIRST).manifest.fingerprint,
    ]
    assert [app.artifact for app in rollback(world).apps] == [artifact(SECOND)]
    with pytest.raises(UsageError, match=r"there is no v3 that infra deployed; v2, v1 can be"):
        rollback(world, "v3")


@pytest.mark.parametrize("version", ["v\u00b2", "\u0662", "v", "", "-1", "v1.0", "1" * 5000])
def test_a_version_that_is_none(world: World, version: str) -> None:
    """Whatever is typed is either a version of the history or is not there."""
    with pytest.raises(UsageError, match="that infra deployed; v2, v1 can be deployed again"):
        rollback(world, version)


@pytest.mark.parametrize("resources", [[], None, {"service.chat": []}])
def test_a_record_of_another_shape_is_damaged(world: World, resources: Any) -> None:
    """What can't be read is told, also where it has the fingerprint that it should have."""
    record = json.loads(artifact(FIRST).manifest.to_json())
    text = canonical(record | {"resources": resources})
    path = f"{record_path('dev', 'alpha', digest(text))}.json"
    store(path, text.decode())
    assert asyncio.run(world.target.artifact("dev", "alpha", digest(text))) == (
        f"{path} in Volume infra-state is damaged: its resources are no mappings; use the infra "
        "that wrote it"
    )
