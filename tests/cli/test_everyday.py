"""The everyday commands, as people use and misuse them."""

import json
import re
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from infra.cli import main

INFRA = [sys.executable, "-m", "infra.cli"]
Run = Callable[..., "subprocess.CompletedProcess[str]"]


def edit(project: Path, before: str, after: str) -> None:
    """Change the stack file."""
    path = project / "stacks" / "dev.py"
    text = path.read_text()
    assert before in text
    path.write_text(text.replace(before, after))


def test_plan_apply_plan_destroy(infra: Run, modal_command: Run) -> None:
    """What was planned is applied; then nothing is left to do; destroy takes it away again."""
    planned = infra("plan", "stacks/dev.py")
    assert planned.returncode == 0
    assert "No Modal credentials found: using the local control plane" in planned.stdout
    assert "Plan: 7 to add, 0 to change, 0 to destroy." in planned.stdout
    applied = infra("apply", "--yes")
    assert applied.returncode == 0, applied.stderr
    assert "Apply complete! Resources: 7 added, 0 changed, 0 destroyed." in applied.stdout
    assert re.search(r"alpha +http://127\.0\.0\.1:\d+\n", applied.stdout)
    again = infra("plan", "stacks/dev.py", "--detailed-exitcode")
    assert again.returncode == 0
    assert "No changes. Your infrastructure matches the configuration." in again.stdout
    apps = json.loads(modal_command("app", "list", "--json").stdout)
    assert {(app["description"], app["state"]) for app in apps} == {
        ("alpha", "deployed"),
        ("beta", "deployed"),
    }
    status = infra("status")
    assert re.search(r"^alpha +alpha +v1 ", status.stdout, re.MULTILINE)
    destroyed = infra("destroy", "--yes")
    assert destroyed.returncode == 0
    assert "Destroy complete! Resources: 6 destroyed." in destroyed.stdout
    afterwards = infra("plan", "stacks/dev.py", "--detailed-exitcode")
    assert afterwards.returncode == 2
    # the Volume was kept
    assert "Plan: 6 to add, 0 to change, 0 to destroy." in afterwards.stdout


def test_a_change_shows_its_fields_and_nothing_else(infra: Run, project: Path) -> None:
    """A changed value is one line of the plan, with what follows from it."""
    infra("plan", "stacks/dev.py")
    infra("apply", "--yes")
    edit(project, "target_inputs=10", "target_inputs=16")
    planned = infra("plan", "stacks/dev.py", "--diff")
    assert "  # service.alpha will be updated in-place" in planned.stdout
    assert re.search(r"~ routing.target_inputs +10 -> 16\n", planned.stdout)
    assert re.search(
        r"~ engine --cuda-graph-max-bs +20 -> 32  # follows routing.target_inputs\n",
        planned.stdout,
    )
    assert "Plan: 0 to add, 2 to change, 0 to destroy." in planned.stdout
    assert '-    *("--cuda-graph-max-bs", "20"),' in planned.stdout
    assert '+    *("--cuda-graph-max-bs", "32"),' in planned.stdout


def test_an_app_that_left_the_stack_is_stopped(infra: Run, project: Path) -> None:
    """What the stack file does not hold any more is destroyed, though nothing local says so."""
    infra("plan", "stacks/dev.py")
    infra("apply", "--yes")
    edit(project, ', App("beta", [chat("beta")])', "")
    (project / ".infra" / "plan.json").unlink()
    planned = infra("plan", "stacks/dev.py")
    assert "  # service.beta will be destroyed" in planned.stdout
    assert "Plan: 0 to add, 0 to change, 3 to destroy" in planned.stdout
    assert infra("apply", "--yes").returncode == 0
    assert "No changes." in infra("plan", "stacks/dev.py").stdout


def test_a_plan_is_refused_when_the_stack_file_moved(infra: Run, project: Path) -> None:
    """The last plan is applied only while its stack file says the same; the field is named."""
    infra("plan", "stacks/dev.py")
    edit(project, "target_inputs=10", "target_inputs=16")
    refused = infra("apply", "--yes")
    assert refused.returncode == 11
    assert "stacks/dev.py was changed after the plan was made" in refused.stderr
    assert "service.alpha: routing.target_inputs, engine --cuda-graph-max-bs" in refused.stderr
    assert "Run `infra plan stacks/dev.py --target local` again." in refused.stderr


def test_a_plan_is_refused_when_the_deployment_moved(infra: Run, project: Path) -> None:
    """A saved plan is applied only to what it was made for; the field that differs is named."""
    infra("plan", "stacks/dev.py", "--out", "old.json")
    infra("apply", "stacks/dev.py", "--target", "local", "--yes")
    refused = infra("apply", "old.json")
    assert refused.returncode == 11
    assert "Saved plan is stale" in refused.stderr
    assert "app.alpha: version was none, is v1 now" in refused.stderr
    assert "Nothing was changed." in refused.stderr


