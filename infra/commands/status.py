"""`infra status`: what is deployed."""

import time
from pathlib import Path

import click

from infra.commands.options import ENVIRONMENT, MAYBE_STACK, TARGET, last_if_none


@click.command()
@MAYBE_STACK
@TARGET
@ENVIRONMENT
def command(stack_file: Path | None, target: str | None, environment: str | None) -> int:
    """Show what is deployed: versions, containers, URLs."""
    from infra.display_state import status_text
    from infra.project import open_project
    from infra.session import session

    stack_file, target, environment = last_if_none(stack_file, target, environment)
    project = open_project(stack_file)
    with session(target, environment or project.environment) as there:
        live = there.read_project(project)
    click.echo(status_text(live, project.stack.name, project.app_names(), time.time()))
    return 0
