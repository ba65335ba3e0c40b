"""A plan's findings in, their text for people out."""

from collections import Counter

from infra.plan import Plan
from infra.rules import Accepted, Finding
from infra.text import Style, plain, wrapped

COLOURS = {"error": "red", "warning": "yellow", "info": "cyan"}


def findings_text(plan: Plan, style: Style = plain, *, reasons: bool = True) -> str:
    """
    What the rules found, the worst first, then what was accepted; or empty.

    Args:
        plan: Whose findings.
        style: Colours, or none.
        reasons: List what was accepted, with its reason; otherwise it is only counted.
    """
    if not plan.findings and not plan.accepted:
        return ""
    lines = [style(f"Findings: {findings_count(plan)}", "bold")]
    lines += [finding_text(each, style) for each in plan.findings]
    if reasons:
        held = Counter(
            (each.finding.code, each.finding.where, each.reason) for each in plan.accepted
        )
        lines += [
            wrapped(f"  accepted {code} {where}{_times(count)}: {reason}", style.width, 6)
            for (code, where, reason), count in held.items()
        ]
    if plan.findings:
        first = f"{plan.findings[0].code} --stack {plan.stack_file}"
        lines.append(f"`infra explain {first}` tells why, and how to keep it.")
    return "\n".join(lines)


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


def _times(count: int) -> str:
    return f", {count} times" if count > 1 else ""
