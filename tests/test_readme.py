"""What the README shows is what happens."""

import re
from pathlib import Path

import attrs

from infra import Stack
from infra.compile import compile_app
from infra.configuration import recorded
from infra.display import plan_text
from infra.live import Deployment, Endpoint, Live
from infra.lower import lower
from infra.manifest import Manifest
from infra.plan import make_plan
from infra.project import Project
from infra.stub import Deployed

README = (Path(__file__).parent.parent / "README.md").read_text(encoding="utf-8")
NOW = 1_800_000_000.0


def stack_of_readme() -> Stack:
    """The stack in the README's first block of Python."""
    [text] = re.findall(r"```python\n(# stacks/dev\.py\n.*?)```", README, re.DOTALL)
    namespace: dict[str, object] = {}
    exec(compile(text, "README.md", "exec"), namespace)
    stack = namespace["stack"]
    assert isinstance(stack, Stack)
    return stack


def deployed(manifest: Manifest) -> Live:
    """The stack as it was two hours before."""
    history = Deployed(
        version=7,
        at=NOW - 2 * 3600,
        by="alice",
        commit="a1b2c3d4",
        dirty=False,
        tag=manifest.fingerprint,
        rolled_back_to=None,
    )
    plain = manifest.resources["service.qwen3-8b"]
    endpoint = Endpoint(
        name=plain["class_name"],
        function_id="fu-1",
        containers=3,
        configuration=recorded(plain),
    )
    deployment = Deployment(
        app="qwen3-8b-dev",
        app_id="ap-1",
        history=(history,),
        stack="dev",
        fingerprint=manifest.fingerprint,
        manifest=manifest,
        endpoints=(endpoint,),
    )
    return Live(
        target="modal",
        workspace="acme",
        environment="",
        deployments={"qwen3-8b-dev": deployment},
        volumes={"huggingface-cache": True, "deepgemm-cache": True},
    )


def project(stack: Stack) -> Project:
    """The stack as `infra plan stacks/dev.py` has it."""
    apps = lower(stack, "stacks/dev.py")
    artifacts = tuple(map(compile_app, apps))
    return Project(path=Path("stacks/dev.py"), stack=stack, apps=apps, artifacts=artifacts)


def test_the_plan_in_the_readme_is_the_real_one() -> None:
    """The README's stack compiles; its whole plan against an earlier one is the text shown."""
    stack = stack_of_readme()
    [app] = stack.apps
    [service] = app.services
    routing = attrs.evolve(service.routing, target_inputs=10)  # type: ignore[attr-defined]
    earlier = attrs.evolve(service, routing=routing, min_containers=0)  # type: ignore[misc]
    before = project(Stack("dev", apps=[attrs.evolve(app, services=[earlier])]))
    [artifact] = before.artifacts
    live, now = deployed(artifact.manifest), project(stack)
    made = make_plan(
        stack="dev",
        stack_file=str(now.path),
        artifacts=now.artifacts,
        live=live,
        report=now.report(),
    )
    made = attrs.evolve(made, estimates=now.estimates(made.renewed()))
    [shown] = re.findall(r"\$ infra plan stacks/dev\.py\n(.*?)\n\nTo perform", README, re.DOTALL)
    assert plan_text(made, live, NOW) == shown
