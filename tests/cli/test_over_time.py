"""Commands about what was and what others did: drift, history, rollback, locks, several stacks."""

import json
import re
import subprocess
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import pytest

Run = Callable[..., "subprocess.CompletedProcess[str]"]

OVERRIDE = """
import modal
app = modal.App.lookup("alpha")
function = modal.Function.from_id(app.info().functions["Alpha.*"])
function.autoscaler.update(max_containers=4)
"""


@pytest.fixture
def applied(infra: Run) -> None:
    """The stack is deployed."""
    infra("plan", "stacks/dev.py")
    assert infra("apply", "--yes").returncode == 0


def edit(project: Path, before: str, after: str) -> None:
    """Change the stack file."""
    path = project / "stacks" / "dev.py"
    assert before in path.read_text()
    path.write_text(path.read_text().replace(before, after))


@pytest.mark.usefixtures("applied")
def test_drift_is_told_and_taken_back(infra: Run, modal_python: Callable[[str], None]) -> None:
    """`drift` exits 2 with what was changed; an apply resets it without a deployment."""
    assert infra("drift", "stacks/dev.py").returncode == 0
    modal_python(OVERRIDE)
    drift = infra("drift", "stacks/dev.py")
    assert drift.returncode == 2
    assert "Note: Objects have changed outside of infra" in drift.stdout
    assert re.search(r"# service.alpha autoscaler was overridden by \S+, just now", drift.stdout)
    assert re.search(r"~ autoscaler.max_containers +\(unset\) -> 4\n", drift.stdout)
    assert "`infra apply stacks/dev.py --target local` brings back what" in drift.stdout
    as_json = infra("drift", "stacks/dev.py", "--json")
    assert (as_json.returncode, as_json.stderr) == (2, "")
    [drifted] = json.loads(as_json.stdout)["resource_drift"]
    assert drifted["address"] == "service.alpha"
    assert [field["after"] for field in drifted["fields"]] == [4]
    planned = infra("plan", "stacks/dev.py")
    assert "in place: no container is replaced" in planned.stdout
    applied = infra("apply", "--yes")
    assert "app.alpha: Scaled" in applied.stderr
    without = infra("drift", "stacks/dev.py", "--json")
    assert (without.returncode, json.loads(without.stdout)["resource_drift"]) == (0, [])
    assert "App alpha: v1," in infra("plan", "stacks/dev.py").stdout


@pytest.mark.usefixtures("applied")
def test_history_and_rollback(infra: Run, project: Path) -> None:
    """What each version changed is told, and an earlier one is deployed again like any change."""
    edit(project, "target_inputs=10", "target_inputs=16")
    assert infra("apply", "stacks/dev.py", "--target", "local", "--yes").returncode == 0
    history = infra("history", "stacks/dev.py")
    assert re.search(
        r"^v2 .* service.alpha: engine --cuda-graph-max-bs, routing.target_inputs$",
        history.stdout,
        re.MULTILINE,
    )
    assert re.search(r"^v1 .* created$", history.stdout, re.MULTILINE)
    as_json = json.loads(infra("history", "stacks/dev.py", "--json").stdout)
    assert [each["version"] for each in as_json["beta"]] == [2, 1]
    newest, oldest = (datetime.fromisoformat(each["at"]) for each in as_json["beta"])
    assert datetime.now(UTC) >= newest >= oldest
    one = infra("history", "stacks/dev.py", "--limit", "1")
    assert re.findall(r"^v(\d)", one.stdout, re.MULTILINE) == ["2", "2"]
    assert infra("history", "stacks/dev.py", "--limit", "0").returncode == 64
    unnamed = infra("rollback", "stacks/dev.py", "--target", "local", "--yes")
    assert unnamed.returncode == 64
    assert "name it with --app" in unnamed.stderr
    back = infra("rollback", "stacks/dev.py", "--app", "alpha", "--target", "local", "--yes")
    assert back.returncode == 0, back.stderr
    assert re.search(r"~ routing.target_inputs +16 -> 10\n", back.stdout)
    planned = infra("plan", "stacks/dev.py")
    assert "App alpha: v3" in planned.stdout
    assert "# service.alpha will be updated in-place" in planned.stdout
    assert "# service.beta" not in planned.stdout
    missing = infra("rollback", "stacks/dev.py", "v9", "--app", "alpha", "--target", "local")
    assert missing.returncode == 64
    assert "v3, v2, v1 can be deployed again" in missing.stderr


