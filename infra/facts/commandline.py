"""A release's own command line, rebuilt as the argparse parser that its catalogue describes."""

import argparse
from collections.abc import Callable, Iterator, Sequence
from typing import Any, NoReturn

from infra.facts.plain import Option, Value, key
from infra.facts.words import Refused, check_of

INVERSE = {"--enable-": "--disable-", "--disable-": "--enable-"}


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
            return {**declared, "action": Paired}
        case "append":
            return {**declared, "action": "append"}
        case "refused":
            return {**declared, "action": _Retired, "nargs": 0, "help": option["message"]}
    return {
        **declared,
        "required": option.get("required", False),
        "type": _for_argparse(check_of(option)),
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


def _for_argparse(check: Callable[[str], Any]) -> Callable[[str], Any]:
    """The check, with its own words in argparse's message."""

    def convert(word: str) -> Any:
        try:
            return check(word)
        except Refused as refused:
            raise argparse.ArgumentTypeError(str(refused)) from refused

    convert.__name__ = check.__name__  # argparse has it in its messages
    return convert