def test_a_plan_remembers_its_target(infra: Run, project: Path) -> None:
    """A saved plan has its own target, so another one can't be given."""
    infra("plan", "stacks/dev.py", "--target", "local")
    assert json.loads((project / ".infra" / "plan.json").read_text())["target"] == "local"
    refused = infra("apply", "--target", "modal", "--yes")
    assert refused.returncode == 64
    assert "--target: the last plan, as no stack is named, has its own" in refused.stderr
    both = infra("apply", "x.json", "--target", "modal", "--adopt")
    assert "--target, --adopt: the saved plan x.json has its own" in both.stderr


def test_what_is_no_plan_can_t_be_applied(infra: Run, project: Path) -> None:
    """A folder is told by the command that reads it, as is a folder without stack files."""
    refused = infra("apply", "stacks", "--target", "local")
    assert refused.returncode == 1
    assert refused.stderr == (
        "Error: stacks: is a folder; a stack file is allowed; write stacks/dev.py\n"
    )
    empty = infra("plan", ".").stderr
    assert ".: holds no stack file; a stack file is allowed, or a folder" in empty
    assert empty.endswith("write stacks\n")


def test_an_applied_stack_is_known_to_what_follows(infra: Run) -> None:
    """Commands that name no stack take the one that was applied; its plan is stale by then."""
    assert infra("apply", "stacks/dev.py", "--target", "local", "--yes").returncode == 0
    assert "http://127.0.0.1" in infra("outputs").stdout
    assert infra("status").returncode == 0
    assert infra("apply", "--yes").returncode == 11


def test_a_half_done_apply_says_what_is_done(infra: Run, project: Path, modal_command: Run) -> None:
    """When the second App fails, the first one holds, and the message says how to go on."""
    edit(project, 'chat("beta")', 'chat("beta", secrets=["door"])')
    modal_command("secret", "create", "door", "KEY=none")
    infra("plan", "stacks/dev.py", "--out", "plan.json")
    modal_command("secret", "delete", "door", "--yes")
    failed = infra("apply", "plan.json")
    assert failed.returncode == 1
    assert "Traceback" not in failed.stderr
    assert "Error: deploying beta failed" in failed.stderr
    assert "door" in failed.stderr
    assert "Done before that: alpha. Not done: beta." in failed.stderr
    assert "run `infra apply stacks/dev.py --target local`" in failed.stderr
    modal_command("secret", "create", "door", "KEY=none")
    applied = infra("apply", "stacks/dev.py", "--target", "local", "--yes")
    assert "Apply complete! Resources: 3 added" in applied.stdout


def test_a_plan_is_refused_when_a_local_file_moved(infra: Run, project: Path) -> None:
    """What an image is given is what the plan saw; the file that differs is named."""
    edit(
        project,
        ".entrypoint([]),\n        weights",
        '.entrypoint([])\n        .add_local_file(f"{name}.txt", "/x.txt"),\n        weights',
    )
    (project / "alpha.txt").write_text("there")
    missing = infra("plan", "stacks/dev.py")
    assert "beta.image: add_local_file('beta.txt') names what is not there" in missing.stderr
    (project / "beta.txt").write_text("there")
    infra("plan", "stacks/dev.py", "--out", "plan.json")
    (project / "beta.txt").write_text("changed")
    refused = infra("apply", "plan.json")
    assert refused.returncode == 11
    assert "local files were changed after the plan was made" in refused.stderr
    assert "  - image.beta: beta.txt\n" in refused.stderr
    (project / "beta.txt").write_text("there")
    assert infra("apply", "plan.json").returncode == 0
    (project / "beta.txt").write_text("changed")
    assert "~ files[0]" in infra("plan", "stacks/dev.py").stdout


def test_somebody_elses_app_is_left_alone(infra: Run, project: Path, modal_command: Run) -> None:
    """An App of that name which infra did not deploy is neither changed nor stopped."""
    (project / "other.py").write_text(
        "import modal\napp = modal.App('alpha')\n@app.function()\ndef f(): pass\n"
    )
    modal_command("deploy", "other.py")
    planned = infra("plan", "stacks/dev.py")
    assert planned.returncode == 1
    assert "app.alpha: somebody without infra has deployed it (version 1" in planned.stdout
    assert infra("apply", "--yes").returncode == 1
    apps = json.loads(modal_command("app", "list", "--json").stdout)
    assert [app["description"] for app in apps] == ["alpha"]


