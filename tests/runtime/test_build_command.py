"""A step of an image build either succeeds or fails the build."""

import subprocess
import sys
from pathlib import Path

import pytest

from infra.runtime.build import run_build_command


def test_the_command_is_run_without_a_shell(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Each word reaches the program as it is, and the log shows the command."""
    target = tmp_path / "a $(b) c"
    script = "import pathlib, sys; pathlib.Path(sys.argv[1]).touch()"
    run_build_command([sys.executable, "-c", script, str(target)])
    assert target.exists()
    assert capsys.readouterr().out.endswith(f" '{target}'\n")


@pytest.mark.parametrize(
    ("script", "how"),
    [
        ("raise SystemExit(4)", "exit status 4"),
        ("import os; os.kill(os.getpid(), 9)", "SIGKILL"),
    ],
)
def test_a_failed_command_fails_the_build(script: str, how: str) -> None:
    """A command that fails raises, with the command and how it ended."""
    with pytest.raises(subprocess.CalledProcessError) as caught:
        run_build_command([sys.executable, "-c", script])
    assert script in str(caught.value)
    assert how in str(caught.value)


def test_a_missing_program_fails_the_build() -> None:
    """A program that is not in the image fails the build by its name."""
    with pytest.raises(FileNotFoundError, match="no-such-compiler"):
        run_build_command(["no-such-compiler", "--model-path", "org/model"])
