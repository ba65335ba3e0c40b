"""What is printed fits the terminal; files and pipes get whole lines."""

from collections.abc import Callable
from pathlib import Path
from subprocess import CompletedProcess

import pytest

Run = Callable[..., "CompletedProcess[str]"]
Terminal = Callable[[list[str], str, str], tuple[int, str]]
PLAN = ["plan", "stacks/dev.py", "--target", "local"]


def shown(terminal: Terminal, *arguments: str) -> list[str]:
    """The lines at a terminal."""
    code, text = terminal([*arguments], "nothing is asked", "")
    assert code in (0, 1), text
    return text.splitlines()


@pytest.mark.parametrize("columns", [60, 80, 200])
def test_a_plan_fits_the_terminal(
    infra: Run, terminal: Terminal, environ: dict[str, str], columns: int
) -> None:
    """Findings, notes and tables keep to its width, and say the same as in a pipe."""
    environ |= {"COLUMNS": str(columns), "NO_COLOR": "1"}
    lines, whole = shown(terminal, *PLAN), infra(*PLAN).stdout
    assert any(len(line) > 80 for line in whole.splitlines())
    commands = ("`infra explain ",)  # to be copied
    long = [line for line in lines if len(line) > columns and not line.startswith(commands)]
    assert not [line for line in long if len(line.split()) > 3]  # a path and one long word
    words = set(" ".join(lines).split())
    assert not [word for word in whole.split() if word not in words]


def test_an_explanation_fits_the_terminal(terminal: Terminal, environ: dict[str, str]) -> None:
    """So do a rule's reason and the list of rules."""
    environ |= {"COLUMNS": "60", "NO_COLOR": "1"}
    for words in (["rules"], ["explain", "INF052"]):
        lines = shown(terminal, *words)
        code = ("    ", "To keep what it finds: Stack(")
        assert max(len(line) for line in lines if not line.startswith(code)) <= 60


def test_a_pipe_has_no_width(infra: Run, project: Path, environ: dict[str, str]) -> None:
    """COLUMNS is about terminals: a finding is one line for `grep`, whatever it says."""
    whole = infra(*PLAN).stdout
    environ["COLUMNS"] = "40"
    assert infra(*PLAN).stdout == whole
