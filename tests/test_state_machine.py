"""Whatever is edited, applied and done outside of infra: plans are true, and applies converge."""

import json
import sqlite3
import tempfile
from collections import Counter
from collections.abc import Mapping
from contextlib import closing
from pathlib import Path
from typing import Any

import attrs
import hypothesis.strategies as st
import modal
import pytest
import worlds
from hypothesis import HealthCheck, Phase, note, settings
from hypothesis.stateful import RuleBasedStateMachine, initialize, precondition, rule
from modal_proto import api_pb2
from sdk import forget_modal_client
from worlds import service

from components import SGLang, WeightCache
from infra import App, Stack
from infra.errors import InfraError
from infra.local import ControlPlane
from infra.plan import Plan

# The services that a stack may have, by App; each with a front door.
SERVICES = {
    "alpha": {"chat": "http_server", "draft": "server"},
    "beta": {"echo": "http_server"},
}
PLACES = [(app, name) for app, services in SERVICES.items() for name in services]
# What may be edited in each, with the values that it may have.
FIELDS: dict[str, list[Any]] = {
    "min_containers": [0, 1, 2],
    "max_containers": [None, 4, 8],
    "scaledown_window": [None, 60, 300],
    "routing": [{}, {"target_inputs": 16}, {"target_inputs": None}],
    "engine": [SGLang(), SGLang(mem_fraction_static=0.9), SGLang(cuda_graph_max_bs=8)],
    "image": [worlds.IMAGE, worlds.IMAGE.run_commands("true")],
    "weights": [None, WeightCache("one"), WeightCache("two")],
}
EDITS = [(name, value) for name, values in FIELDS.items() for value in values]
SCALES = [
    {"min_containers": 0},
    {"min_containers": 5},
    {"max_containers": 4},
    {"buffer_containers": 1},
    {"scaledown_window": 60, "max_containers": None},
    {"scaledown_window": 99},
]
FOREIGN = """
import modal

app = modal.App({app!r})


@app.cls(min_containers=3)
@modal.experimental.http_server(port=9000, proxy_regions=["us-east"])
class {name}:
    @modal.enter()
    def start(self):
        pass
"""
# What a definition says of an autoscaler beside what holds now, and what each deployment changes.
BESIDE = {
    "autoscaler_settings",
    "concurrency_limit",
    "image_id",
    "mount_ids",
    "object_dependencies",
    "task_idle_timeout_secs",
    "warm_pool_size",
    "_experimental_buffer_containers",
}


@attrs.frozen
class Workspace:
    """
    What a control plane remembers, read from its file.

    Attributes:
        database: The file.
    """

    database: Path

    def rows(self, query: str, *values: Any) -> list[Any]:
        """What a query answers."""
        with closing(sqlite3.connect(f"file:{self.database}?mode=ro", uri=True)) as connection:
            return connection.execute(query, values).fetchall()

    def writes(self) -> int:
        """How many calls have changed anything so far."""
        return int(self.rows("SELECT coalesce(max(sequence), 0) FROM requests")[0][0])

    def apps(self) -> dict[str, str]:
        """The ids of the deployed Apps."""
        state = api_pb2.APP_STATE_DEPLOYED
        return dict(self.rows("SELECT name, id FROM apps WHERE state = ? AND version > 0", state))

    def versions(self, app: str) -> list[int]:
        """The versions of a deployed App but the live one."""
        query = (
            "SELECT deployments.version FROM deployments JOIN apps ON apps.id = app_id "
            "WHERE app_id = ? AND deployments.version < apps.version"
        )
        return [row[0] for row in self.rows(query, self.apps()[app])]

    def volumes(self) -> set[str]:
        """The Volumes, without that of infra's own."""
        found = self.rows("SELECT name FROM objects WHERE kind = 'Volume'")
        return {name for (name,) in found} - {"infra-state"}

    def resources(self, known: Mapping[str, Any]) -> dict[tuple[str, ...], Any]:
        """
        Everything that a plan may count, by what it is, with all that can change of it.

        Args:
            known: Records by fingerprint, which need not be stored.
        """
        found: dict[tuple[str, ...], Any] = {("volume", name): None for name in self.volumes()}
        for app, app_id in self.apps().items():
            [(layout, tags)] = self.rows("SELECT layout, tags FROM apps WHERE id = ?", app_id)
            tags = json.loads(tags)
            recorded = known.get(tags.get("infra-manifest")) or record(app, tags)
            found["app", app] = tags.get("infra-stack")
            for name, (function_id, definition_id) in json.loads(layout)["functions"].items():
                class_name = name.removesuffix(".*")
                definition = self.definition(definition_id)
                image = recorded.get(f"image.{class_name.lower()}")
                found["image", app, class_name] = (image, definition.image_id)
                found["service", app, class_name] = (
                    recorded.get(f"service.{class_name.lower()}"),
                    {f.name: str(v) for f, v in definition.ListFields() if f.name not in BESIDE},
                    self.scaling(function_id, definition),
                )
        return found

    def definition(self, definition_id: str) -> api_pb2.Function:
        """What a deployment said of a service."""
        [(request,)] = self.rows("SELECT request FROM definitions WHERE id = ?", definition_id)
        return api_pb2.FunctionCreateRequest.FromString(request).function

    def scaling(self, function_id: str, definition: api_pb2.Function) -> dict[str, Any]:
        """What holds for a service's autoscaler."""
        [(overrides,)] = self.rows("SELECT overrides FROM functions WHERE id = ?", function_id)
        holds = api_pb2.AutoscalerSettings(scaledown_window=60)
        holds.MergeFrom(definition.autoscaler_settings)
        holds.MergeFrom(api_pb2.AutoscalerSettings.FromString(overrides or b""))
        return {field.name: value for field, value in holds.ListFields() if value}