@pytest.mark.usefixtures("applied")
def test_outputs(infra: Run) -> None:
    """Each service's URL is there for people and for programs, in Terraform's shape."""
    assert re.search(r"^alpha +http://127", infra("outputs", "stacks/dev.py").stdout, re.MULTILINE)
    shape = json.loads(infra("outputs", "stacks/dev.py", "--json").stdout)
    assert set(shape) == {"alpha", "beta"}
    assert shape["alpha"]["value"].startswith("http://127.0.0.1:")


def test_services_come_in_the_order_of_the_stack(infra: Run, project: Path) -> None:
    """Wherever services are listed, by their names; Modal answers in an order of its own."""
    names = ["zeta", "mid-1", "alpha", "mid-0"]
    services = ", ".join(f'chat("{name}")' for name in names)
    edit(project, '[chat("alpha")]), App("beta", [chat("beta")])', f"[{services}])")
    infra("plan", "stacks/dev.py")
    applied = infra("apply", "--yes").stdout
    edit(project, "target_inputs=10", "target_inputs=16")  # the record is another one now
    shown = (applied, *(infra(each, "stacks/dev.py").stdout for each in ("outputs", "status")))
    for text in shown:
        listed = re.findall(r"^(?:alpha +| *)(\S+) .*http://127", text, re.MULTILINE)
        assert listed == names


def test_status_for_programs(infra: Run) -> None:
    """Before and after an apply: the Apps of the stack file, then with services and URLs."""
    before = infra("status", "stacks/dev.py", "--json")
    assert (before.returncode, before.stderr) == (0, "")
    assert json.loads(before.stdout)["apps"] == [
        {"app": name, "deployment": None, "services": []} for name in ("alpha", "beta")
    ]
    assert infra("apply", "stacks/dev.py", "--target", "local", "--yes").returncode == 0
    alpha, beta = json.loads(infra("status", "stacks/dev.py", "--json").stdout)["apps"]
    assert (alpha["deployment"]["version"], beta["deployment"]["stack"]) == (1, "dev")
    told = json.loads(infra("outputs", "--json").stdout)
    urls = {name: each["value"] for name, each in told.items()}
    assert urls == {each["name"]: each["url"] for app in (alpha, beta) for each in app["services"]}


def test_several_stacks_are_planned_together(infra: Run, project: Path) -> None:
    """A folder is all of its stacks; one table at the end; the exit code is the most severe."""
    text = (project / "stacks" / "dev.py").read_text()
    other = text.replace('Stack("dev"', 'Stack("prod"').replace('App("', 'App("prod-')
    (project / "stacks" / "prod.py").write_text(other)
    (project / "stacks" / "shared.py").write_text("MINUTES = 60\n")
    infra("plan", "stacks/dev.py")
    infra("apply", "--yes")
    both = infra("plan", "stacks", "--concise", "--detailed-exitcode")
    assert both.returncode == 2
    assert re.search(r"^stacks/dev.py +0 +0 +0 +0 +0 +no changes$", both.stdout, re.MULTILINE)
    assert re.search(r"^stacks/prod.py +6 +0 +0 +0 +0 +new$", both.stdout, re.MULTILINE)
    assert infra("apply", "--yes").returncode == 64  # no plan of a single stack is left
    (project / "stacks" / "broken.py").write_text("stack = 1\n")
    three = infra("plan", "stacks", "--concise", "--detailed-exitcode")
    assert three.returncode == 1
    assert re.search(r"^stacks/broken.py .*error$", three.stdout, re.MULTILINE)
    assert "stacks/prod.py" in three.stdout


