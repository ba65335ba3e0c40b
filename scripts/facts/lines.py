"""Random command lines for an engine's parser, right ones and wrong ones of every kind."""

import string
from collections.abc import Callable, Mapping, Sequence
from random import Random
from typing import Any

import attrs

Flag = Mapping[str, Any]
WORDS = (
    *("1", "0", "-1", "3.5", "-0.5", "1_000", " 7 ", "32k", "1Ki", "1.5Ki", "1.5k", "1e3", "NaN"),
    *("x", "a b", "", "None", "auto", "triton", "tc_piecewise", "default", "--", "a=b"),
    *("{}", "[1]", '{"a": 1}', "{a}", '{"decode": {"backend": "full"}}', '{"prefill": 1}'),
    *('{"lora_name": "a", "lora_path": "b"}', "[NaN]"),
)
RIGHT = {"int": ("1", "16"), "float": ("0.5", "2"), "human_readable_int": ("8192", "32k", "1Ki")}
RIGHT |= {"loads": ('{"a": 1}', "[]"), "json_list_type": ("[1, 2]",), "str": ("x", "auto")}


@attrs.frozen(kw_only=True)
class Line:
    """
    A command line and what has been done to its flags.

    Attributes:
        words: The words behind those that start the engine.
        kinds: Names of `KINDS`, one for each flag.
    """

    words: tuple[str, ...]
    kinds: tuple[str, ...]


def lines(
    flags: Sequence[Flag], others: Sequence[str], *, count: int, seed: str
) -> tuple[Line, ...]:
    """
    Lines of one to four flags; most have the model, without which a line is refused.

    Args:
        flags: What the parser declares: names, nargs, choices and the name of the type.
        others: Flags that only other releases know.
        count: How many.
        seed: The same seed gives the same lines.
    """
    random = Random(seed)
    made = []
    for _ in range(count):
        kinds = random.choices(tuple(KINDS), weights=[3, *[1] * (len(KINDS) - 1)], k=1)
        kinds += random.choices(("as declared", *KINDS), k=random.randint(0, 3))
        words = ["--model-path", "m"] if random.random() < 0.95 else []
        for kind in kinds:
            words += KINDS[kind](random, random.choice(flags), others)
        made.append(Line(words=tuple(words), kinds=tuple(kinds)))
    return tuple(made)


def _word(random: Random, flag: Flag) -> str:
    """One that the flag takes."""
    known = flag["choices"] or RIGHT.get(flag["type"] or "str", WORDS)
    return str(random.choice(known))


def _count(random: Random, flag: Flag) -> int:
    """How many words the flag takes."""
    match flag["nargs"]:
        case None:
            return 1
        case "?":
            return random.randint(0, 1)
        case "*":
            return random.randint(0, 2)
        case "+":
            return random.randint(1, 3)
    return int(flag["nargs"])


def _right(random: Random, flag: Flag) -> list[str]:
    return [_word(random, flag) for _ in range(_count(random, flag))]


def as_declared(random: Random, flag: Flag, others: Sequence[str]) -> list[str]:
    return [flag["names"][0], *_right(random, flag)]


def by_alias(random: Random, flag: Flag, others: Sequence[str]) -> list[str]:
    return [flag["names"][-1], *_right(random, flag)]


def with_equals(random: Random, flag: Flag, others: Sequence[str]) -> list[str]:
    name = random.choice(flag["names"])
    return [f"{name}={_word(random, flag)}"]


def abbreviated(random: Random, flag: Flag, others: Sequence[str]) -> list[str]:
    name = random.choice(flag["names"])
    return [name[: random.randint(3, len(name))], *_right(random, flag)]


def misspelt(random: Random, flag: Flag, others: Sequence[str]) -> list[str]:
    name = random.choice(flag["names"])
    at = random.randint(2, len(name) - 1)
    letter = random.choice(string.ascii_lowercase + "-_")
    return [name[:at] + letter + name[at + random.randint(0, 1) :], *_right(random, flag)]


def with_any_words(random: Random, flag: Flag, others: Sequence[str]) -> list[str]:
    """Of the wrong type, or none of the choices."""
    count = max(1, _count(random, flag))
    return [flag["names"][0], *(random.choice(WORDS) for _ in range(count))]


def with_few_or_many_words(random: Random, flag: Flag, others: Sequence[str]) -> list[str]:
    return [flag["names"][0], *(_word(random, flag) for _ in range(random.choice((0, 0, 2, 3))))]


def of_another_release(random: Random, flag: Flag, others: Sequence[str]) -> list[str]:
    return [random.choice(others), *_right(random, flag)]


KINDS: dict[str, Callable[[Random, Flag, Sequence[str]], list[str]]] = {
    each.__name__.replace("_", " "): each
    for each in (
        *(as_declared, by_alias, with_equals, abbreviated, misspelt),
        *(with_any_words, with_few_or_many_words, of_another_release),
    )
}
