"""A plan for a release that is newer than the catalogue."""

import json
from collections.abc import Callable
from pathlib import Path
from subprocess import CompletedProcess

Run = Callable[..., "CompletedProcess[str]"]


def test_the_plan_says_by_which_release_it_judges(project: Path, infra: Run) -> None:
    """The nearest older release's flags hold, and a finding in the plan says so."""
    stack = project / "stacks" / "dev.py"
    stack.write_text(stack.read_text().replace("sglang:v0.5.11", "sglang:v0.5.99"))
    said = (
        "the flags of sglang 0.5.99 are not known; those of 0.5.23, the nearest older one, are used"
    )
    plan = json.loads(infra("plan", "stacks/dev.py", "--target", "local", "--json").stdout)
    found = [each for each in plan["stacks"][0]["findings"] if each["code"] == "INF016"]
    assert [(each["severity"], each["what"]) for each in found] == [("info", said)] * 2
    shown = " ".join(infra("plan", "stacks/dev.py", "--target", "local").stdout.split())
    assert f"INF016 alpha.image: {said}" in shown
