"""What vLLM's parser does beside argparse: spellings of flags, and types of words."""

import argparse
import json
import re
from collections.abc import Callable, Collection, Iterator, Sequence
from difflib import get_close_matches
from typing import Any

SUFFIXED = re.compile(r"(\d+(?:\.\d+)?)([kKmMgGtT])")
OBJECT = re.compile(r"(?s)\s*{.*}\s*")
PECULIAR = re.compile(r"-O|-[^=]*[._]")  # what is not as argparse wants it
INVERSE = {"--enable-": "--disable-", "--disable-": "--enable-"}


def normalised(argv: Sequence[str], names: Collection[str]) -> list[str]:
    """
    The words that argparse gets: names with dashes, and one JSON object for all dotted flags.

    ``--max_model_len`` is ``--max-model-len``, ``-O3`` the level of optimisation, and
    ``--compilation-config.mode 3`` is ``--compilation-config '{"mode": 3}'``.

    Args:
        argv: As written.
        names: The release's own names of flags.
    """
    if not any(PECULIAR.match(word) for word in argv):
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
        return json.loads(word)
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


class Paired(argparse.BooleanOptionalAction):
    """A boolean that also goes by its opposite: ``--disable-x`` of ``--enable-x``."""

    def __init__(self, option_strings: Sequence[str], dest: str, **rest: Any) -> None:
        super().__init__(option_strings, dest, **rest)
        opposites = [
            opposite + name.removeprefix(prefix)
            for name in option_strings
            for prefix, opposite in INVERSE.items()
            if name.startswith(prefix)
        ]
        self.negative = {*self.option_strings, *opposites} - set(option_strings)
        self.option_strings = [*self.option_strings, *opposites]

    def __call__(self, parser: Any, namespace: Any, values: Any, option: Any = None) -> None:
        """Keep whether it is switched on."""
        setattr(namespace, self.dest, option not in self.negative)


def or_none(check: Callable[[str], Any]) -> Callable[[str], Any]:
    """The check of a word that may also say that there is none."""

    def keep(word: str) -> Any:
        return None if word in ("", "None") else check(word)

    keep.__name__ = check.__name__  # argparse has it in its messages
    return keep


def object_of(fields: Collection[str]) -> Callable[[str], Any]:
    """The check of a JSON object with these fields and no other."""

    def check(word: str) -> None:
        try:
            found = json.loads(word)
        except ValueError as error:
            raise argparse.ArgumentTypeError(f"is no JSON: {error}") from error
        if not isinstance(found, dict):
            raise argparse.ArgumentTypeError(f"{word} is no JSON object")
        for name in found:
            if name not in fields:
                near = get_close_matches(name, fields, n=1)
                meant = f"; {near[0]} is the nearest" if near else ""
                raise argparse.ArgumentTypeError(f"{name} is none of its fields{meant}")

    return check


def adapter(fields: Collection[str]) -> Callable[[str], Any]:
    """The check of an adapter of LoRA: ``name=path``, or a JSON object with both."""
    is_object = object_of(fields)

    def check(word: str) -> None:
        if "=" in word and "," not in word:
            return
        is_object(word)
        if missing := {"name", "path"} - json.loads(word).keys():
            raise argparse.ArgumentTypeError(f"{word} has no {' and no '.join(sorted(missing))}")

    return check


def _any_object(word: str) -> None:
    if not isinstance(json.loads(word), dict):
        raise argparse.ArgumentTypeError(f"{word} is no JSON object")


def human_readable_int(word: str) -> None:
    match = SUFFIXED.fullmatch(word.strip())
    if match is None:
        int(word)
    elif match[2].isupper() and "." in match[1]:
        raise argparse.ArgumentTypeError(
            f"Decimals are not allowed with binary suffixes like {match[2]}. Did you mean to use "
            f"{match[1]}{match[2].lower()} instead?"
        )


def human_readable_int_or_auto(word: str) -> None:
    if word.strip().lower() != "auto":
        human_readable_int(word)


def _text_or_object(word: str) -> None:
    if OBJECT.fullmatch(word):
        json.loads(word)


def _lowered(word: str) -> str:
    return word.lower().replace("-", "_")


# By name, what makes the check of an option's fields.
WITH_FIELDS = {"object": object_of, "adapter": adapter}

TYPES: dict[str, Callable[[str], Any]] = {
    "any_object": _any_object,
    "bool": bool,
    "decimal_int": human_readable_int,
    "decimal_int_or_auto": human_readable_int_or_auto,
    "text_or_object": _text_or_object,
    "lowered": _lowered,
}
