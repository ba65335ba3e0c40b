"""`infra rules` and `infra explain`: what is looked for, and why; the same as on the page."""

import json
import re
from collections.abc import Callable
from pathlib import Path
from subprocess import CompletedProcess

import pytest

from infra.rule_book import entries

Run = Callable[..., "CompletedProcess[str]"]

PAGE = Path(__file__).parent.parent.parent / "docs" / "rules.md"
HANDBOOK = """
from infra.rules import Fault, rule

@rule("ACME001", severity="warning", strict="error", source="our handbook, page 7")
def two_containers(subject):
    \"\"\"
    A service that grows without end.

    Nobody then knows the bill.
    \"\"\"
    if subject.service.autoscaler.max_containers is None:
        yield Fault(field="max_containers", what="is not set", fix="write max_containers=4")
"""


def words(text: str) -> str:
    """A text without its lines."""
    return " ".join(text.split())


@pytest.fixture
def stack(project: Path) -> str:
    """A stack file with a rule of its own and an acceptance."""
    path = project / "stacks" / "dev.py"
    text = path.read_text()
    given = 'rules=[two_containers], accept={"INF043": "the image is ours", "INF020": "why"})'
    before, _, _ = text.rpartition(")")
    path.write_text(f"{HANDBOOK}{before}, {given}")
    return "stacks/dev.py"


def test_the_list_has_every_rule(infra: Run) -> None:
    """Each rule of the components has a line with its code, severities and title."""
    lines = [line.split() for line in infra("rules").stdout.splitlines()]
    for entry in entries():
        strict = [entry.strict] if entry.strict != entry.severity else []
        assert [entry.code, entry.severity, *strict, *entry.title.split()] in lines


def test_list_explanation_and_page_agree(infra: Run) -> None:
    """The list, the explanations and the page say the same of each rule, and all of it."""
    listed = json.loads(infra("rules", "--json").stdout)
    codes = [each["code"] for each in listed]
    assert codes == [entry.code for entry in entries()]
    assert json.loads(infra("explain", *codes, "--json").stdout) == listed
    page, told = words(PAGE.read_text(encoding="utf-8")), words(infra("explain", *codes).stdout)
    for each in listed:
        heading = f"{each['code']}: {words(each['title'])}"
        assert f"### {heading}" in page
        assert heading in told
        for text in (each["why"], each["source"]):
            assert words(text) in page
            assert words(text) in told
        for name in ("stack", "what", "fix"):
            text = words((each["example"] or {}).get(name, ""))
            assert text in page
            assert text in told


def test_a_stack_s_own_rules_are_listed(infra: Run, stack: str) -> None:
    """With a stack, its own rules stand behind those of its components."""
    done = infra("rules", stack)
    *others, topic, last = done.stdout.splitlines()
    assert topic == "The stack's own rules."
    assert last == "ACME001  warning   error    A service that grows without end."
    assert any(line.startswith("INF020 ") for line in others)


def test_a_finding_is_explained_where_it_is(infra: Run, stack: str) -> None:
    """With a stack, an explanation shows what is found there, and what of it is accepted."""
    own = infra("explain", "acme001", "--stack", stack).stdout
    assert own == (
        "ACME001: A service that grows without end.\n\n"
        "Nobody then knows the bill.\n\n"
        "Severity: warning, strict: error\n"
        "Source:   our handbook, page 7\n\n"
        "In stacks/dev.py:\n"
        "  warning ACME001 alpha.max_containers: is not set\n"
        "      write max_containers=4\n"
        "  warning ACME001 beta.max_containers: is not set\n"
        "      write max_containers=4\n\n"
        'To keep what it finds: Stack(..., accept={"ACME001": "<why it stays>"})\n'
    )
    accepted = infra("explain", "INF043", "--stack", stack).stdout
    assert accepted.count("      accepted: the image is ours\n") == 2
    stale = infra("explain", "INF001", "--stack", stack).stdout
    assert "stack.accept: INF020 is accepted, and matches no finding any more" in stale
    assert "  nothing is found\n" in infra("explain", "INF060", "--stack", stack).stdout


def test_the_severity_is_that_of_what_is_shown(infra: Run, project: Path) -> None:
    """A finding may have another one than its rule, which is told beside the rule's own."""
    path = project / "stacks" / "dev.py"
    faulty = HANDBOOK.replace('fix="write max_containers=4"', 'fix="do", severity="info"')
    before, _, _ = path.read_text().rpartition(")")
    path.write_text(f"{faulty}{before}, rules=[two_containers])")
    told = infra("explain", "ACME001", "--stack", "stacks/dev.py").stdout
    assert "\nSeverity: warning, strict: error, here: info\n" in told
    assert "\n  info ACME001 alpha.max_containers: is not set\n" in told


def test_codes_that_are_none(infra: Run, stack: str) -> None:
    """All unknown codes are told at once, with those that are near."""
    done = infra("explain", "INF02", "ACME001", "INF010")
    assert (done.returncode, done.stdout) == (64, "")
    first, second = done.stderr.splitlines()
    assert first.startswith("Error: INF02: is no rule of infra's; INF020, INF021, ")
    assert first.endswith("INF029 are near; a stack's own rules need --stack FILE")
    assert second.startswith("ACME001: is no rule of infra's; ")
    done = infra("explain", "ACME002", "inf999", "--stack", stack)
    assert done.returncode == 64
    near, far = done.stderr.removeprefix("Error: ").splitlines()
    lists_all = "`infra rules stacks/dev.py` lists all"
    assert near == f"ACME002: is no rule of stacks/dev.py; ACME001 is near; {lists_all}"
    assert far == f"INF999: is no rule of stacks/dev.py; {lists_all}"


@pytest.mark.parametrize(
    ("code", "near"),
    [
        ("inf0200", "INF020 is near"),
        ("INM020", "INF020 is near"),
        ("INF999", "`infra rules` lists those that are known"),
        ("what", "`infra rules` lists those that are known"),
    ],
)
def test_near_are_those_of_one_ten_or_one_letter_off(infra: Run, code: str, near: str) -> None:
    """What looks like no rule at all is sent to the list, and no guess is made."""
    assert infra("explain", code).stderr == (
        f"Error: {code.upper()}: is no rule of infra's; {near}; "
        "a stack's own rules need --stack FILE\n"
    )


def test_of_a_ten_all_are_near(infra: Run) -> None:
    """A wrong last digit leads to all rules of the same kind, and to no other."""
    known = [each.code for each in entries()]
    wrong = next(code for each in known if (code := f"{each[:-1]}9") not in known)
    ten = ", ".join(code for code in known if code[:-1] == wrong[:-1])
    told = infra("explain", wrong.lower()).stderr
    assert re.match(rf"Error: {wrong}: is no rule of infra's; {ten} (is|are) near; ", told)


def test_a_plan_tells_where_to_read_on(infra: Run, stack: str) -> None:
    """A plan with findings names the command that explains the first of them."""
    lines = infra("plan", stack, "--target", "local").stdout.splitlines()
    head = next(index for index, line in enumerate(lines) if line.startswith("Findings: "))
    first = lines[head + 1].split()[1]
    assert [line for line in lines if "infra explain" in line] == [
        f"`infra explain {first} --stack {stack}` tells why, and how to keep it."
    ]
