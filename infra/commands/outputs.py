"""`infra outputs`: where the services answer."""

import json
from pathlib import Path

import click

from infra.commands.options import ENVIRONMENT, JSON, MAYBE_STACK, TARGET, last_if_none


@click.command()
@MAYBE_STACK
@TARGET
@ENVIRONMENT
@JSON
def command(
    stack_file: Path | None, target: str | None, environment: str | None, as_json: bool
) -> int:
    """Print each service's URL."""
    from infra.live import outputs
    from infra.project import open_project
    from infra.session import session
    from infra.text import table

    stack_file, target, environment = last_if_none(stack_file, target, environment)
    project = open_project(stack_file)
    with session(target, environment or project.environment, quiet=as_json) as there:
        live = there.read_project(project)
    urls = outputs(live)
    if as_json:
        shape = {
            name: {"sensitive": False, "type": "string", "value": url} for name, url in urls.items()
        }
        click.echo(json.dumps(shape, indent=2, sort_keys=True))
    else:
        rows = [(name, url or "(no URL)") for name, url in urls.items()]
        click.echo(table(rows) if rows else "Nothing of this stack is deployed.")
    return 0
