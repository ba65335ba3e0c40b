"""Ctrl-C in the middle of an apply."""

import asyncio
import re
import signal
import subprocess
import sys
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
    assert code == 130, seen
    assert "Traceback" not in seen
    holds = [", ".join(names) or "nothing" for names in (done, left)]
    said = re.search(r"interrupted\. (.*) No lock is left\.\n", seen)
    assert said and said[1] == f"Done before that: {holds[0]}. Not done: {holds[1]}."
    assert "To go on, run `infra apply stacks/dev.py --target local`." in seen
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
        f"Still locked: alpha; `infra unlock {plan.stack_file} --target local` ends that.\n"
    )
    assert str(stopped).endswith(f"To go on, run `infra destroy {plan.stack_file} --target local`.")
    world.carry_out(plan)
    stopped = asyncio.run(interrupted(plan, world.target, []))
    assert "Done before that: alpha. Not done: nothing. No lock is left." in str(stopped)


# Sends itself SIGINT when a module begins to load, then goes on as the installed command does.
AT_ITS_START = """
import os, signal, sys

class Interrupts:
    def find_spec(self, name, path=None, target=None):
        if name == moment:
            os.kill(os.getpid(), signal.SIGINT)

moment, *sys.argv = sys.argv[1:]
sys.meta_path.insert(0, Interrupts())
from infra.__main__ import main
sys.exit(main())
"""


@pytest.mark.parametrize(
    "moment",
    ["infra.cli", "click", "infra.commands.plan", "infra.stack", "attr", "infra.target", "modal"],
)
def test_an_interrupted_start_is_quiet(project: Path, moment: str) -> None:
    """Whatever is loading when Ctrl-C comes, it ends with one word, and as what Ctrl-C ends."""
    command = [sys.executable, "-c", AT_ITS_START, moment, "infra", "plan", "stacks/dev.py"]
    result = subprocess.run(
        [*command, "--target", "local"], cwd=project, capture_output=True, text=True, check=False
    )
    # To a shell both are 130.
    assert result.returncode in (130, -signal.SIGINT), result.stdout + result.stderr
    assert result.stderr.strip() == "Interrupted."
    assert result.stdout == ""


def test_what_ignores_it_goes_on(project: Path) -> None:
    """Ctrl-C stays ignored where it was, as scripts do with what they start in the background."""
    ignoring = f"import signal\nsignal.signal(signal.SIGINT, signal.SIG_IGN)\n{AT_ITS_START}"
    command = [sys.executable, "-c", ignoring, "click", "infra", "--version"]
    result = subprocess.run(command, cwd=project, capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stderr
    assert result.stdout.startswith("infra ")
