"""`infra rules`: what is looked for in stacks."""

import json
from pathlib import Path

import attrs
import click

from infra.commands.options import JSON, MAYBE_STACK, style


@click.command()
@MAYBE_STACK
@JSON
def command(stack_file: Path | None, as_json: bool) -> int:
    """
    List the rules that a plan checks a stack with.

    With a STACK, those of its services and its own; without one, those of all components.
    """
    from infra.display_rules import rules_text
    from infra.project import open_project
    from infra.rule_book import entries

    found = entries(open_project(stack_file).rules() if stack_file else None)
    if as_json:
        click.echo(json.dumps([attrs.asdict(each) for each in found], indent=2))
    else:
        click.echo(rules_text(found, style()))
    return 0
