"""The workflows of docs/ci.md: what they may do, and what their scripts make of the answers."""

import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import click
import pytest
import yaml

from infra.cli import main

DOCS = Path(__file__).parent.parent / "docs"
PLAN = (DOCS / "workflows" / "plan.yml").read_text()
DRIFT = (DOCS / "workflows" / "drift.yml").read_text()
WORKFLOWS = {"plan": yaml.safe_load(PLAN), "drift": yaml.safe_load(DRIFT)}
GUIDE = (DOCS / "ci.md").read_text()
BOT = "github-actions[bot]"

# Answers as GitHub would what lies in `there.json`, and keeps what it was told in `told.jsonl`.
GH = f"""\
#!{sys.executable}
import json, pathlib, subprocess, sys
arguments = sys.argv[1:]
assert arguments.pop(0) == "api"
fields, options, places = {{}}, {{}}, []
while arguments:
    word = arguments.pop(0)
    if word in ("--field", "--raw-field"):
        name, _, value = arguments.pop(0).partition("=")
        if word == "--field" and value.startswith("@"):
            value = pathlib.Path(value[1:]).read_text()
        fields[name] = value
    elif word in ("--method", "--jq"):
        options[word] = arguments.pop(0)
    elif word not in ("--silent", "--paginate"):
        places.append(word)
[place] = places
if "--jq" in options:
    there = pathlib.Path("there.json").read_bytes()
    subprocess.run(["jq", "-r", options["--jq"]], input=there, check=True)
else:
    with open("told.jsonl", "a") as file:
        print(json.dumps([options["--method"], place, fields]), file=file)
"""

Script = Callable[..., "subprocess.CompletedProcess[str]"]


def steps(workflow: str) -> Iterator[tuple[str, Mapping[str, Any]]]:
    """Every step with its job."""
    for name, job in WORKFLOWS[workflow]["jobs"].items():
        for step in job["steps"]:
            yield name, step


def script_of(workflow: str, name: str) -> str:
    """The script of the step of that name."""
    [script] = [step["run"] for _, step in steps(workflow) if step.get("name") == name]
    return str(script)


@pytest.fixture
def runs(tmp_path: Path) -> Script:
    """Runs a script as a runner would, with stand-ins for the commands that are given."""
    if not shutil.which("jq"):
        pytest.skip("there is no jq, which gh has built in")

    def run(script: str, infra: str = "", **environ: str) -> "subprocess.CompletedProcess[str]":
        for name, text in {"gh": GH, "infra": f"#!/bin/bash\n{infra}\n"}.items():
            path = tmp_path / "bin" / name
            path.parent.mkdir(exist_ok=True)
            path.write_text(text)
            path.chmod(0o755)
        return subprocess.run(
            ["bash", "-e", "-c", script],
            cwd=tmp_path,
            env={"PATH": f"{tmp_path / 'bin'}:{os.environ['PATH']}", **environ},
            capture_output=True,
            text=True,
            check=False,
        )

    return run