def test_a_missing_secret_is_found_by_the_plan(
    infra: Run, project: Path, modal_command: Run
) -> None:
    """The plan says which Secret is missing and how to create it; then it can be applied."""
    edit(project, '"huggingface-cache")', '"huggingface-cache", secret="hf")')
    planned = infra("plan", "stacks/dev.py")
    assert planned.returncode == 1
    assert "run `infra local secret set hf KEY=VALUE`" in planned.stdout
    modal_command("secret", "create", "hf", "HF_TOKEN=none")
    assert infra("plan", "stacks/dev.py").returncode == 0


def test_a_damaged_record_is_found(infra: Run, project: Path, modal_command: Run) -> None:
    """A stored manifest that does not have its fingerprint is not believed."""
    infra("plan", "stacks/dev.py")
    infra("apply", "--yes")
    listed = json.loads(modal_command("volume", "ls", "infra-state", "dev/alpha", "--json").stdout)
    [record] = [entry["filename"] for entry in listed if entry["filename"].endswith(".json")]
    (project / "forged.json").write_text("{}")
    modal_command("volume", "put", "--force", "infra-state", "forged.json", f"/{record}")
    edit(project, "target_inputs=10", "target_inputs=16")
    planned = infra("plan", "stacks/dev.py")
    assert "is damaged" in planned.stdout
    assert infra("apply", "--yes").returncode == 0
    assert "No changes." in infra("plan", "stacks/dev.py").stdout


@pytest.mark.parametrize(
    "arguments",
    [["plan", "none.py"], ["apply", "none.py", "--target", "local"], ["apply", "none.plan"],
     ["model", "show", "nobody/knows"]],
)  # fmt: skip
def test_what_is_not_there_is_an_error(infra: Run, arguments: list[str]) -> None:
    """A well-formed command line that names something which is not there exits 1, not 64."""
    assert infra(*arguments).returncode == 1


def test_without_a_terminal_nothing_is_done_unasked(infra: Run) -> None:
    """Whoever can't be asked is told of --yes."""
    infra("plan", "stacks/dev.py")
    for command in (["apply"], ["apply", "stacks/dev.py", "--target", "local"]):
        refused = infra(*command)
        assert refused.returncode == 130
        assert "--yes" in refused.stderr
    assert "Plan: 7 to add" in infra("plan", "stacks/dev.py").stdout


def test_changing_something_without_credentials_needs_a_target(infra: Run) -> None:
    """Only a plan falls back to the local control plane by itself; why is told."""
    for command in ("apply", "destroy"):
        refused = infra(command, "stacks/dev.py", "--yes")
        assert refused.returncode == 64
        assert "the same command would change what is on Modal" in refused.stderr
        assert "--target local" in refused.stderr
    refused = infra("plan", "stacks/dev.py", "--target", "modal")
    assert refused.returncode == 64
    assert "modal setup" in refused.stderr


@pytest.mark.parametrize(("answer", "code", "said"), [
    ("yes\n", 0, "Apply complete!"),
    ("no\n", 130, "Apply cancelled. Nothing was changed.\n"),
    ("y\n", 130, "Apply cancelled. Nothing was changed. Only 'yes' is accepted, not 'y'.\n"),
    ("\n", 130, "Apply cancelled. Nothing was changed.\n"),
    (signal.SIGINT, 130, "Interrupted. Nothing was changed.\n"),
])  # fmt: skip
def test_only_yes_is_yes(
    terminal: Callable[..., tuple[int, str]], infra: Run, answer: str | int, code: int, said: str
) -> None:
    """At the question, anything but `yes` changes nothing."""
    infra("plan", "stacks/dev.py")
    left, seen = terminal(["apply"], "Enter a value", answer)
    assert "Only 'yes' will be accepted to approve." in seen
    assert (left, said in seen) == (code, True), seen
    expected = "No changes." if code == 0 else "Plan: 7 to add"
    assert expected in infra("plan", "stacks/dev.py").stdout


def test_colour_is_for_terminals_only(
    terminal: Callable[..., tuple[int, str]], infra: Run, environ: dict[str, str]
) -> None:
    """A terminal gets colours, a pipe and NO_COLOR get none."""
    assert "\x1b[" not in infra("plan", "stacks/dev.py").stdout
    assert "\x1b[" in terminal(["plan", "stacks/dev.py"], "never", "")[1]
    environ["NO_COLOR"] = "1"
    assert "\x1b[" not in terminal(["plan", "stacks/dev.py"], "never", "")[1]


