"""What the files of tests/cases should hold, computed from the stack files beside them."""

from collections.abc import Iterator, Mapping
from pathlib import Path

import attrs

from components import InferenceService
from infra.compile import Artifact, compile_app
from infra.configuration import recorded
from infra.display import plan_text
from infra.generated import unified_diff
from infra.live import Deployment, Endpoint, Live
from infra.load import load
from infra.lower import lower
from infra.manifest import Manifest
from infra.plan import make_plan
from infra.project import open_project
from infra.stack import Stack
from infra.stub import Deployed

CASES = Path(__file__).parent / "cases"
CHANGES = CASES / "changes"
NOTHING = Live(target="local", workspace="local", environment="main", deployments={})


def case_folders() -> list[Path]:
    """Every case that has a stack of its own to show."""
    return sorted(path.parent for path in CASES.glob("*/stack.py") if path.parent != CHANGES)


def case_files(case: Path) -> Iterator[tuple[Path, str]]:
    """A case's modules, their manifests, and the plan that first deploys them."""
    project = open_project(case / "stack.py")
    for each in project.artifacts:
        yield case / f"{each.module}.py", each.source
        yield case / f"{each.module}.manifest.json", each.manifest.to_json().decode()
    plan = make_plan(
        stack=project.stack.name,
        stack_file="stack.py",
        artifacts=project.artifacts,
        live=NOTHING,
    )
    yield case / "plan.txt", plan_text(plan, NOTHING, now=0) + "\n"


def change_files() -> Iterator[tuple[Path, str]]:
    """What each typical change of one stack does to its module, and what is planned for it."""
    stack = load(CHANGES / "stack.py")
    before = artifact(stack)
    live = deployed(before.manifest)
    for name, changed in typical_changes(stack).items():
        after = artifact(changed)
        diff = unified_diff(before.source, after.source, f"{after.module}.py")
        plan = make_plan(stack=stack.name, stack_file="stack.py", artifacts=[after], live=live)
        yield CHANGES / f"{name}.diff", diff + "\n"
        yield CHANGES / f"{name}.plan.txt", plan_text(plan, live, now=7200) + "\n"


def typical_changes(stack: Stack) -> Mapping[str, Stack]:
    """The stack after each change, by the change's name."""
    (service,) = stack.services
    assert isinstance(service, InferenceService)

    def one(**fields: object) -> Stack:
        return attrs.evolve(stack, services=[attrs.evolve(service, **fields)])

    image, second = service.image, attrs.evolve(service, name="draft", gpu="L4")
    return {
        "min_containers": one(min_containers=2),
        "target_inputs": one(routing=attrs.evolve(service.routing, target_inputs=16)),
        "flag": one(engine=type(service.engine)(mem_fraction_static=0.85)),
        "image_step": one(image=image.run_commands("rm -rf /root/.cache/huggingface")),
        "new_service": attrs.evolve(stack, services=[service, second]),
    }


def artifact(stack: Stack) -> Artifact:
    """The stack's one App, compiled."""
    (resources,) = lower(stack, stack.name)
    return compile_app(resources)


def deployed(*manifests: Manifest) -> Live:
    """A target on which the Apps were deployed in 1970, with all that they need."""
    deployments = {each.app: deployment(each) for each in manifests}
    there = [address.partition(".") for each in manifests for address in each.resources]
    return attrs.evolve(
        NOTHING,
        deployments=deployments,
        volumes={name: True for kind, _, name in there if kind == "volume"},
        secrets={name: True for kind, _, name in there if kind == "secret"},
    )


def deployment(manifest: Manifest) -> Deployment:
    """The App as it was deployed once, with its services as they were recorded."""
    once = Deployed(
        version=7,
        at=0,
        by="alice",
        commit="a1b2c3d4e5",
        dirty=False,
        tag=manifest.fingerprint,
        rolled_back_to=None,
    )
    return Deployment(
        app=manifest.app,
        app_id=f"ap-{manifest.app}",
        history=(once,),
        stack=manifest.stack,
        fingerprint=manifest.fingerprint,
        manifest=manifest,
        endpoints=tuple(
            Endpoint(
                name=plain["class_name"],
                function_id=f"fu-{address}",
                containers=2,
                configuration=recorded(plain),
            )
            for address, plain in manifest.resources.items()
            if address.startswith("service.")
        ),
    )
