"""`infra unlock`: ends the locks of a stack."""

from pathlib import Path

import click

from infra.commands.options import ENVIRONMENT, STACK, TARGET, YES, chosen
from infra.errors import TargetError


@click.command()
@STACK
@TARGET
@ENVIRONMENT
@YES
def command(stack_file: Path, target: str | None, environment: str | None, yes: bool) -> int:
    """
    End the locks of a stack's Apps.

    Whoever holds them: an apply that goes on is stopped.
    """
    from infra.project import open_project
    from infra.session import session

    project = open_project(stack_file)
    where = chosen("unlock", stack_file, target)
    with session(where, environment or project.environment) as there:
        try:
            held = there.lock_holders(project)
        except TargetError as damaged:  # what is in the place of a lease and is none goes, too
            click.echo(str(damaged))
        else:
            for lease in held:
                click.echo(f"App {lease.app} is locked by {lease.holder}")
            if not held:
                click.echo("No App of this stack is locked.")
                return 0
        there.confirm("Unlock", "Do you want to end these locks?", yes=yes)
        for lease in there.unlock(project):
            click.echo(f"Unlocked App {lease.app}.")
    return 0