def test_synth_writes_checks_and_cleans_up(infra: Run, project: Path) -> None:
    """Generated modules follow the stack file; --check only looks."""
    folder = project / "stacks" / "generated" / "dev"
    missing = infra("synth", "stacks/dev.py", "--check")
    assert missing.returncode == 1
    assert not folder.exists()
    assert infra("synth", "stacks/dev.py").returncode == 0
    assert sorted(path.name for path in folder.iterdir()) == ["alpha.py", "beta.py"]
    assert infra("synth", "stacks/dev.py", "--check").returncode == 0
    edit(project, ', App("beta", [chat("beta")])', "")
    edit(project, "target_inputs=10", "target_inputs=16")
    stale = infra("synth", "stacks/dev.py", "--check")
    assert stale.returncode == 1
    assert "alpha.py, stacks/generated/dev/beta.py: out of date" in stale.stderr
    assert '+    *("--cuda-graph-max-bs", "32"),' in stale.stdout
    assert infra("synth", "stacks/dev.py").returncode == 0
    assert sorted(path.name for path in folder.iterdir()) == ["alpha.py"]
    assert infra("synth", "stacks/dev.py", "--out", "elsewhere").returncode == 0
    assert (project / "elsewhere" / "dev" / "alpha.py").is_file()


def test_synth_takes_away_only_what_it_wrote(infra: Run, project: Path) -> None:
    """A file in its folder that another stack or a person wrote stays, whatever it holds."""
    folder = project / "src" / "dev"
    folder.mkdir(parents=True)
    (folder / "mine.py").write_bytes(b"x = 'caf\xe9'\n")
    (folder / "folder.py").mkdir()
    (folder / "theirs.py").write_text("# Generated by infra: stack dev-2, App alpha.\n")
    (folder / "gone.py").write_text("# Generated by infra: stack dev, App gone.\n")
    written = infra("synth", "stacks/dev.py", "--out", "src")
    assert "removed src/dev/gone.py" in written.stdout and written.stdout.count("removed") == 1
    names = ["alpha.py", "beta.py", "folder.py", "mine.py", "theirs.py"]
    assert sorted(path.name for path in folder.iterdir()) == names
    checked = infra("synth", "stacks/dev.py", "--out", "src", "--check")
    assert (checked.returncode, checked.stderr) == (0, "2 generated files are up to date.\n")


def test_errors_are_text(infra: Run, project: Path) -> None:
    """A broken stack file is told as text; --traceback adds where infra found it."""
    edit(project, 'gpu="H100:2"', 'gpu="H100:9"')
    broken = infra("plan", "stacks/dev.py")
    assert broken.returncode == 1
    assert "alpha.gpu: 'H100:9'" in broken.stderr
    assert "Traceback" not in broken.stderr
    assert "Traceback" in infra("--traceback", "plan", "stacks/dev.py").stderr


@pytest.mark.parametrize("time", ["nan", "inf", "-5s", "1e400h", "soon", ""])
def test_a_time_is_a_number_of_seconds(infra: Run, time: str) -> None:
    """One that never comes would be waited for without end."""
    refused = infra("apply", "stacks/dev.py", "--target", "local", "--lock-timeout", time)
    assert refused.returncode == 64
    assert f"{time!r} is no time; 90, 30s, 5m and 1h are allowed" in refused.stderr


@pytest.mark.parametrize("arguments", [["plna"], ["plan"], ["plan", "x.py", "--target", "aws"]])
def test_a_wrong_command_line_has_a_code_of_its_own(infra: Run, arguments: list[str]) -> None:
    """A typing error can't be taken for `there are changes`."""
    assert infra(*arguments).returncode == 64


def test_the_plane_that_runs_is_found(infra: Run, project: Path, environ: dict[str, str]) -> None:
    """`infra local up` serves other commands until it is told to stop; then they go on alone."""
    assert infra("local", "env").returncode == 1
    plane = subprocess.Popen(
        [*INFRA, "local", "up"], cwd=project, env=environ, stdout=subprocess.PIPE, text=True
    )
    assert plane.stdout
    try:
        url = re.search(r"http://127\.0\.0\.1:\d+", plane.stdout.readline())
        assert url and url.group() in infra("local", "env").stdout
        infra("plan", "stacks/dev.py")
        assert infra("apply", "--yes").returncode == 0
    finally:
        plane.send_signal(signal.SIGINT)
        plane.stdout.close()
        plane.wait()
    assert infra("local", "env").returncode == 1
    assert "No changes." in infra("plan", "stacks/dev.py").stdout


def test_every_command_says_what_it_does() -> None:
    """Each command has one sentence of help, and each option has its own."""
    commands = [("infra", main)]
    while commands:
        name, command = commands.pop()
        assert (command.help or "").strip(), name
        for option in command.params:
            if option.param_type_name == "option":
                assert option.help, f"{name} {option.name}"  # type: ignore[attr-defined]
        for child, each in getattr(command, "commands", {}).items():
            commands.append((f"{name} {child}", each))


def test_the_files_that_are_left_hold_no_secret(infra: Run, project: Path) -> None:
    """A plan can be stored in CI: whoever reads it learns no token."""
    infra("plan", "stacks/dev.py")
    text = (project / ".infra" / "plan.json").read_text()
    assert "as-" not in text and "MODAL_TOKEN" not in text
