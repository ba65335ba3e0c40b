"""What a stack costs, at the command line: a limit that stops an apply, other values tried."""

import json
import os
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

Run = Callable[..., "subprocess.CompletedProcess[str]"]


@pytest.fixture
def warm(project: Path) -> Path:
    """The project, with one container of the one service always up: 10,101 USD per month."""
    path = project / "stacks" / "dev.py"
    text = path.read_text()
    assert 'chat("alpha")' in text
    path.write_text(text.replace('chat("alpha")', 'chat("alpha", min_containers=1)'))
    return project


LIMIT = (
    "stack.dev: 10,101 USD is the monthly floor after this apply; --max-monthly-floor allows 5,000"
)
CANT = "Error: this plan can't be applied, as said above; nothing was changed\n"


def test_an_apply_is_stopped_by_its_cost(infra: Run, warm: Path) -> None:
    """Of a stack file, of the last plan and of a saved one; nothing is deployed then."""
    fresh = ("stacks/dev.py", "--target", "local", "--yes")
    refused = infra("apply", *fresh, "--max-monthly-floor", "5,000")
    assert refused.returncode == 1
    assert LIMIT in refused.stdout
    assert infra("plan", "stacks/dev.py", "--out", "plan.json").returncode == 0
    assert infra("plan", "stacks/dev.py").returncode == 0
    for what in (["--yes"], ["plan.json"]):
        refused = infra("apply", *what, "--max-monthly-floor", "5000")
        assert refused.returncode == 1
        assert LIMIT in refused.stdout
        assert refused.stderr == CANT
        assert "Floor in USD per hour (per month): 0 -> 13.84 (0 -> 10,101)" in refused.stdout
    assert "not deployed" in infra("status", "stacks/dev.py").stdout
    applied = infra("apply", "plan.json", "--max-monthly-floor", "10101")
    assert applied.returncode == 0, applied.stderr
    assert infra("plan", "stacks/dev.py", "--max-monthly-floor", "0").returncode == 0


def test_a_limit_does_not_keep_a_floor_up(infra: Run, warm: Path) -> None:
    """What lowers the floor passes with a note, even if the rest is above the limit still."""
    path = warm / "stacks" / "dev.py"
    one = path.read_text()
    path.write_text(one.replace("min_containers=1", "min_containers=2"))
    assert infra("apply", "stacks/dev.py", "--target", "local", "--yes").returncode == 0
    path.write_text(one)
    limit = ("--max-monthly-floor", "5000")
    planned = infra("plan", "stacks/dev.py", *limit)
    assert planned.returncode == 0, planned.stdout
    assert planned.stderr == f"Note: {LIMIT}; this does not raise it, so it is not stopped\n"
    assert infra("apply", "--yes", *limit).returncode == 0


def test_several_stacks_are_limited_together(infra: Run, warm: Path) -> None:
    """Two that are within the limit alone are not together, and the table has the sum."""
    path = warm / "stacks" / "dev.py"
    other = path.read_text().replace('"dev"', '"two"')
    (warm / "stacks" / "two.py").write_text(other.replace('"alpha", [', '"gamma", ['))
    both = ("plan", "stacks/dev.py", "stacks/two.py", "--max-monthly-floor")
    assert infra(*both, "20,202").returncode == 0
    refused = infra(*both, "20,201")
    assert refused.returncode == 1
    assert refused.stdout.count("stacks dev, two: 20,202 USD is their monthly floor together") == 2
    assert refused.stdout.splitlines()[-1].split() == ["total", "0", "->", "20,202"]


def test_a_plan_above_the_limit_can_t_be_applied_later(infra: Run, warm: Path) -> None:
    """The limit of a plan is kept with it."""
    refused = infra("plan", "stacks/dev.py", "--max-monthly-floor", "5000")
    assert refused.returncode == 1
    assert LIMIT in refused.stdout
    later = infra("apply", "--yes")
    assert later.returncode == 1
    assert LIMIT in later.stdout
    assert later.stderr == CANT


