"""A release's own command line, rebuilt as the argparse parser that its catalogue describes."""

import argparse
import json
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, NoReturn

from infra.facts import flexible

Value = str | bool | list[str]
Option = Mapping[str, Any]

SUFFIXED = re.compile(r"(\d+(?:\.\d+)?)(Ki|Mi|Gi|Ti|k|M|G|T)")
PHASES = ("decode", "prefill")
BOOLEAN = ("boolean", "paired")  # kinds of options that also have an opposite


class _Refused(Exception):
    """What argparse would print before it exits."""


class CommandLine(argparse.ArgumentParser):
    """
    The parser of one release.

    Messages, prefixes and ambiguity are argparse's own, so a message is worded as by the Python
    that this runs on; from 3.12.8 on, for example, choices are listed without quotes.
    """

    def __init__(self, engine: str, options: Sequence[Option]) -> None:
        super().__init__(prog=engine, argument_default=argparse.SUPPRESS, add_help=False)
        self.must: list[argparse.Action] = []
        self.add_argument("-h", "--help", action="store_true")
        for option in options:
            action = self.add_argument(*option["names"], **_declared(option))
            if action.required:
                self.must.append(action)

    def read(
        self, argv: Sequence[str], *, required: bool = True
    ) -> tuple[dict[str, Value], str | None]:
        """The values, by the flags' lasting names, or none of them and argparse's complaint."""
        for action in self.must:
            action.required = required
        try:
            found = vars(self.parse_args(argv))
        except _Refused as refused:
            return {}, str(refused)
        found.pop("help", None)
        # the values of flags whose choices are numbers are numbers
        return {
            name: value if isinstance(value, bool | list) else str(value)
            for name, value in found.items()
            if value is not None
        }, None

    def error(self, message: str) -> NoReturn:
        """Neither print nor exit."""
        raise _Refused(message)

    def abbreviations(self, argv: Sequence[str]) -> Iterator[tuple[str, str]]:
        """The words that argparse completes to the one name that they begin."""
        for word in argv:
            if word == "--":
                return
            name = word.partition("=")[0]
            if not name.startswith("--") or " " in word or name in self._option_string_actions:
                continue
            full = [each for each in self._option_string_actions if each.startswith(name)]
            if len(full) == 1:
                yield name, full[0]


def plainly(options: Mapping[str, Option], argv: Sequence[str]) -> dict[str, Value] | None:
    """
    The values of a command line in which nothing is in doubt; None: argparse has to say.

    Most have full names only, each with the words that it takes. To see that takes a fraction of
    the time in which argparse is set up and run, and a stack may have a hundred of them.
    """
    found: dict[str, Value] = {}
    for flag, *words in groups(argv):
        option, opposite = options.get(flag), options.get(flag.replace("--no-", "--", 1))
        value = None if option is None else _plain(option, words)
        if option is None and opposite and opposite.get("kind") in BOOLEAN and not words:
            option, value = opposite, False
        if option is None or value is None:
            return None
        found[key(option)] = value
    return found


def _plain(option: Option, words: list[str]) -> Value | None:
    """The value, if the words are beyond doubt what the option takes."""
    if option.get("kind") in ("switch", *BOOLEAN):
        return None if words else True
    is_list = option.get("nargs") == "+"
    if "kind" in option or (option.get("nargs") and not is_list):
        return None
    if not words or (len(words) > 1 and not is_list) or any(word[:1] == "-" for word in words):
        return None
    choices, check = option.get("choices"), _check(option)
    try:
        values = [check(word) for word in words]
    except (ValueError, argparse.ArgumentTypeError):
        return None
    if (choices and any(value not in choices for value in values)) or None in values:
        return None
    return words if is_list else words[0]


def key(option: Option) -> str:
    """The name under which values are given, the same in every release."""
    name: str = option.get("key", option["names"][0])
    return name


def groups(argv: Sequence[str]) -> Iterator[list[str]]:
    """Each flag with the words behind it."""
    group: list[str] = []
    for word in argv:
        if word.startswith("--") and group:
            yield group
            group = []
        group.append(word)
    if group:
        yield group


