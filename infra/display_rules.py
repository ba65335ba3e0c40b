"""Rules in, their text for people out."""

from collections.abc import Iterator, Sequence
from textwrap import fill, indent

from infra.display_findings import finding_text
from infra.rule_book import Entry, Example, by_topic
from infra.rules import Finding, Report
from infra.text import Style, plain, table

WIDTH = 100


def rules_text(entries: Sequence[Entry], style: Style = plain) -> str:
    """A line per rule under what it is about, with the strict severity where it is another."""
    topics = by_topic(entries)
    rows = [("CODE", "SEVERITY", "STRICT", "TITLE")]
    for each in (entry for held in topics.values() for entry in held):
        strict = each.strict if each.strict != each.severity else ""
        rows.append((each.code, each.severity, strict, each.title))
    head, *lines = table(rows).splitlines()
    left = iter(lines)
    blocks = [head]
    for topic, held in topics.items():
        blocks.append("\n".join([style(topic, "bold"), *(next(left) for _ in held)]))
    return "\n\n".join(blocks)


def entry_text(entry: Entry, stack: str = "", report: Report | None = None) -> str:
    """
    A rule, told whole.

    Args:
        entry: The rule.
        stack: The stack file.
        report: What was found in it; None: there is no stack.
    """
    blocks = [f"{entry.code}: {entry.title}"]
    if entry.why:
        blocks.append(fill(entry.why, WIDTH))
    blocks.append(f"Severity: {entry.levels}\nSource:   {entry.source}")
    if report:
        blocks.append("\n".join([f"In {stack}:", *_found(entry.code, report)]))
    elif entry.example:
        blocks.append(_example(entry.code, entry.example))
    blocks.append(f'To keep what it finds: Stack(..., accept={{"{entry.code}": "<why it stays>"}})')
    return "\n\n".join(blocks)


def _example(code: str, example: Example) -> str:
    found = Finding(
        code=code,
        severity=example.severity,
        where=example.where,
        what=example.what,
        why="",
        fix=example.fix,
        source="",
    )
    return f"For example:\n\n{indent(example.stack, '    ')}\n\n{finding_text(found)}"


def _found(code: str, report: Report) -> Iterator[str]:
    """The rule's findings, those that are accepted with the reason; or that there are none."""
    found = [finding_text(each) for each in report.findings if each.code == code]
    found += [
        f"{finding_text(each.finding)}\n      accepted: {each.reason}"
        for each in report.accepted
        if each.finding.code == code
    ]
    yield from found or ["  nothing is found"]
