"""Two applies of one stack at the same time."""

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

from infra.local import ControlPlane
from infra.local.endpoint import Endpoint, claimed

Run = Callable[..., "subprocess.CompletedProcess[str]"]
APPLY = [*(sys.executable, "-m", "infra.cli", "apply"), *("stacks/dev.py", "--target", "local")]


def test_of_two_applies_one_deploys(infra: Run, project: Path, environ: dict[str, str]) -> None:
    """Twenty times: one process deploys, the other exits 10, and then nothing is left to do."""
    root = project / ".infra" / "local"
    stack = project / "stacks" / "dev.py"
    text = stack.read_text()
    # Answers that take a moment keep the two processes side by side.
    with ControlPlane(root, delay_seconds=0.03) as plane, claimed(root) as announce:
        announce(Endpoint(environ=plane.environ(), control="", pid=0))
        for round in range(20):
            stack.write_text(text.replace("target_inputs=10", f"target_inputs={20 + round}"))
            published = plane.calls["AppPublish"]
            both = [_applying(project, environ) for _ in range(2)]
            said = [process.communicate() for process in both]
            codes = sorted(process.returncode for process in both)
            assert codes == [0, 10], said
            assert plane.calls["AppPublish"] == published + 2  # two Apps, once each
        assert "No changes." in infra("plan", "stacks/dev.py").stdout
        outputs = json.loads(infra("outputs", "stacks/dev.py", "--json").stdout)
        assert set(outputs) == {"alpha", "beta"}


def test_a_control_plane_that_stops_is_named_once(
    infra: Run, project: Path, environ: dict[str, str]
) -> None:
    """One line says it in the middle of an apply, and the next apply goes on without waiting."""
    root = project / ".infra" / "local"
    with ControlPlane(root, delay_seconds=0.05) as plane, claimed(root) as announce:
        announce(Endpoint(environ=plane.environ(), control="", pid=0))
        applying = _applying(project, environ)
        assert applying.stderr
        seen = next(line for line in applying.stderr if "app.alpha: Deploying" in line)
        plane.stop()
        _, said = applying.communicate()
    assert applying.returncode == 1, seen + said
    assert said.count("the local control plane has stopped") == 1, said
    assert "`infra local up -d`" in said
    assert "Lock not released" not in said
    assert "Terminated" not in said
    again = infra(*APPLY[3:], "--yes")
    assert again.returncode == 0, again.stderr


def _applying(project: Path, environ: dict[str, str]) -> "subprocess.Popen[str]":
    """An apply that goes on beside the test."""
    return subprocess.Popen(
        [*APPLY, "--yes"],
        cwd=project,
        env=environ,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
