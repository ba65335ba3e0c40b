"""`infra history`: an App's deployments."""

import json
import time
from pathlib import Path

import click

from infra.commands.options import ENVIRONMENT, JSON, MAYBE_STACK, TARGET, last_if_none, style


@click.command()
@MAYBE_STACK
@TARGET
@ENVIRONMENT
@click.option(
    "--limit", type=click.IntRange(min=1), default=10, help="Versions per App; by default 10."
)
@JSON
def command(
    stack_file: Path | None,
    target: str | None,
    environment: str | None,
    limit: int,
    as_json: bool,
) -> int:
    """Show who deployed which version when, and what it changed."""
    from infra.display_state import history_text
    from infra.project import open_project
    from infra.session import session
    from infra.state_json import history_json

    stack_file, target, environment = last_if_none(stack_file, target, environment)
    project = open_project(stack_file)
    with session(target, environment or project.environment, quiet=as_json) as there:
        versions = there.history(project, limit)
    if as_json:
        click.echo(json.dumps(history_json(versions), indent=2, sort_keys=True))
    else:
        click.echo(history_text(versions, time.time(), style()))
    return 0