def test_two_stack_files_of_one_name_are_refused(infra: Run, project: Path) -> None:
    """A stack's name is its identity in an environment; the message names both files."""
    stacks = project / "stacks"
    text = (stacks / "dev.py").read_text()
    (stacks / "more.py").write_text(text.replace('App("', 'App("more-'))
    both = infra("plan", "stacks")
    assert (both.returncode, both.stdout) == (64, "")
    assert "stacks/dev.py, stacks/more.py: both are stack dev in the default en" in both.stderr
    (stacks / "more.py").write_text(text.replace('Stack("dev"', 'Stack("dev", environment="more"'))
    assert infra("plan", "stacks", "--concise").returncode != 64
    assert infra("plan", "stacks", "--env", "main").returncode == 64


def test_a_plan_can_be_narrowed(infra: Run, project: Path) -> None:
    """Only the Apps of the named services are touched, and the plan says what it leaves out."""
    planned = infra("plan", "stacks/dev.py", "--target-service", "alpha")
    assert "Plan: 4 to add" in planned.stdout
    assert "though they would change: beta" in planned.stdout
    assert infra("apply", "--yes").returncode == 0
    rest = infra("plan", "stacks/dev.py", "--exclude", "beta")
    assert rest.stdout.endswith("\n\nNo changes. What would change was left out.\n")
    later = infra("apply", "--yes")
    assert later.returncode == 0
    assert "though they would change: beta" in later.stdout
    assert later.stdout.endswith("\n\nNo changes. What would change was left out.\n")
    unknown = infra("plan", "stacks/dev.py", "--target-service", "gamma")
    assert unknown.returncode == 64
    assert "alpha, beta are allowed" in unknown.stderr


@pytest.mark.usefixtures("applied")
def test_a_lock_is_waited_for_told_and_ended(
    infra: Run, project: Path, modal_python: Callable[[str], None]
) -> None:
    """A second apply exits 10 with the holder's details; `unlock` ends the lock."""
    modal_python(
        "import asyncio, attrs\n"
        "from infra.holder import *\n"
        "from infra.lock import *\n"
        "async def take():\n"
        "    holder = holder_of_this_process('apply', {'GITHUB_ACTOR': 'alice'})\n"
        "    holder = attrs.evolve(holder, host='elsewhere')\n"
        "    async with locked(['alpha'], stack='dev', environment=None, holder=holder,\n"
        "                      timeout=0, tell=print):\n"
        "        import os; os._exit(0)\n"
        "asyncio.run(take())\n"
    )
    edit(project, "target_inputs=10", "target_inputs=16")
    refused = infra("apply", "stacks/dev.py", "--target", "local", "--yes")
    assert refused.returncode == 10, refused.stderr
    assert "alice" in refused.stderr
    assert "infra unlock" in refused.stderr
    unlocked = infra("unlock", "stacks/dev.py", "--target", "local", "--yes")
    assert "Unlocked App alpha." in unlocked.stdout
    assert infra("apply", "stacks/dev.py", "--target", "local", "--yes").returncode == 0


@pytest.mark.usefixtures("applied")
def test_another_checkout_sees_the_same(infra: Run, project: Path, tmp_path: Path) -> None:
    """Nothing in the folder is needed but the stack file: Modal is the state."""
    edit(project, "target_inputs=10", "target_inputs=16")
    here = infra("plan", "stacks/dev.py").stdout
    (project / ".infra" / "plan.json").unlink()
    elsewhere = tmp_path / "elsewhere"
    (elsewhere / ".infra").mkdir(parents=True)
    (project / "stacks").rename(elsewhere / "stacks")
    (elsewhere / ".infra" / "local").symlink_to(project / ".infra" / "local")
    there = infra("plan", "stacks/dev.py", cwd=elsewhere)
    assert there.stdout == here
