"""`infra rollback`: an earlier version of an App, planned and applied like any change."""

from pathlib import Path

import click

from infra.commands.options import (
    ENVIRONMENT,
    LOCK_TIMEOUT,
    STACK,
    TARGET,
    YES,
    chosen,
    style,
)


@click.command()
@STACK
@click.argument("version", required=False)
@click.option("--app", metavar="NAME", help="Which App, if the stack has several.")
@TARGET
@ENVIRONMENT
@LOCK_TIMEOUT
@YES
def command(
    stack_file: Path,
    version: str | None,
    app: str | None,
    target: str | None,
    environment: str | None,
    lock_timeout: float,
    yes: bool,
) -> int:
    """
    Deploy an earlier version of an App again.

    That is VERSION, such as v3, or v3.1 once that was scaled in place; by default what ran before.
    The stack file stays as it is, so the next plan shows the way forward again.
    """
    from infra.project import open_project
    from infra.session import session

    project = open_project(stack_file)
    where = chosen("rollback", stack_file, target)
    with session(where, environment or project.environment) as there:
        made, live = there.plan_rollback(project, app, version)
        return there.carry_out(made, live, yes=yes, style=style(), lock_timeout=lock_timeout)
