"""Variants of a service in, a table of them for people, pull requests or JSON out."""

from collections.abc import Iterable, Iterator, Sequence
from importlib.metadata import version
from typing import Any

import attrs

from infra.display_cost import hour_text, month_text
from infra.display_estimates import seconds_text, start_seconds
from infra.display_findings import finding_text
from infra.estimates import MemoryFit
from infra.figures import gigabytes
from infra.forecast_json import estimate_json, finding_json, price_json
from infra.markdown import cell, code
from infra.masking import masked_plain
from infra.rules import SEVERITIES, Finding
from infra.text import Style, plain, table, value_text, wrapped
from infra.what_if import Variant, WhatIf

FORMAT = "1.0"
COLUMNS = ("FREE GB/GPU", "REPLICA/H", "FLOOR/MONTH", "LOAD", "START", "FINDINGS")
AS_NOW = "as now"

Kind = tuple[str, str, str]  # what a finding is, whatever figures its text has


def what_if_text(found: WhatIf, style: Style = plain) -> str:
    """A row per variant, the service as it is first; then, what is wrong with which."""
    rows = [("", *found.fields, *COLUMNS), *_rows(found)]
    title = style(_title(found), "bold")
    blocks = [title, table(rows, style.width)]
    blocks += [
        wrapped(f"{', '.join(names)}: {problem}", style.width, 4)
        for problem, names in _problems(found)
    ]
    blocks += [
        f"New in {', '.join(names)}:\n{finding_text(each, style)}" for each, names in _new(found)
    ]
    return "\n\n".join(blocks)


def what_if_markdown(found: WhatIf) -> str:
    """The same for a pull request."""
    varied = len(found.fields)
    lines: list[Sequence[str]] = [["", *map(cell, found.fields), *COLUMNS]]
    lines.append(["---"] * len(lines[0]))
    for name, *row in _rows(found):
        lines.append([name, *map(cell, row[:varied]), *row[varied:]])
    blocks = [
        f"### infra plan: {code(_title(found))}",
        "\n".join(f"| {' | '.join(line)} |" for line in lines),
        "\n".join(f"- {', '.join(names)}: {code(problem)}" for problem, names in _problems(found)),
        "\n".join(
            f"- new in {', '.join(names)}: **{each.severity}** "
            + code(f"{each.code} {each.where}: {each.what}; {each.fix}")
            for each, names in _new(found)
        ),
    ]
    return "\n\n".join(filter(None, blocks))


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
                "values": _values(found, each),
                "problems": list(each.problems),
                "price": price_json(each.price) if each.price else None,
                "estimate": estimate_json(each.estimate) if each.estimate else None,
                "findings": [*map(finding_json, each.findings)],
            }
            for index, each in enumerate(found.variants)
        ],
    }


def _title(found: WhatIf) -> str:
    return f"What if: service.{found.service} (USD, {found.rates.source})"


def _name(index: int) -> str:
    return str(index) if index else "now"


def _rows(found: WhatIf) -> Iterator[tuple[str, ...]]:
    now = found.variants[0]
    for index, each in enumerate(found.variants):
        values = map(value_text, _values(found, each).values())
        yield _name(index), *values, *_row(each, None if each is now else now)


def _row(variant: Variant, now: Variant | None) -> tuple[str, ...]:
    if variant.price is None:
        return (*"-----", "can't be: see below")
    estimate = variant.estimate
    start = estimate.start if estimate else None
    return (
        _free(estimate.memory if estimate else None),
        hour_text(variant.price.replica),
        month_text(variant.price.floor),
        seconds_text(start.load_seconds if start else None),
        seconds_text(start_seconds(start) if start else None),
        _against(variant, now) if now and now.price else _findings(variant.findings),
    )


def _problems(found: WhatIf) -> Iterable[tuple[str, list[str]]]:
    """Why variants can't be, with their names."""
    wrong: dict[str, list[str]] = {}
    for index, each in enumerate(found.variants):
        for problem in each.problems:
            wrong.setdefault(problem, []).append(_name(index))
    return wrong.items()


def _new(found: WhatIf) -> Iterable[tuple[Finding, list[str]]]:
    """Errors and warnings that there are not now, the worst first, each as the first has it."""
    now, *others = found.variants
    held = {*map(_kind, now.findings)}
    first: dict[Kind, Finding] = {}
    names: dict[Kind, list[str]] = {}
    for index, variant in enumerate(others, start=1):
        for kind, finding in {_kind(each): each for each in variant.findings[::-1]}.items():
            if kind not in held and finding.severity != "info":
                first.setdefault(kind, finding)
                names.setdefault(kind, []).append(_name(index))
    ranked = sorted(first, key=lambda kind: SEVERITIES.index(first[kind].severity))
    return [(first[kind], names[kind]) for kind in ranked]


def _kind(finding: Finding) -> Kind:
    return finding.severity, finding.code, finding.where


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


def _against(variant: Variant, now: Variant) -> str:
    """What comes and what goes, compared with the service as it is."""
    before, after = ({_kind(each): each for each in one.findings} for one in (now, variant))
    come = [each for kind, each in after.items() if kind not in before]
    gone = [each for kind, each in before.items() if kind not in after]
    return ", ".join([*_counted(come, "+"), *_counted(gone, "-")]) or AS_NOW


def _findings(findings: Sequence[Finding]) -> str:
    return ", ".join(_counted(findings)) or "none"


def _counted(findings: Sequence[Finding], sign: str = "") -> Iterator[str]:
    """How many of each severity, and their codes."""
    for severity in SEVERITIES:
        codes = [each.code for each in findings if each.severity == severity]
        if codes:
            plural = "" if len(codes) == 1 else "s"
            yield f"{sign}{len(codes)} {severity}{plural} ({', '.join(dict.fromkeys(codes))})"


def _values(found: WhatIf, variant: Variant) -> dict[str, Any]:
    """A variant's values by their fields, and no secret in them."""
    given = zip(found.fields, variant.values, strict=True)
    return {name: masked_plain(_plain(value), name.rpartition(".")[2]) for name, value in given}


def _plain(value: Any) -> Any:
    """Of a part of the service, the name of its class."""
    if attrs.has(type(value)):
        return type(value).__name__
    return [*map(_plain, value)] if isinstance(value, tuple | list) else value
