"""`infra destroy`: takes a stack away."""

from pathlib import Path

import click

from infra.commands.options import (
    ENVIRONMENT,
    LOCK_TIMEOUT,
    MAYBE_STACK,
    TARGET,
    YES,
    chosen,
    last_if_none,
    style,
)


@click.command()
@MAYBE_STACK
@TARGET
@ENVIRONMENT
@LOCK_TIMEOUT
@YES
def command(
    stack_file: Path | None,
    target: str | None,
    environment: str | None,
    lock_timeout: float,
    yes: bool,
) -> int:
    """Stop every App of a stack; Volumes and their data are kept."""
    from infra.project import open_project
    from infra.session import session

    stack_file, target, environment = last_if_none(stack_file, target, environment)
    project = open_project(stack_file)
    where = chosen("destroy", stack_file, target)
    with session(where, environment or project.environment) as there:
        made, live = there.plan(project, destroy=True)
        return there.carry_out(made, live, yes=yes, style=style(), lock_timeout=lock_timeout)