def told(folder: Path) -> list[Any]:
    """What GitHub was told to change."""
    path = folder / "told.jsonl"
    return [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []


@pytest.mark.parametrize("workflow", WORKFLOWS)
def test_a_job_may_write_or_run_the_repository_s_code(workflow: str) -> None:
    """What runs code of a branch can't write, and what writes has neither that code nor secrets."""
    assert WORKFLOWS[workflow]["permissions"] == {}
    assert WORKFLOWS[workflow]["concurrency"]
    for name, job in WORKFLOWS[workflow]["jobs"].items():
        uses = [step.get("uses", "") for step in job["steps"]]
        if any(each.startswith("actions/checkout@") for each in uses):
            assert job["permissions"] == {"contents": "read"}, name
        else:
            assert [*job["permissions"].values()] == ["write"], name
            assert "secrets." not in json.dumps(job), name


@pytest.mark.parametrize("workflow", WORKFLOWS)
def test_nothing_is_pasted_into_a_script(workflow: str) -> None:
    """A title or a branch name can't become a command; actions are pinned to a major version."""
    for _, step in steps(workflow):
        assert "${{" not in step.get("run", "")
        assert re.fullmatch(r"actions/[a-z-]+@v\d+", step.get("uses", "actions/x@v1"))
        if step.get("uses", "").startswith("actions/checkout@"):
            assert step["with"]["persist-credentials"] is False


@pytest.mark.parametrize("text", [PLAN, DRIFT, GUIDE], ids=["plan.yml", "drift.yml", "ci.md"])
def test_the_commands_exist(text: str) -> None:
    """Every command line of infra that is written there has options that infra has."""
    context = click.Context(main)
    lines = re.findall(r"^(?:\$| +)? *infra ([a-z]+) (.*)$", text.replace("\\\n", " "), re.M)
    assert lines
    for name, rest in lines:
        command = main.get_command(context, name)
        assert command, name
        known = {option for each in command.params for option in each.opts}
        assert {*re.findall(r"(?<= )--[a-z-]+", f" {rest}")} <= known, name


def test_the_comment_is_created_once_and_then_updated(runs: Script, tmp_path: Path) -> None:
    """Only a comment with the mark, and of the workflow's own, is overwritten."""
    script = script_of("plan", "Create the comment, or update it")
    environ = {"COMMENTS": "repos/acme/models/issues", "NUMBER": "7"}
    mark = "<!-- infra plan: prod -->\n"
    comments = [
        {"id": 1, "user": {"login": "mallory"}, "body": mark},
        {"id": 2, "user": {"login": BOT}, "body": f"of another workflow {mark}"},
    ]
    (tmp_path / "plan.md").write_text(f"{mark}\n$(touch oops) @plan.md")
    (tmp_path / "there.json").write_text(json.dumps(comments))
    assert runs(script, **environ).returncode == 0
    more = [{"id": number, "user": {"login": BOT}, "body": mark} for number in (3, 4)]
    (tmp_path / "there.json").write_text(json.dumps(comments + more))
    assert runs(script, **environ).returncode == 0
    body = {"body": f"{mark}\n$(touch oops) @plan.md"}
    assert told(tmp_path) == [
        ["POST", "repos/acme/models/issues/7/comments", body],
        ["PATCH", "repos/acme/models/issues/comments/3", body],
    ]


@pytest.mark.parametrize(("code", "left"), [(0, 0), (2, 0), (1, 1), (11, 11)])
def test_changes_are_no_failure(runs: Script, tmp_path: Path, code: int, left: int) -> None:
    """A plan with changes passes; one that can't be applied fails, and has its comment, too."""
    infra = f'while [ "$1" != --markdown-into ]; do shift; done; echo told > "$2"; exit {code}'
    assert runs(script_of("plan", "Plan"), infra, STACKS="a.py b.py").returncode == left
    assert (tmp_path / "plan" / "plan.md").read_text() == "told\n"


def test_a_comment_says_why_there_is_no_plan(runs: Script, tmp_path: Path) -> None:
    """The error stands in the comment's place, so that no older plan is taken for this one."""
    infra = "echo '```</details>' >&2; exit 64"
    assert runs(script_of("plan", "Plan"), infra, STACKS="a.py").returncode == 64
    assert (tmp_path / "plan" / "plan.md").read_text() == (
        "<!-- infra plan: failed -->\n\n### infra plan: failed with exit code 64\n\n"
        "    ```</details>\n"
    )


@pytest.mark.parametrize(
    ("codes", "left", "said"),
    [
        pytest.param({"a": 0, "b": 0}, 0, "drift=no\n", id="none"),
        pytest.param({"a": 2, "b": 0}, 0, "drift=yes\n", id="some"),
        pytest.param({"a": 2, "b": 1}, 1, "", id="unknown"),
    ],
)
def test_no_answer_is_not_no_drift(
    runs: Script, tmp_path: Path, codes: dict[str, int], left: int, said: str
) -> None:
    """Drift is told by exit code 2; any other failure leaves the issue alone."""
    cases = " ".join(f"{name}) exit {code};;" for name, code in codes.items())
    output = tmp_path / "output"
    output.touch()
    infra = f'echo "drift of $2"; case "$2" in {cases} esac'
    environ = {"STACKS": "a b", "GITHUB_OUTPUT": str(output)}
    assert runs(script_of("drift", "Look"), infra, **environ).returncode == left
    assert output.read_text() == said
    if "yes" in said:
        assert (tmp_path / "drift.txt").read_text() == "drift of a\n\n"


def test_one_issue_is_opened_updated_and_closed(runs: Script, tmp_path: Path) -> None:
    """Drift has one issue, however often it is found, and none when it is gone."""
    script = script_of("drift", "Open, update or close the issue")
    environ = {"ISSUES": "repos/acme/models/issues", "RUN": "https://github.com/x"}
    other = {"number": 1, "user": {"login": BOT}, "body": None}
    pull = {**other, "number": 2, "body": "<!-- infra drift -->", "pull_request": {}}
    ours = {**other, "number": 3, "body": "<!-- infra drift -->\nObjects"}
    (tmp_path / "drift.txt").write_text("``` @team\n\n" + "x" * 70_000 + "\n")
    for issues, drift in (([], "yes"), ([ours], "yes"), ([ours], "no"), ([], "no")):
        (tmp_path / "there.json").write_text(json.dumps([other, pull, *issues]))
        assert runs(script, DRIFT=drift, **environ).returncode == 0
    body = (
        "<!-- infra drift -->\nObjects have changed outside of infra, as [this run]"
        "(https://github.com/x) found:\n\n    ``` @team\n    \n    ...\n"
    )
    gone = "[This run](https://github.com/x) found no drift any more."
    assert told(tmp_path) == [
        ["POST", "repos/acme/models/issues", {"title": "infra: drift", "body": body}],
        ["PATCH", "repos/acme/models/issues/3", {"body": body}],
        ["POST", "repos/acme/models/issues/3/comments", {"body": gone}],
        ["PATCH", "repos/acme/models/issues/3", {"state": "closed"}],
    ]
