"""Variants of a service in, a table of them for people, pull requests or JSON out."""

from collections.abc import Iterable, Iterator, Sequence
from importlib.metadata import version
from typing import Any

import attrs

from infra.display_cost import hour_text, month_text
from infra.display_estimates import seconds_text, start_seconds
from infra.display_findings import accepted_text, finding_text
from infra.estimates import MemoryFit
from infra.figures import gigabytes
from infra.forecast_json import accepted_json, estimate_json, finding_json, price_json
from infra.markdown import cell, code
from infra.masking import masked_plain
from infra.rules import SEVERITIES, Accepted, Finding
from infra.text import Style, plain, table, value_text, wrapped
from infra.what_if import Variant, WhatIf

FORMAT = "1.0"
COLUMNS = ("FREE GB/GPU", "REPLICA/H", "FLOOR/MONTH", "LOAD", "START", "FINDINGS")
AS_NOW = "as now"
ACCEPTED = "accepted"
LEVELS = (*SEVERITIES, ACCEPTED)  # how much a finding matters, the most first

Found = Finding | Accepted


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
        "\n".join([f"New in {', '.join(names)}:", *(_told(each, style) for each in new)])
        for names, new in _new(found)
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
            f"- new in {', '.join(names)}: {_told_markdown(each)}"
            for names, new in _new(found)
            for each in new
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
                "accepted": [*map(accepted_json, each.accepted)],
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
        _against(variant, now) if now and now.price else _findings(variant),
    )


def _problems(found: WhatIf) -> Iterable[tuple[str, list[str]]]:
    """Why variants can't be, with their names."""
    wrong: dict[str, list[str]] = {}
    for index, each in enumerate(found.variants):
        for problem in each.problems:
            wrong.setdefault(problem, []).append(_name(index))
    return wrong.items()


def _new(found: WhatIf) -> Iterable[tuple[Sequence[str], Sequence[Found]]]:
    """Variants' names, and the errors and warnings that these have and the first has not."""
    now, *others = found.variants
    names: dict[Found, list[str]] = {}
    for index, variant in enumerate(others, start=1):
        for each in _but(_all(variant), _all(now)):
            if _finding(each).severity != "info":
                names.setdefault(each, []).append(_name(index))
    groups: dict[tuple[str, ...], list[Found]] = {}
    for each in sorted(names, key=lambda each: LEVELS.index(_level(each))):
        groups.setdefault(tuple(names[each]), []).append(each)
    return groups.items()


def _all(variant: Variant) -> Sequence[Found]:
    return list(dict.fromkeys([*variant.findings, *variant.accepted]))


def _but(found: Iterable[Found], others: Iterable[Found]) -> list[Found]:
    held = {*others}
    return [each for each in found if each not in held]


def _finding(found: Found) -> Finding:
    return found.finding if isinstance(found, Accepted) else found


def _level(found: Found) -> str:
    return ACCEPTED if isinstance(found, Accepted) else found.severity


def _kind(found: Found) -> tuple[str, str, str]:
    """What it is about, whatever figures its text has."""
    return _level(found), _finding(found).code, _finding(found).where


def _told(found: Found, style: Style) -> str:
    if isinstance(found, Accepted):
        return accepted_text(found, style)
    return finding_text(found, style)


def _told_markdown(found: Found) -> str:
    each = _finding(found)
    aside = f"; accepted: {found.reason}" if isinstance(found, Accepted) else ""
    text = f"{each.code} {each.where}: {each.what}; {each.fix}{aside}"
    return f"**{each.severity}** {code(text)}"


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
    """What comes, what is there with other words, and what goes, against the service as it is."""
    come, gone = _but(_all(variant), _all(now)), _but(_all(now), _all(variant))
    both = {*map(_kind, come)} & {*map(_kind, gone)}
    signs = {
        "+": [each for each in come if _kind(each) not in both],
        "~": [each for each in come if _kind(each) in both],
        "-": [each for each in gone if _kind(each) not in both],
    }
    parts = (part for sign, found in signs.items() for part in _counted(found, sign))
    return ", ".join(parts) or AS_NOW


def _findings(variant: Variant) -> str:
    return ", ".join(_counted(_all(variant))) or "none"


def _counted(found: Sequence[Found], sign: str = "") -> Iterator[str]:
    """How many of each severity and of what is accepted, and their codes."""
    for level in LEVELS:
        codes = [_finding(each).code for each in found if _level(each) == level]
        if codes:
            plural = "" if len(codes) == 1 or level == ACCEPTED else "s"
            yield f"{sign}{len(codes)} {level}{plural} ({', '.join(dict.fromkeys(codes))})"


def _values(found: WhatIf, variant: Variant) -> dict[str, Any]:
    """A variant's values by their fields, and no secret in them."""
    given = zip(found.fields, variant.values, strict=True)
    return {name: masked_plain(_plain(value), name.rpartition(".")[2]) for name, value in given}


def _plain(value: Any) -> Any:
    """Of a part of the service, the name of its class."""
    if attrs.has(type(value)):
        return type(value).__name__
    return [*map(_plain, value)] if isinstance(value, tuple | list) else value