def record(app: str, tags: Mapping[str, str]) -> dict[str, Any]:
    """The resources of the manifest that an App's tags point to; none where it is not there."""
    if "infra-manifest" not in tags:
        return {}
    path = f"/{tags['infra-stack']}/{app}/{tags['infra-manifest']}.json"
    try:
        text = b"".join(modal.Volume.from_name("infra-state").read_file(path))
    except FileNotFoundError:
        return {}
    resources: dict[str, Any] = json.loads(text)["resources"]
    return resources


def counted(before: dict[tuple[str, ...], Any], after: dict[tuple[str, ...], Any]) -> Counter[str]:
    """How many resources came, changed and went."""
    # Of a class that infra has never deployed, no image is known.
    strange = {
        key
        for key in before.keys() | after.keys()
        if key[0] == "image" and not any(key in each and each[key][0] for each in (before, after))
    }
    changed = set()
    for key in before.keys() & after.keys():
        if key[0] == "image" and before[key][0] == after[key][0]:
            # Of the same steps; so it is the service that runs another one.
            changed |= {("service", *key[1:])} if before[key] != after[key] else set()
        elif before[key] != after[key]:
            changed.add(key)
    gone = {key for key in before.keys() - after.keys() if key[0] != "volume"}
    return +Counter(
        add=len(after.keys() - before.keys() - strange),
        change=len(changed),
        destroy=len(gone - strange),
    )


