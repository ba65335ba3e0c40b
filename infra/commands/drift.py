"""`infra drift`: what was changed outside of infra."""

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
    """
    Show what was changed outside of infra.

    Nothing is changed by that. Exits 2 if there is any.
    """
    from infra.display import drift_text
    from infra.drift_json import drift_json
    from infra.manifest import canonical
    from infra.project import open_project
    from infra.session import session

    stack_file, target, environment = last_if_none(stack_file, target, environment)
    project = open_project(stack_file)
    with session(target, environment or project.environment, quiet=as_json) as there:
        made, live = there.plan(project)
    drift = list(made.drift())
    if as_json:
        click.echo(canonical(drift_json(made, live, time.time())), nl=False)
    else:
        click.echo(drift_text(made, drift, live, time.time(), style()))
    return 2 if drift else 0
