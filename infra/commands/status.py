"""`infra status`: what is deployed."""

import time
from pathlib import Path

import click

from infra.commands.options import ENVIRONMENT, JSON, MAYBE_STACK, TARGET, last_if_none, style


@click.command()
@MAYBE_STACK
@TARGET
@ENVIRONMENT
@JSON
def command(
    stack_file: Path | None, target: str | None, environment: str | None, as_json: bool
) -> int:
    """Show what is deployed: versions, containers, URLs."""
    from infra.display_state import status_text
    from infra.manifest import canonical
    from infra.project import open_project
    from infra.session import session
    from infra.state_json import status_json

    stack_file, target, environment = last_if_none(stack_file, target, environment)
    project = open_project(stack_file)
    with session(target, environment or project.environment, quiet=as_json) as there:
        live = there.read_project(project)
    of_stack = (live, project.stack.name, project.app_names(), time.time())
    if as_json:
        click.echo(canonical(status_json(*of_stack)), nl=False)
    else:
        click.echo(status_text(*of_stack, style()))
    return 0
