"""The command line as such: what is mistyped, and who has stopped reading."""

import os
import subprocess
from pathlib import Path

import pytest
from conftest import INFRA, Run

from infra.local import ControlPlane


@pytest.mark.parametrize(
    ("typed", "said"),
    [
        ("paln", "No such command 'paln'. Did you mean 'plan'?"),
        ("frobnicate", "No such command 'frobnicate'.\n"),
        ("--halp", "No such option '--halp'"),
    ],
)
def test_a_mistyped_command(infra: Run, typed: str, said: str) -> None:
    """What may have been meant is said, if anything is near."""
    refused = infra(typed)
    assert refused.returncode == 64
    assert said in refused.stderr


@pytest.mark.parametrize(
    ("typed", "said"),
    [("--taget", "'--taget'. Did you mean '--target'?"), ("--nosuch", "'--nosuch'.")],
)
def test_a_mistyped_option(infra: Run, typed: str, said: str) -> None:
    """What may have been meant is told; an option that only has the dashes in common is not."""
    refused = infra("plan", typed)
    assert (refused.returncode, f"No such option {said}\n" in refused.stderr) == (64, True)


@pytest.mark.parametrize("group", [[], ["local"], ["local", "secret"], ["model"]])
def test_no_command_s_help_is_cut(infra: Run, group: list[str]) -> None:
    """The list of commands has whole sentences, at the width of a terminal without one."""
    commands = infra(*group, "--help").stdout.partition("Commands:\n")[2]
    assert commands
    assert "..." not in commands


def test_nobody_reads_the_output(project: Path, environ: dict[str, str]) -> None:
    """A reader that has seen enough, such as `head`, is no mistake of anybody's."""
    reader, writer = os.pipe()
    os.close(reader)
    left = subprocess.run(
        [*INFRA, "rules"], cwd=project, env=environ, stdout=writer, stderr=subprocess.PIPE
    )
    os.close(writer)
    assert left.stderr == b""


def test_a_disk_that_is_full(project: Path, environ: dict[str, str]) -> None:
    """It is told as what it is, and not as a mistake in infra."""
    with Path("/dev/full").open("wb") as full:
        told = subprocess.run(
            [*INFRA, "rules"], cwd=project, env=environ, stdout=full, stderr=subprocess.PIPE
        )
    assert told.returncode == 1
    assert told.stderr.startswith(b"Error: the output: can't be written (No space left on device);")
    assert b"mistake in infra" not in told.stderr


def test_a_shell_that_points_at_the_local_plane(
    project: Path, environ: dict[str, str], infra: Run
) -> None:
    """The variables of `infra local env` mean the local target, not a Modal of that address."""
    up = subprocess.Popen(
        [*INFRA, "local", "up"], cwd=project, env=environ, stdout=subprocess.PIPE, text=True
    )
    try:
        assert up.stdout is not None
        up.stdout.readline()
        lines = infra("local", "env").stdout.splitlines()
        given = dict(each.removeprefix("export ").split("=", 1) for each in lines)
        ours = {name: value.strip("'") for name, value in given.items()}
        said = subprocess.run(
            [*INFRA, "plan", "stacks/dev.py"],
            cwd=project,
            env=environ | ours,
            capture_output=True,
            text=True,
            check=True,
        )
    finally:
        up.terminate()
        up.communicate()
    assert said.stdout.startswith("Stack dev on local: ")


def test_another_plane_is_no_local_target(
    project: Path, environ: dict[str, str], control_plane: ControlPlane
) -> None:
    """Credentials for any other address are Modal's."""
    said = subprocess.run(
        [*INFRA, "plan", "stacks/dev.py"],
        cwd=project,
        env=environ | control_plane.environ(),
        capture_output=True,
        text=True,
        check=True,
    )
    assert said.stdout.startswith("Stack dev on modal: ")
