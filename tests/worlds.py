"""A workspace for one test: stacks that are applied to it, and what others do in it meanwhile."""

import asyncio
import importlib.util
import itertools
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import attrs
import modal
from google.protobuf.message import Message
from grpclib.client import Channel
from modal_proto import api_pb2
from modal_proto.api_grpc import ModalClientStub

from components import ImageSpec, InferenceService, RoutingPolicy, WeightCache
from infra import App, Stack
from infra.apply import Tell, apply
from infra.compile import Artifact, compile_app
from infra.diff import Change, FieldChange
from infra.drift import Drift
from infra.live import Live
from infra.local import ControlPlane
from infra.lower import lower
from infra.plan import Plan, make_plan
from infra.project import Project
from infra.target import Target

DOORS = ["http_server", "server"]
IMAGE = ImageSpec.from_registry("lmsysorg/sglang:v0.5.11").entrypoint([])

_numbers = itertools.count()


@attrs.frozen
class World:
    """
    One checkout of a project, and the workspace that it deploys to.

    Attributes:
        plane: The workspace.
        folder: The checkout.
        target: How infra reaches the workspace.
    """

    plane: ControlPlane
    folder: Path
    target: Target = attrs.field(factory=lambda: Target(name="local", environment=None))

    def live(self, stack: Stack) -> Live:
        """What is deployed of the stack."""
        known = project(stack)
        return asyncio.run(
            self.target.read(
                stack.name,
                apps=known.app_names(),
                known=[each.manifest for each in known.artifacts],
                volumes=known.resource_names("volume"),
                secrets=known.resource_names("secret"),
            )
        )

    def plan(self, stack: Stack, *, destroy: bool = False, adopt: bool = False) -> Plan:
        """What an apply of the stack would do."""
        return make_plan(
            stack=stack.name,
            stack_file="stacks/test.py",
            artifacts=project(stack).artifacts,
            live=self.live(stack),
            destroy=destroy,
            adopt=adopt,
        )

    def carry_out(self, plan: Plan, tell: Tell = lambda line: None) -> Live:
        """Apply a plan."""
        return asyncio.run(apply(plan, self.target, self.folder / "modules", tell))

    def apply(self, stack: Stack, *, adopt: bool = False) -> Plan:
        """Plan and apply; the plan that was applied."""
        plan = self.plan(stack, adopt=adopt)
        self.carry_out(plan)
        return plan

    def converge(self, stack: Stack, *, adopt: bool = False) -> Plan:
        """Plan and apply, and see that nothing is left to do or to tell."""
        plan = self.apply(stack, adopt=adopt)
        again = self.plan(stack)
        assert list(again.changes()) == []
        assert list(again.drift()) == []
        assert again.obstacles == ()
        return plan

    def destroy(self, stack: Stack) -> Plan:
        """Plan and carry out that nothing of the stack is deployed."""
        plan = self.plan(stack, destroy=True)
        self.carry_out(plan)
        return plan

    def deploy(self, source: str) -> None:
        """Deploy a module as `modal deploy` does, without infra."""
        path = self.folder / f"by_hand_{next(_numbers)}.py"
        path.write_text(source, encoding="utf-8")
        spec = importlib.util.spec_from_file_location(path.stem, path)
        assert spec and spec.loader
        module = importlib.util.module_from_spec(spec)
        sys.modules[spec.name] = module  # the SDK looks classes up by their module's name
        spec.loader.exec_module(module)
        module.app.deploy()

    def call(self, name: str, request: Message) -> Any:
        """Make a call of Modal's API that its SDK has no public method for."""

        async def answer() -> Any:
            channel = Channel("127.0.0.1", urlsplit(self.plane.url).port)
            environ = self.plane.environ()
            metadata = {
                "x-modal-token-id": environ["MODAL_TOKEN_ID"],
                "x-modal-token-secret": environ["MODAL_TOKEN_SECRET"],
            }
            try:
                return await getattr(ModalClientStub(channel), name)(request, metadata=metadata)
            finally:
                channel.close()

        return asyncio.run(answer())

    def rollback(self, app: str, version: int) -> None:
        """What `modal app rollback` does."""
        request = api_pb2.AppRollbackRequest(app_id=app_id(app), version=version)
        self.call("AppRollback", request)

    def publishes(self) -> int:
        """How many deployments were asked for so far."""
        return self.plane.calls["AppPublish"]


def new(plane: ControlPlane, folder: Path) -> World:
    """A checkout in a folder of its own."""
    checkout = folder / "checkout"
    checkout.mkdir()
    return World(plane, checkout)


def app_id(app: str) -> str:
    """Modal's id of a deployed App."""
    return modal.App.lookup(app).info().app_id


def scale(app: str, class_name: str, **settings: Any) -> None:
    """What a person does who changes an autoscaler with the SDK."""
    autoscaler(app, class_name).update(**settings)


def scaling(app: str, class_name: str) -> Any:
    """What the SDK says of an autoscaler."""
    return autoscaler(app, class_name).settings()


def autoscaler(app: str, class_name: str) -> Any:
    """A service's autoscaler, whichever front door the service has."""
    info = modal.App.lookup(app).info()
    if class_name in info.servers:
        return modal.Server.from_name(app, class_name).autoscaler
    return modal.Function.from_id(info.functions[f"{class_name}.*"]).autoscaler


def service(name: str = "chat", *, door: str = "http_server", **fields: Any) -> InferenceService:
    """A service like any other; `routing` may be given as the fields that differ."""
    routing = {"region": "us-east", "target_inputs": 10, "exit_grace_period": 15}
    routing |= fields.pop("routing", {})
    given = {
        "model": "Qwen/Qwen3-8B-FP8",
        "gpu": "H100:2",
        "image": IMAGE,
        "weights": WeightCache("weights"),
        "min_containers": 1,
        **fields,
    }
    return InferenceService(name=name, routing=RoutingPolicy(front_door=door, **routing), **given)


def stack(*services: InferenceService, **apps: list[InferenceService]) -> Stack:
    """A stack: the services in one App, or Apps by their names."""
    if apps:
        return Stack("dev", apps=[App(name, held) for name, held in apps.items()])
    return Stack("dev", apps=[App("alpha", services or [service()])])


def project(stack: Stack) -> Project:
    """The stack as its file gives it."""
    apps = lower(stack, "stacks/test.py")
    return Project(
        path=Path("stacks/test.py"),
        stack=stack,
        apps=apps,
        artifacts=tuple(map(compile_app, apps)),
    )


def artifact(stack: Stack) -> Artifact:
    """The stack's one App, compiled."""
    (only,) = project(stack).artifacts
    return only


def edited(source: str, *edits: tuple[str, str]) -> str:
    """A module's text after somebody has changed it by hand."""
    for before, after in edits:
        assert before in source, before
        source = source.replace(before, after)
    return source


def change(plan: Plan, address: str) -> Change:
    """The change of one resource."""
    found = {each.address: each for each in plan.changes()}
    assert address in found, list(found)
    return found[address]


def drift(plan: Plan, address: str) -> Drift:
    """What was changed outside of infra in one resource."""
    found = {each.address: each for each in plan.drift()}
    assert address in found, list(found)
    return found[address]


def fields(held: Change | Drift) -> Mapping[str, FieldChange]:
    """What differs, by path."""
    return {field.path: field for field in held.fields}


def addresses(plan: Plan) -> list[str]:
    """What changes, in the order of the plan."""
    return [each.address for each in plan.changes()]


def told(plan: Plan) -> dict[str, str]:
    """What was changed outside of infra, by address."""
    return {each.address: each.what for each in plan.drift()}
