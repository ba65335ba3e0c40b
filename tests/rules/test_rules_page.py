"""The page about the rules says what the rules are."""

import subprocess
import sys
from pathlib import Path

from components.rules import RULES
from infra.rule_book import entries

ROOT = Path(__file__).parent.parent.parent


def test_the_page_is_up_to_date() -> None:
    """docs/rules.md and the examples are what scripts/rules makes of the rules."""
    command = [sys.executable, str(ROOT / "scripts" / "rules"), "--check"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (0, "docs/rules.md and the examples are current.\n")


def test_the_page_has_every_rule() -> None:
    """Each rule has its heading, once."""
    headings = [
        line.removeprefix("### ").partition(":")[0]
        for line in (ROOT / "docs" / "rules.md").read_text(encoding="utf-8").splitlines()
        if line.startswith("### ")
    ]
    assert sorted(headings) == ["INF001", *(rule.code for rule in RULES)]  # by topic on the page


def test_every_rule_has_its_example() -> None:
    """Each rule comes with a stack that has its fault and with what is said about it."""
    known = entries()
    assert [entry.code for entry in known if entry.example is None] == ["INF001"]
    for entry in known:
        if entry.example:
            assert entry.example.stack.startswith(("InferenceService(", "Stack("))
            assert entry.example.what and entry.example.fix
