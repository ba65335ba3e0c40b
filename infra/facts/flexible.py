"""How vLLM's parser changes a command line before argparse reads it."""

import json
import re
from collections.abc import Collection, Iterator, Sequence
from typing import Any

from infra.facts.words import loads

PECULIAR = r"-O|-[^=]*[._]"  # what is not as argparse wants it
# A flag that came with 0.20, the first release that may read numbers such as 80g inside JSON
# (vllm-project/vllm#40473), and the flags whose JSON is still read without them.
WITH_UNITS = "--numa-bind"
WITHOUT_UNITS = (
    "--additional-config",
    "--diffusion-config",
    "--model-loader-extra-config",
    "--override-generation-config",
    "--speculative-config",
    "--watermark-config",
)
NUMBER = r"(\d{1,30}(?:\.\d{1,30})?)([kKmMgGtT])"
IN_JSON = rf'"(?:[^"\\]|\\.)*"|\b{NUMBER}\b'  # or a string, which stays as it is
UNITS = "kmgt"


def normalised(argv: Sequence[str], names: Collection[str]) -> list[str]:
    """
    The words that argparse gets: names with dashes, and one JSON object for all dotted flags.

    ``--max_model_len`` is ``--max-model-len``, ``-O3`` the level of optimisation, and
    ``--compilation-config.mode 3`` is ``--compilation-config '{"mode": 3}'``. Numbers with a unit,
    such as ``80g``, are written out in JSON where the release does so.

    Args:
        argv: As written.
        names: The release's own names of flags.
    """
    words = list(argv)
    has_units = WITH_UNITS in names
    if any(re.match(PECULIAR, word) for word in argv):
        words = _joined(list(_spelled(argv, names)), has_units=has_units)
    if has_units and any("{" in word for word in words):
        words = list(_written_out(words))
    return words


def _joined(words: Sequence[str], *, has_units: bool) -> list[str]:
    """The words with one JSON object for all dotted flags of a name."""
    plain: list[str] = []
    objects: dict[str, dict[str, Any]] = {}
    index = 0
    while index < len(words):
        flag, equals, value = words[index].partition("=")
        index += 1
        if not flag.startswith("-") or "." not in flag:
            plain.append(words[index - 1])
            continue
        if not equals:
            value = words[index] if index < len(words) else ""
            index += 1
        name, *keys = flag.removesuffix("+").split(".")
        given: Any = value.split(",") if flag.endswith("+") else _value(value, has_units=has_units)
        for key in reversed(keys):
            given = {key: given}
        _update(objects.setdefault(name, {}), given)
    for name, found in objects.items():
        plain += [name, json.dumps(found)]
    return plain


def _spelled(argv: Sequence[str], names: Collection[str]) -> Iterator[str]:
    """Each word with dashes in the flag's name; -O with a level is a flag of its own."""
    level = "-O.mode" if "-O" in names else "--optimization-level"
    for index, word in enumerate(argv):
        if word.startswith("--"):
            flag, equals, value = word.partition("=")
            name, dot, keys = flag.partition(".")
            yield name.replace("_", "-") + dot + keys + equals + value
        elif word == "-O" and [*argv[index + 1 : index + 2]] in (["0"], ["1"], ["2"], ["3"]):
            yield level
        elif word.startswith("-O") and len(word) > 2 and word[2] != ".":
            yield level
            yield word[2:].removeprefix("=")
        else:
            yield word


def _value(word: str, *, has_units: bool) -> Any:
    number = re.fullmatch(NUMBER, word.strip()) if has_units else None
    try:
        return loads(_number(number) if number else word)
    except ValueError:
        return word


def _written_out(words: Sequence[str]) -> Iterator[str]:
    """Each word, and in the JSON of flags that read them so, numbers without their units."""
    flag = ""
    for word in words:
        name, equals, value = word.partition("=") if word.startswith("-") else ("", "", word)
        flag = name or flag
        if "{" in value and flag.endswith("-config") and flag not in WITHOUT_UNITS:
            value = re.sub(IN_JSON, _number, value)
        yield name + equals + value


def _number(found: re.Match[str]) -> str:
    """Written out: ``80g`` is 80 * 1000**3, ``8K`` is 8 * 1024; ``1.5K`` is none, and stays."""
    digits, unit = found.groups()
    if not unit or (unit.isupper() and "." in digits):
        return found[0]
    base = 1000 if unit.islower() else 1024
    return str(int(float(digits) * base ** (UNITS.index(unit.lower()) + 1)))


def _update(into: dict[str, Any], more: dict[str, Any]) -> None:
    for key, value in more.items():
        known = into.get(key)
        if isinstance(value, dict) and isinstance(known, dict):
            _update(known, value)
        elif isinstance(value, list) and isinstance(known, list):
            known += value
        else:
            into[key] = value
