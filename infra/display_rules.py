"""Rules in, their text for people out."""

from collections.abc import Iterator, Sequence
from textwrap import indent

from infra.display_findings import accepted_text, finding_text
from infra.rule_book import Entry, Example, by_topic
from infra.rules import SEVERITIES, Finding, Report, Severity
from infra.text import Style, plain, table_rows, wrapped

WIDTH = 100  # at the most; longer lines are hard to read


def rules_text(entries: Sequence[Entry], style: Style = plain) -> str:
    """A line per rule under what it is about, with the strict severity where it is another."""
    topics = by_topic(entries)
    rows = [("CODE", "SEVERITY", "STRICT", "TITLE")]
    for each in (entry for held in topics.values() for entry in held):
        strict = each.strict if each.strict != each.severity else ""
        rows.append((each.code, each.severity, strict, each.title))
    head, *lines = table_rows(rows, style.width, has_head=True)
    left = iter(lines)
    blocks = [head]
    for topic, held in topics.items():
        blocks.append(
            "\n".join([style(wrapped(topic, style.width), "bold"), *(next(left) for _ in held)])
        )
    return "\n\n".join(filter(None, blocks))


def entry_text(
    entry: Entry, stack: str = "", report: Report | None = None, style: Style = plain
) -> str:
    """
    A rule, told whole.

    Args:
        entry: The rule.
        stack: The stack file.
        report: What was found in it; None: there is no stack.
        style: Colours and the width, or none.
    """
    width = min(style.width or WIDTH, WIDTH)
    blocks = [wrapped(f"{entry.code}: {entry.title}", style.width, 4)]
    if entry.why:
        blocks.append(wrapped(entry.why, width))
    source = wrapped(f"Source:   {entry.source}", style.width, 10)
    here = _severities(entry, report) if report else ()
    levels = entry.levels + (f", here: {', '.join(here)}" if here else "")
    blocks.append(f"Severity: {levels}\n{source}")
    if report:
        blocks.append("\n".join([f"In {stack}:", *_found(entry.code, report, style)]))
    elif entry.example:
        blocks.append(_example(entry.code, entry.example, style))
    blocks.append(f'To keep what it finds: Stack(..., accept={{"{entry.code}": "<why it stays>"}})')
    return "\n\n".join(blocks)


def _example(code: str, example: Example, style: Style) -> str:
    found = Finding(
        code=code,
        severity=example.severity,
        where=example.where,
        what=example.what,
        why="",
        fix=example.fix,
        source="",
    )
    return f"For example:\n\n{indent(example.stack, '    ')}\n\n{finding_text(found, style)}"


def _severities(entry: Entry, report: Report) -> Sequence[Severity]:
    """Those of its findings, the worst first, if one of them has none of the rule's own."""
    findings = (*report.findings, *(each.finding for each in report.accepted))
    found = {each.severity for each in findings if each.code == entry.code}
    if found <= {entry.severity, entry.strict}:
        return ()
    return [each for each in SEVERITIES if each in found]


def _found(code: str, report: Report, style: Style) -> Iterator[str]:
    """The rule's findings, those that are accepted with the reason; or that there are none."""
    found = [finding_text(each, style) for each in report.findings if each.code == code]
    found += [accepted_text(each, style) for each in report.accepted if each.finding.code == code]
    yield from found or ["  nothing is found"]
