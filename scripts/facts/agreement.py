"""Where an engine's own parser and the catalogue's disagree."""

import json
import math
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from infra.facts.flags import Parsed, Release
from scripts.facts.lines import Flag, Line


def lines_disagree(
    release: Release, flags: Sequence[Flag], lines: Sequence[Line], answers: Sequence[Any]
) -> Iterator[str]:
    """
    A sentence for each line that only one accepts, that is refused for another reason, or read
    as other values.

    Args:
        release: The catalogue's.
        flags: What the engine's parser declares.
        lines: What was asked.
        answers: What the engine's parser said to each.
    """
    dests = {name: flag["dest"] for flag in flags for name in flag["names"]}
    for line, answer in zip(lines, answers, strict=True):
        parsed = release.parse(line.words)
        crash, error = answer.get("crash"), answer.get("error")
        command = json.dumps(list(line.words))
        if parsed.error is None if crash else parsed.error != error:
            yield (
                f"{command}\n  the engine {_verdict(crash or error)}\n"
                f"  the catalogue {_verdict(parsed.error)}"
            )
        elif "values" in answer:
            for problem in _values_disagree(parsed, answer["values"], dests):
                yield f"{command}\n  {problem}"


def defaults_disagree(release: Release, flags: Sequence[Flag]) -> Iterator[str]:
    """A sentence for each flag whose default differs; what the catalogue leaves open does not."""
    for flag in flags:
        known = release.default(flag["names"][0])
        if known is not None and known != flag["default"] and flag["default"] != "==SUPPRESS==":
            yield f"{flag['names'][0]}: the default is {flag['default']!r}, not {known!r}"


def _verdict(error: str | None) -> str:
    return "accepts it" if error is None else f"refuses it: {error}"


def _values_disagree(
    parsed: Parsed, values: Mapping[str, Any], dests: Mapping[str, str]
) -> Iterator[str]:
    given = [dests[name] for name in parsed.values]
    for name, value in parsed.values.items():
        read = values.get(dests[name])
        if given.count(dests[name]) == 1 and not _is_same(value, read):
            yield f"{name}: the engine reads {read!r}, the catalogue {value!r}"
    for dest in values.keys() - set(given) - {"help"}:
        yield f"{dest}: the engine reads {values[dest]!r}, the catalogue nothing"


def _is_same(ours: Any, theirs: Any) -> bool:
    """Whether a word, as the catalogue keeps it, is what the engine has made of it."""
    if isinstance(ours, bool) or isinstance(theirs, bool):
        return True  # a constant that stands for the flag; which one is the engine's own matter
    if isinstance(ours, list):
        return (
            isinstance(theirs, list)
            and len(ours) == len(theirs)
            and all(map(_is_same, ours, theirs))
        )
    if theirs is None:
        return ours in ("", "None", "null")
    if isinstance(theirs, str):
        # as it is, stripped (paths of adapters), or the repr of an object that was made of it
        return theirs in (ours, ours.strip()) or theirs.endswith(")")
    if isinstance(theirs, int | float):
        return _is_number(ours, theirs)
    return bool(json.loads(ours) == theirs)


def _is_number(word: str, value: float) -> bool:
    """Whether a word is that number; one such as 32k is not compared."""
    try:
        number = float(word)
    except ValueError:
        return True
    return number == value or (math.isnan(number) and math.isnan(value))
