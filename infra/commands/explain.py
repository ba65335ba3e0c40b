"""`infra explain`: a rule, told whole."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import attrs
import click

from infra.commands.options import JSON, PATH, style
from infra.errors import UsageError

if TYPE_CHECKING:
    from infra.rule_book import Entry


@click.command()
@click.argument("codes", metavar="CODE...", nargs=-1, required=True)
@click.option("--stack", "stack_file", type=PATH, help="Show what it finds there.")
@JSON
def command(codes: tuple[str, ...], stack_file: Path | None, as_json: bool) -> int:
    """
    Tell why a finding matters, and how to keep it.

    CODE is the finding's, such as INF020; where that is known from is told as well.
    """
    from infra.display_rules import entry_text
    from infra.project import open_project
    from infra.rule_book import entries

    project = open_project(stack_file) if stack_file else None
    asked = _asked(entries(project.rules() if project else None), codes, stack_file)
    report = project.report() if project else None
    if as_json:
        click.echo(json.dumps([attrs.asdict(each) for each in asked], indent=2))
    else:
        told = (entry_text(each, str(stack_file), report, style()) for each in asked)
        click.echo("\n\n\n".join(told))
    return 0


def _asked(
    known: Sequence["Entry"], codes: Sequence[str], stack_file: Path | None
) -> list["Entry"]:
    """
    The rules of these codes, each once.

    Raises:
        UsageError: With all codes that there are not.
    """
    by_code = {each.code: each for each in known}
    asked = dict.fromkeys(code.upper() for code in codes)
    unknown = [_unknown(code, list(by_code), stack_file) for code in asked if code not in by_code]
    if unknown:
        raise UsageError("\n".join(unknown))
    return [by_code[code] for code in asked]


def _unknown(code: str, known: Sequence[str], stack_file: Path | None) -> str:
    near = _near(code, known)
    told = f"{', '.join(near)} {'is' if len(near) == 1 else 'are'} near; " if near else ""
    if stack_file:
        return f"{code}: is no rule of {stack_file}; {told}`infra rules {stack_file}` lists all"
    told = told or "`infra rules` lists those that are known; "
    return f"{code}: is no rule of infra's; {told}a stack's own rules need --stack FILE"


def _near(code: str, known: Sequence[str]) -> list[str]:
    """Those of its ten, even if the last digit is missing; else those that are one digit off."""
    ten = [each for each in known if each[:-1] in (code, code[:-1])]
    return ten or [each for each in known if _is_one_off(code, each)]


def _is_one_off(code: str, other: str) -> bool:
    """Whether a letter more, less or another one makes them the same."""
    shorter, longer = sorted((code, other), key=len)
    without = (longer[:at] + longer[at + 1 :] for at in range(len(longer)))
    if len(shorter) < len(longer):
        return shorter in without
    return sum(a != b for a, b in zip(code, other, strict=True)) == 1