class Life(RuleBasedStateMachine):
    """A team edits a stack and applies it, while others do what they like in the workspace."""

    def __init__(self) -> None:
        super().__init__()
        self.patch = pytest.MonkeyPatch()
        self.temporary = tempfile.TemporaryDirectory()
        folder = Path(self.temporary.name)
        for name, value in {"HOME": str(folder), "MODAL_CONFIG_PATH": ""}.items():
            self.patch.setenv(name, value)
        plane = ControlPlane(folder / "local")
        plane.start()
        for name, value in plane.environ().items():
            self.patch.setenv(name, value)
        forget_modal_client()
        self.world = worlds.new(plane, folder)
        self.workspace = Workspace(folder / "local" / "state.db")
        self.services: dict[tuple[str, str], dict[str, Any]] = {}

    def teardown(self) -> None:
        """Leave nothing behind."""
        forget_modal_client()
        self.world.plane.stop()
        self.patch.undo()
        self.temporary.cleanup()

    @property
    def stack(self) -> Stack:
        """The stack as it is edited."""
        apps = {
            app: [
                service(name, door=door, **self.services[app, name])
                for name, door in services.items()
                if (app, name) in self.services
            ]
            for app, services in SERVICES.items()
        }
        return Stack("dev", apps=[App(name, held) for name, held in apps.items() if held])

    def plan(self, **options: bool) -> Plan:
        """Make a plan, which writes nothing."""
        writes = self.workspace.writes()
        plan = self.world.plan(self.stack, **options)
        assert self.workspace.writes() == writes
        return plan

    def resources(self) -> dict[tuple[str, ...], Any]:
        """What the workspace holds; what the stack would be recorded as is no secret."""
        manifests = [each.manifest for each in worlds.project(self.stack).artifacts]
        return self.workspace.resources({each.fingerprint: each.resources for each in manifests})

    def carry_out(self, plan: Plan) -> None:
        """Do what a plan says, and compare what that did with what it said."""
        said = plan.counts()
        del said["forget"]  # to these, nothing is done
        note(f"{dict(said)} {worlds.addresses(plan)}")
        before = self.resources()
        self.world.carry_out(plan)
        assert counted(before, self.resources()) == said

    @initialize(places=st.sets(st.sampled_from(PLACES), min_size=1))
    def begin(self, places: set[tuple[str, str]]) -> None:
        """A first stack is applied."""
        self.services = {place: {} for place in places}
        self.apply()

    @rule(place=st.sampled_from(PLACES), edit=st.sampled_from(EDITS))
    def edit(self, place: tuple[str, str], edit: tuple[str, Any]) -> None:
        """A field of a service is edited; one that the stack does not hold is added."""
        self.services.setdefault(place, {})[edit[0]] = edit[1]

    @precondition(lambda self: len(self.services) > 1)
    @rule(data=st.data())
    def take_out(self, data: st.DataObject) -> None:
        """A service is taken out of the stack file, with its App if it was the last one."""
        del self.services[data.draw(st.sampled_from(sorted(self.services)))]

    @rule()
    def apply(self) -> None:
        """After an apply there is nothing to do and nothing to tell."""
        plan = self.plan(adopt=True)
        assert plan.obstacles == ()
        self.carry_out(plan)
        again = self.plan()
        assert ([*again.changes()], [*again.drift()]) == ([], [])
        assert self.plan(adopt=True) == again

    @rule()
    def destroy(self) -> None:
        """After a destroy nothing of the stack is there; Apps of others stop it and stay."""
        plan = self.plan(destroy=True)
        before = self.resources()
        if plan.obstacles:
            with pytest.raises(InfraError, match="can't be applied"):
                self.world.carry_out(plan)
            assert self.resources() == before
            return
        self.carry_out(plan)
        assert self.plan(destroy=True).is_empty()
        assert {key for key in before if key[0] == "volume"} <= self.resources().keys()

    @precondition(lambda self: self.workspace.apps())
    @rule(data=st.data(), change=st.sampled_from(SCALES))
    def scale(self, data: st.DataObject, change: dict[str, Any]) -> None:
        """Somebody overrides an autoscaler."""
        app = data.draw(st.sampled_from(sorted(self.workspace.apps())))
        info = modal.App.lookup(app).info()
        names = sorted(name.removesuffix(".*") for name in {**info.functions, **info.servers})
        worlds.scale(app, data.draw(st.sampled_from(names)), **change)

    @precondition(lambda self: self.workspace.apps())
    @rule(data=st.data())
    def stop(self, data: st.DataObject) -> None:
        """Somebody stops an App."""
        modal.App.lookup(data.draw(st.sampled_from(sorted(self.workspace.apps())))).stop()

    @precondition(lambda self: any(map(self.workspace.versions, self.workspace.apps())))
    @rule(data=st.data())
    def roll_back(self, data: st.DataObject) -> None:
        """Somebody goes back to an earlier version of an App."""
        older = {app: self.workspace.versions(app) for app in sorted(self.workspace.apps())}
        app = data.draw(st.sampled_from([app for app, versions in older.items() if versions]))
        self.world.rollback(app, data.draw(st.sampled_from(older[app])))

    @rule(app=st.sampled_from([*SERVICES]), name=st.sampled_from(["Chat", "Other"]))
    def deploy_another(self, app: str, name: str) -> None:
        """Somebody deploys a file of their own under the name of an App."""
        self.world.deploy(FOREIGN.format(app=app, name=name))

    @precondition(lambda self: self.workspace.apps())
    @rule(edit=st.sampled_from([("    gpu=", "    cpu=8,\n    gpu="), ("([])", '(["/bin/sh"])')]))
    def deploy_edited(self, edit: tuple[str, str]) -> None:
        """Somebody edits the generated modules and deploys them."""
        for each in worlds.project(self.stack).artifacts:
            self.world.deploy(worlds.edited(each.source, edit))

    @precondition(lambda self: self.workspace.volumes())
    @rule(data=st.data())
    def delete_a_volume(self, data: st.DataObject) -> None:
        """Somebody deletes a Volume."""
        modal.Volume.objects.delete(data.draw(st.sampled_from(sorted(self.workspace.volumes()))))


Life.TestCase.settings = settings(
    max_examples=10,
    stateful_step_count=14,
    derandomize=True,
    deadline=None,
    phases=[Phase.generate],  # to make a failing example smaller would take minutes
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much],
)
test_life = Life.TestCase
