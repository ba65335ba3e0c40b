"""A plan's findings in, their text for people out."""

from collections import Counter
from collections.abc import Collection, Iterator, Sequence

from infra.plan import Plan
from infra.rules import Accepted, Finding
from infra.text import Style, plain, wrapped

COLOURS = {"error": "red", "warning": "yellow", "info": "cyan"}
NAMED = 10  # services of a group besides its first; all are in the JSON


def findings_text(plan: Plan, style: Style = plain, *, reasons: bool = True) -> str:
    """
    What the rules found, the worst first, then what was accepted; or empty.

    What is so of several services is told of the first, with the others' names.

    Args:
        plan: Whose findings.
        style: Colours, or none.
        reasons: List what was accepted, with its reason; otherwise it is only counted.
    """
    if not plan.findings and not plan.accepted:
        return ""
    lines = [style(f"Findings: {findings_count(plan)}", "bold")]
    for finding, others in grouped(plan):
        lines.append(finding_text(finding, style))
        lines += [wrapped(f"      {others}", style.width, 6)] if others else []
    if reasons:
        lines += [wrapped(each, style.width, 6) for each in _accepted(plan)]
    if plan.findings:
        first = f"{plan.findings[0].code} --stack {plan.stack_file}"
        lines.append(f"`infra explain {first}` tells why, and how to keep it.")
    return "\n".join(lines)


def grouped(plan: Plan) -> list[tuple[Finding, str]]:
    """Findings that differ in the service only, as the first, and whose the others are."""
    groups: dict[Finding, list[tuple[Finding, str]]] = {}
    known = _services(plan)
    for each in plan.findings:
        service, field = _place(each.where, known)
        groups.setdefault(each._replace(where=field), []).append((each, service))
    return [(held[0][0], _others([name for _, name in held])) for held in groups.values()]


def _accepted(plan: Plan) -> Iterator[str]:
    groups: dict[tuple[str, str, str], list[str]] = {}
    known = _services(plan)
    for each in plan.accepted:
        service, field = _place(each.finding.where, known)
        groups.setdefault((each.finding.code, field, each.reason), []).append(service)
    for (code, field, reason), names in groups.items():
        others = _others(names) or (f"{len(names)} times" if len(names) > 1 else "")
        yield f"  accepted {code} {names[0]}{field}{', ' if others else ''}{others}: {reason}"


def _services(plan: Plan) -> set[str]:
    artifacts = (app.artifact for app in plan.apps if app.artifact)
    found = (key.partition(".") for each in artifacts for key in each.manifest.resources)
    return {name for kind, _, name in found if kind == "service"}


def _place(where: str, known: Collection[str]) -> tuple[str, str]:
    """The service, whose name may have dots in it, and what is behind that."""
    ends = [at for at, letter in enumerate(f"{where}.") if letter == "."]
    end = next((at for at in reversed(ends) if where[:at] in known), len(where))
    return where[:end], where[end:]


def _others(names: Sequence[str]) -> str:
    _, *others = dict.fromkeys(names)
    shown = [*others[:NAMED], *(["..."] if len(others) > NAMED else [])]
    return f"and {len(others)} more: {', '.join(shown)}" if others else ""


def finding_text(finding: Finding, style: Style = plain) -> str:
    """A finding: what is so, and what to do."""
    head = f"{finding.severity} {finding.code}"
    so = wrapped(f"  {head} {finding.where}: {finding.what}", style.width, 6)
    fix = wrapped(f"      {finding.fix}", style.width, 6)
    return f"  {style(head, COLOURS[finding.severity])}{so[2 + len(head) :]}\n{fix}"


def accepted_text(accepted: Accepted, style: Style = plain) -> str:
    """The same of one that the stack accepts, with the reason."""
    reason = wrapped(f"      accepted: {accepted.reason}", style.width, 6)
    return f"{finding_text(accepted.finding, style)}\n{reason}"


def findings_count(plan: Plan) -> str:
    """How many there are of each severity, and how many were accepted."""
    counts = Counter(each.severity for each in plan.findings)
    words = [f"{count} {word}{'' if count == 1 else 's'}" for word, count in counts.items()]
    return ", ".join([*words, *([f"{len(plan.accepted)} accepted"] if plan.accepted else [])])
