"""How vLLM's parser changes a command line before argparse reads it."""

import json
import re
from collections.abc import Collection, Iterator, Sequence
from typing import Any

from infra.facts.words import loads

PECULIAR = r"-O|-[^=]*[._]"  # what is not as argparse wants it


def normalised(argv: Sequence[str], names: Collection[str]) -> list[str]:
    """
    The words that argparse gets: names with dashes, and one JSON object for all dotted flags.

    ``--max_model_len`` is ``--max-model-len``, ``-O3`` the level of optimisation, and
    ``--compilation-config.mode 3`` is ``--compilation-config '{"mode": 3}'``.

    Args:
        argv: As written.
        names: The release's own names of flags.
    """
    if not any(re.match(PECULIAR, word) for word in argv):
        return list(argv)
    words = list(_spelled(argv, names))
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
        given: Any = value.split(",") if flag.endswith("+") else _value(value)
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
        elif word == "-O" and argv[index + 1 : index + 2] in (["0"], ["1"], ["2"], ["3"]):
            yield level
        elif word.startswith("-O") and len(word) > 2 and word[2] != ".":
            yield level
            yield word[2:].removeprefix("=")
        else:
            yield word


def _value(word: str) -> Any:
    try:
        return loads(word)
    except ValueError:
        return word


def _update(into: dict[str, Any], more: dict[str, Any]) -> None:
    for key, value in more.items():
        known = into.get(key)
        if isinstance(value, dict) and isinstance(known, dict):
            _update(known, value)
        elif isinstance(value, list) and isinstance(known, list):
            known += value
        else:
            into[key] = value
