"""Flags of which nothing is in doubt, read without argparse."""

from collections.abc import Mapping, Sequence
from itertools import zip_longest
from typing import Any

from infra.facts.words import check_of

Value = str | bool | list[str]
Option = Mapping[str, Any]

BOOLEAN = ("boolean", "paired")  # kinds of options that also have an opposite


def plainly(options: Mapping[str, Option], group: Sequence[str]) -> tuple[str, Value] | None:
    """
    The name and the value of a flag with its words, of which nothing is in doubt.

    None: argparse has to say. Most flags have their full name and the words that they take; to see
    that takes a fraction of the time in which argparse is set up and run.
    """
    flag, *words = group
    option, opposite = options.get(flag), options.get(flag.replace("--no-", "--", 1))
    value = None if option is None else _plain(option, words)
    if option is None and opposite and opposite.get("kind") in BOOLEAN and not words:
        option, value = opposite, False
    return None if option is None or value is None else (key(option), value)


def _plain(option: Option, words: list[str]) -> Value | None:
    """The value, if the words are beyond doubt what the option takes."""
    if option.get("kind") in ("switch", *BOOLEAN):
        return None if words else True
    is_list = option.get("nargs") == "+"
    if "kind" in option or (option.get("nargs") and not is_list):
        return None
    if not words or (len(words) > 1 and not is_list) or any(word[:1] == "-" for word in words):
        return None
    choices, check = option.get("choices"), check_of(option)
    try:
        values = [check(word) for word in words]
    except ValueError:
        return None
    if (choices and any(value not in choices for value in values)) or None in values:
        return None
    return words if is_list else words[0]


def key(option: Option) -> str:
    """The name under which values are given, the same in every release."""
    name: str = option.get("key", option["names"][0])
    return name


def groups(argv: Sequence[str]) -> list[tuple[str, ...]]:
    """Each flag with the words behind it."""
    starts = [place for place, word in enumerate(argv) if place == 0 or word.startswith("--")]
    return [tuple(argv[start:end]) for start, end in zip_longest(starts, starts[1:])]