@pytest.mark.parametrize("limit", ["nan", "inf", "-1", "much", ""])
def test_a_limit_is_an_amount(infra: Run, limit: str) -> None:
    """What is none would stop nothing."""
    refused = infra("plan", "stacks/dev.py", "--max-monthly-floor", limit)
    assert refused.returncode == 64
    assert "is no amount; 0, 4000 and 4,000 are allowed" in refused.stderr


def test_other_values_are_tried_without_a_target(infra: Run, project: Path) -> None:
    """A table, or JSON; no control plane is started, and no plan is kept."""
    tried = infra("plan", "stacks/dev.py", "--what-if", "alpha.gpu=H200:2", "--what-if", "port=9")
    assert tried.returncode == 0, tried.stderr
    assert [line.split()[:3] for line in tried.stdout.splitlines()[3:5]] == [
        ["now", "H100:2", "8000"],
        ["1", "H200:2", "9"],
    ]
    command = ("plan", "stacks/dev.py", "--what-if", "gpu=L4:2,B300:2", "--target-service", "beta")
    told = json.loads(infra(*command, "--json").stdout)
    assert told["service"] == "beta"
    assert [each["values"] for each in told["variants"][1:]] == [
        {"gpu": ["L4:2"]},
        {"gpu": ["B300:2"]},
    ]
    assert told == json.loads(infra(*command, "--json-into", "if.json", "--json").stdout)
    assert told == json.loads((project / "if.json").read_text())
    page = infra(*command, "--markdown", "--markdown-into", "if.md").stdout
    assert page.startswith("### infra plan: `What if: service.beta ")
    assert (project / "if.md").read_text() == page
    assert not (project / ".infra").exists()


@pytest.mark.parametrize("option", [["--out", "x"], ["--adopt"], ["--diff"]])
def test_what_does_not_go_with_other_values(infra: Run, option: list[str]) -> None:
    """An option that would do nothing is refused."""
    refused = infra("plan", "stacks/dev.py", "--what-if", "alpha.gpu=L4:2", *option)
    assert refused.returncode == 64
    assert "leave the other options out" in refused.stderr


def test_other_values_are_tried_wherever_the_stack_is(infra: Run) -> None:
    """Where a stack would go makes no difference, so the same command line may say it."""
    tried = ("plan", "stacks/dev.py", "--what-if", "alpha.gpu=L4:2")
    assert infra(*tried, "--target", "local", "--env", "dev").stdout == infra(*tried).stdout


@pytest.mark.parametrize("more", [[], ["--what-if", "alpha.gpu=L4:2"]])
def test_one_thing_is_printed(infra: Run, more: list[str]) -> None:
    """JSON with Markdown behind it is neither."""
    refused = infra("plan", "stacks/dev.py", "--json", "--markdown", *more)
    assert (refused.returncode, refused.stdout) == (64, "")
    assert "one of them is allowed" in refused.stderr


def test_a_file_that_can_t_be_is_told_before_anything_is_done(infra: Run, project: Path) -> None:
    """A folder, or one that is not there, is told of all options at once; nothing is left."""
    (project / "held").mkdir()
    before = sorted(project.rglob("*"))
    files = ("--out", "held", "--json-into", "no/plan.json", "--markdown-into", os.devnull)
    refused = infra("plan", "stacks/dev.py", *files)
    assert (refused.returncode, refused.stdout) == (64, "")
    folder, missing, device = refused.stderr.removeprefix("Error: ").splitlines()
    assert folder.startswith("--out held: is a folder; the path of a file is allowed; ")
    assert missing.startswith("--json-into no/plan.json: there is no folder no; ")
    assert device.startswith(f"--markdown-into {os.devnull}: is no plain file; ")
    tried = infra("plan", "stacks/dev.py", "--what-if", "alpha.gpu=L4:2", "--json-into", "held")
    assert tried.returncode == 64
    assert [each for each in sorted(project.rglob("*")) if "__pycache__" not in each.parts] == [
        each for each in before if "__pycache__" not in each.parts
    ]
