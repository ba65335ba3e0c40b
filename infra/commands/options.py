"""Arguments and options that several commands have."""

import math
import os
import sys
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

import click

from infra.errors import UsageError

if TYPE_CHECKING:
    from infra.text import Style

PATH = click.Path(path_type=Path)
STACK = click.argument("stack_file", metavar="STACK", type=PATH)
MAYBE_STACK = click.argument("stack_file", metavar="[STACK]", required=False, type=PATH)
TARGET = click.option(
    "--target",
    type=click.Choice(["modal", "local"]),
    help="Where to look and to deploy; by default modal, if there are credentials for it.",
)
ENVIRONMENT = click.option(
    "-e", "--env", "environment", metavar="NAME", help="Modal environment, before the stack's own."
)
YES = click.option("-y", "--yes", "--auto-approve", is_flag=True, help="Do not ask.")
ADOPT = click.option(
    "--adopt", is_flag=True, help="Take over Apps of these names that infra did not deploy."
)
JSON = click.option("--json", "as_json", is_flag=True, help="Print JSON and nothing else.")


class Seconds(click.ParamType[float]):
    """A time such as ``30s``, ``5m`` or ``90``."""

    name = "TIME"

    def convert(
        self, value: str | float, param: click.Parameter | None, ctx: click.Context | None
    ) -> float:
        """The time in seconds."""
        if isinstance(value, int | float):
            return value
        units = {"s": 1, "m": 60, "h": 3600}
        number, unit = (value[:-1], value[-1]) if value[-1:] in units else (value, "s")
        seconds = math.nan
        with suppress(ValueError):
            seconds = float(number) * units[unit]
        if not math.isfinite(seconds) or seconds < 0:
            self.fail(f"{value!r} is no time; 90, 30s, 5m and 1h are allowed", param, ctx)
        return seconds


class Dollars(click.ParamType[float]):
    """An amount such as ``4000`` or ``4,000``."""

    name = "USD"

    def convert(
        self, value: str | float, param: click.Parameter | None, ctx: click.Context | None
    ) -> float:
        """The amount in USD."""
        amount = math.nan
        with suppress(ValueError):
            amount = float(str(value).replace(",", ""))
        if not math.isfinite(amount) or amount < 0:
            self.fail(f"{value!r} is no amount; 0, 4000 and 4,000 are allowed", param, ctx)
        return amount


MAX_MONTHLY_FLOOR = click.option(
    "--max-monthly-floor",
    "limit",
    type=Dollars(),
    help="Stop what raises the cost of what always runs above that per month; of several stacks, "
    "the sum counts.",
)
LOCK_TIMEOUT = click.option(
    "--lock-timeout",
    type=Seconds(),
    default=0.0,
    help="How long to wait for another apply of the same Apps; by default not at all.",
)


def last_if_none(
    stack_file: Path | None, target: str | None, environment: str | None
) -> tuple[Path, str | None, str | None]:
    """The stack and the target of the last plan, where the command line names no stack."""
    from infra import saved

    if stack_file is not None:
        return stack_file, target, environment
    last = saved.saved()
    return Path(last.stack_file), target or last.target, environment or last.environment or None


def chosen(command: str, stack_file: Path, target: str | None) -> str:
    """
    The target of a command that changes something and was given no plan.

    Raises:
        UsageError: There are no credentials, and nobody said that the local one is meant.
    """
    from infra.connection import default_target

    if target is not None:
        return target
    if default_target() == "modal":
        return "modal"
    raise UsageError(
        f"infra {command} {stack_file}: there are no Modal credentials, and once there are, "
        "the same command would change what is on Modal; a target is needed; write --target local "
        "to use the local control plane, or run `modal setup`"
    )


def style() -> "Style":
    """On a terminal, its width, and colours unless NO_COLOR says otherwise."""
    from shutil import get_terminal_size

    from infra.text import Style, plain

    if not sys.stdout.isatty():
        return plain
    width = get_terminal_size().columns
    return Style(width=width, paint=None if os.environ.get("NO_COLOR") else _paint)


def _paint(text: str, colour: str) -> str:
    return click.style(text, bold=True) if colour == "bold" else click.style(text, fg=colour)
