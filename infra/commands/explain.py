"""`infra explain`: a rule, told whole."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import attrs
import click

from infra.commands.options import JSON, PATH
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
        click.echo("\n\n\n".join(entry_text(each, str(stack_file), report) for each in asked))
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
    from difflib import get_close_matches

    longer = [each for each in known if each.startswith(code)]
    near = ", ".join(longer or get_close_matches(code, known, n=4))
    told = f"{near} are near" if near else "`infra rules` lists those that are known"
    if stack_file:
        return f"{code}: is no rule of {stack_file}; {told}; `infra rules {stack_file}` lists all"
    return f"{code}: is no rule of infra's; {told}; a stack's own rules need --stack FILE"
