"""`infra drift`: what was changed outside of infra."""

import time
from pathlib import Path

import click

from infra.commands.options import ENVIRONMENT, MAYBE_STACK, TARGET, last_if_none, style


@click.command()
@MAYBE_STACK
@TARGET
@ENVIRONMENT
def command(stack_file: Path | None, target: str | None, environment: str | None) -> int:
    """
    Show what was changed outside of infra.

    Nothing is changed by that. Exits 2 if there is any.
    """
    from infra import display
    from infra.project import open_project
    from infra.session import session

    stack_file, target, environment = last_if_none(stack_file, target, environment)
    project = open_project(stack_file)
    with session(target, environment or project.environment) as there:
        made, live = there.plan(project)
    drift = list(made.drift())
    click.echo(display.drift_text(made, drift, live, time.time(), style()))
    return 2 if drift else 0
