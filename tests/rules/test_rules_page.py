"""The page about the rules says what the rules are."""

import subprocess
import sys
from pathlib import Path

from components.rules import RULES

ROOT = Path(__file__).parent.parent.parent


def test_the_page_is_up_to_date() -> None:
    """docs/rules.md is what scripts/rules makes of the rules."""
    command = [sys.executable, str(ROOT / "scripts" / "rules"), "--check"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (0, "docs/rules.md is up to date.\n")


def test_the_page_has_every_rule() -> None:
    """Each rule has its heading, once."""
    headings = [
        line.removeprefix("### ").partition(":")[0]
        for line in (ROOT / "docs" / "rules.md").read_text(encoding="utf-8").splitlines()
        if line.startswith("### ")
    ]
    assert headings == [rule.code for rule in RULES]
