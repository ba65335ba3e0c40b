"""Ctrl-C in the middle of an apply."""

import asyncio
import re
import signal
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import worlds

from infra.apply import interrupted
from infra.local import ControlPlane
from infra.local.endpoint import Endpoint, claimed

Run = Callable[..., "subprocess.CompletedProcess[str]"]
APPLY = ["apply", "stacks/dev.py", "--target", "local", "--yes"]


@pytest.fixture
def slow_plane(project: Path) -> Iterator[ControlPlane]:
    """A control plane whose answers take a moment, so that there is a middle of an apply."""
    root = project / ".infra" / "local"
    with ControlPlane(root, delay_seconds=0.05) as plane, claimed(root) as announce:
        announce(Endpoint(environ=plane.environ(), control="", pid=0))
        yield plane


@pytest.mark.usefixtures("slow_plane")
@pytest.mark.parametrize("moment", ["app.alpha: Deploying", "app.alpha: Deployed"])
def test_an_interrupted_apply_says_what_holds(
    terminal: Callable[..., tuple[int, str]], infra: Run, moment: str
) -> None:
    """What it says is what is deployed; no lock is left, and the command it names goes on."""
    code, seen = terminal(APPLY, moment, signal.SIGINT)
    status = infra("status", "stacks/dev.py").stdout
    done = re.findall(r"^(alpha|beta) .* v1 ", status, re.MULTILINE)
    left = [name for name in ("alpha", "beta") if name not in done]
    assert code == 130
    assert "Traceback" not in seen
    holds = [", ".join(names) or "nothing" for names in (done, left)]
    said = re.search(r"interrupted\. (.*) No lock is left\.\n", seen)
    assert said and said[1] == f"Done before that: {holds[0]}. Not done: {holds[1]}."
    assert "To go on, run `infra apply stacks/dev.py`." in seen
    finished = infra(*APPLY)
    assert finished.returncode == 0, finished.stderr
    assert ("No changes." in finished.stdout) == (not left)


def test_what_is_left_is_told(control_plane: ControlPlane, tmp_path: Path) -> None:
    """A lock that could not be released is named with what ends it; a destroy goes on as one."""
    world, stack = worlds.new(control_plane, tmp_path), worlds.stack()
    world.converge(stack)
    plan = world.plan(stack, destroy=True)
    stopped = asyncio.run(interrupted(plan, world.target, ["alpha"]))
    assert stopped.exit_code == 130
    assert str(stopped).startswith(
        "interrupted. Done before that: nothing. Not done: alpha. "
        f"Still locked: alpha; `infra unlock {plan.stack_file}` ends that.\n"
    )
    assert str(stopped).endswith(f"To go on, run `infra destroy {plan.stack_file}`.")
    world.carry_out(plan)
    stopped = asyncio.run(interrupted(plan, world.target, []))
    assert "Done before that: alpha. Not done: nothing. No lock is left." in str(stopped)
