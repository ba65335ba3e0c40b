"""Variants of a service in, a table of them for people and plain data for JSON out."""

from collections import Counter
from importlib.metadata import version
from typing import Any

import attrs

from infra.display_cost import hour_text, month_text
from infra.display_estimates import seconds_text
from infra.estimates import ColdStart, MemoryFit
from infra.figures import gigabytes
from infra.forecast_json import estimate_json, finding_json, price_json
from infra.rules import SEVERITIES, Finding
from infra.text import table, value_text
from infra.what_if import Variant, WhatIf

FORMAT = "1.0"
COLUMNS = ("FREE GB/GPU", "REPLICA USD/H", "FLOOR USD/MONTH", "LOAD", "FINDINGS")


def what_if_text(found: WhatIf) -> str:
    """A row per variant, the service as it is first."""
    rows = [("", *found.fields, *COLUMNS)]
    wrong: dict[str, list[str]] = {}  # by problem, the variants that have it
    for index, each in enumerate(found.variants):
        name = "now" if index == 0 else str(index)
        for problem in each.problems:
            wrong.setdefault(problem, []).append(name)
        rows.append((name, *(value_text(_plain(value)) for value in each.values), *_row(each)))
    title = f"What if: service.{found.service} (USD, {found.rates.source})"
    notes = [f"{', '.join(names)}: {problem}" for problem, names in wrong.items()]
    return "\n\n".join(filter(None, [title, table(rows), "\n".join(notes)]))


def what_if_json(found: WhatIf, stack: str) -> dict[str, Any]:
    """The same as data."""
    return {
        "format_version": FORMAT,
        "infra_version": version("infra"),
        "stack": stack,
        "service": found.service,
        "rates": found.rates.source,
        "variants": [
            {
                "is_current": index == 0,
                "values": dict(zip(found.fields, map(_plain, each.values), strict=True)),
                "problems": list(each.problems),
                "price": price_json(each.price) if each.price else None,
                "estimate": estimate_json(each.estimate) if each.estimate else None,
                "findings": [*map(finding_json, each.findings)],
            }
            for index, each in enumerate(found.variants)
        ],
    }


def _row(variant: Variant) -> tuple[str, ...]:
    if variant.price is None:
        return ("-", "-", "-", "-", "can't be: see below")
    estimate = variant.estimate
    return (
        _free(estimate.memory if estimate else None),
        hour_text(variant.price.replica),
        month_text(variant.price.floor),
        _load(estimate.start if estimate else None),
        _findings(variant.findings),
    )


def _free(memory: MemoryFit | None) -> str:
    if memory is None:
        return "not known"
    if memory.free is None:
        unknown = [item.name for item in memory.items if item.bytes is None]
        return f"not known: {', '.join(unknown)}" if unknown else "not known"
    if memory.free >= 0:
        return gigabytes(memory.free)
    waiting = ": requests wait" if memory.largest_concurrency else ""  # as some are served
    return f"short by {gigabytes(-memory.free)}{waiting}"


def _load(start: ColdStart | None) -> str:
    return seconds_text(start.load_seconds if start else None)


def _findings(findings: tuple[Finding, ...]) -> str:
    """How many of each severity, and their codes."""
    if not findings:
        return "none"
    parts = []
    for severity in SEVERITIES:
        codes = Counter(each.code for each in findings if each.severity == severity)
        count = sum(codes.values())
        if count:
            parts.append(f"{count} {severity}{'' if count == 1 else 's'} ({', '.join(codes)})")
    return ", ".join(parts)


def _plain(value: Any) -> Any:
    """Of a part of the service, the name of its class."""
    if attrs.has(type(value)):
        return type(value).__name__
    return [*map(_plain, value)] if isinstance(value, tuple | list) else value