def _declared(option: Option) -> dict[str, Any]:
    """The keywords of `add_argument`."""
    declared: dict[str, Any] = {
        "dest": key(option),
        "default": argparse.SUPPRESS,
    }
    match option.get("kind"):
        case "switch":
            return {**declared, "action": "store_true"}
        case "boolean":
            return {**declared, "action": argparse.BooleanOptionalAction}
        case "paired":
            return {**declared, "action": flexible.Paired}
        case "append":
            return {**declared, "action": "append"}
        case "refused":
            return {**declared, "action": _Retired, "nargs": 0, "help": option["message"]}
    return {
        **declared,
        "required": option.get("required", False),
        "type": _check(option),
        "nargs": option.get("nargs"),
        "choices": option.get("choices"),
        **({"const": option["const"]} if "const" in option else {}),
    }


class _Retired(argparse.Action):
    """A flag that the release still knows, only to refuse it."""

    def __call__(
        self, parser: argparse.ArgumentParser, namespace: Any, values: Any, option: Any = None
    ) -> None:
        parser.error(str(self.help))


def _check(option: Option) -> Callable[[str], Any]:
    """A converter that checks the word and keeps it, unless choices are compared with its value."""
    kind, choices = option.get("type", "text"), option.get("choices", ())
    make = flexible.WITH_FIELDS.get(kind)
    check = make(option["fields"]) if make else TYPES[kind]
    is_compared = kind == "lowered" or any(isinstance(choice, int | float) for choice in choices)
    kept = check if is_compared else _kept(check)
    return flexible.or_none(kept) if option.get("optional") else kept


def _kept(check: Callable[[str], Any]) -> Callable[[str], Any]:
    def keep(word: str) -> str:
        check(word)
        return word

    keep.__name__ = check.__name__  # argparse has it in its messages
    return keep


def _json_list(word: str) -> None:
    """JSON without NaN and Infinity, which Python's own reader would take."""
    try:
        json.loads(word, parse_constant=int)
    except ValueError as error:
        raise argparse.ArgumentTypeError(
            f"Invalid JSON list: {word}. Please provide a valid JSON list."
        ) from error


def _human_int(word: str) -> None:
    match = SUFFIXED.fullmatch(word.strip())
    if match and "." in match[1] and match[2].endswith("i"):
        number, suffix = match.groups()
        raise argparse.ArgumentTypeError(
            f"Decimals are not allowed with IEC suffixes like '{suffix}'. "
            f"Use an integer IEC value such as '{int(float(number))}{suffix}', "
            f"or an SI value such as '{number}{suffix[0]}'."
        )
    if not match:
        try:
            int(word)
        except ValueError as error:
            raise argparse.ArgumentTypeError(
                f"Invalid integer value: '{word.strip()}'. Use a plain integer, SI suffixes (1k, "
                "1M), or IEC suffixes (1Ki, 1Mi). Suffixes are case-sensitive."
            ) from error


def _lora_path(word: str) -> None:
    """A path, ``name=path``, or an object; SGLang ends with a traceback where that isn't whole."""
    word = word.strip()
    if not (word.startswith("{") and word.endswith("}")):
        return
    try:
        found = json.loads(word)
    except ValueError as error:
        raise argparse.ArgumentTypeError(f"is no JSON: {error}") from error
    if missing := {"lora_name", "lora_path"} - found.keys():
        raise argparse.ArgumentTypeError(f"{word!r} has no {' and no '.join(sorted(missing))}")


def _cuda_graph_config(word: str) -> None:
    try:
        found = json.loads(word)
    except ValueError as error:
        raise argparse.ArgumentTypeError(f"--cuda-graph-config must be JSON: {error}") from error
    if not isinstance(found, dict):
        raise argparse.ArgumentTypeError(
            f"--cuda-graph-config must be a JSON object, got {type(found).__name__}"
        )
    for phase, settings in found.items():
        if phase not in PHASES:
            raise argparse.ArgumentTypeError(
                f"--cuda-graph-config: unknown phase '{phase}', expected one of {PHASES}"
            )
        if not isinstance(settings, dict):
            raise argparse.ArgumentTypeError(
                f"--cuda-graph-config['{phase}'] must be a JSON object, got "
                f"{type(settings).__name__}"
            )


def _cuda_graph_backend(word: str) -> None:
    if word == "tc_piecewise":
        raise argparse.ArgumentTypeError(
            "tc_piecewise was removed; select breakable, full, or disabled"
        )


TYPES: dict[str, Callable[[str], Any]] = {
    "text": str,
    "int": int,
    "float": float,
    "loads": json.loads,
    "json_list": _json_list,
    "human_int": _human_int,
    "lora_path": _lora_path,
    "cuda_graph_config": _cuda_graph_config,
    "cuda_graph_backend": _cuda_graph_backend,
    **flexible.TYPES,
}
