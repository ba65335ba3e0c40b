"""`infra apply`: carries out a plan."""

import os
from pathlib import Path
from typing import TYPE_CHECKING

import click

from infra.commands.options import (
    ADOPT,
    ENVIRONMENT,
    LOCK_TIMEOUT,
    MAX_MONTHLY_FLOOR,
    PATH,
    TARGET,
    YES,
    chosen,
    style,
)
from infra.errors import UsageError

if TYPE_CHECKING:
    from infra.live import Live
    from infra.plan import Plan


@click.command()
@click.argument("what", metavar="[STACK|PLAN]", required=False, type=PATH)
@TARGET
@ENVIRONMENT
@ADOPT
@LOCK_TIMEOUT
@MAX_MONTHLY_FLOOR
@YES
def command(
    what: Path | None,
    target: str | None,
    environment: str | None,
    adopt: bool,
    lock_timeout: float,
    limit: float | None,
    yes: bool,
) -> int:
    """
    Carry out a plan: the last, a saved, or a fresh one.

    A saved PLAN was approved by whoever names it: it is carried out without a question.
    """
    from infra import saved
    from infra.model_files import hub_cache
    from infra.project import open_project
    from infra.session import session

    if what is not None and (what.suffix == ".py" or what.is_dir()):
        project = open_project(what, hub_cache(os.environ))
        with session(chosen("apply", what, target), environment or project.environment) as there:
            made, live = there.plan(project, adopt=adopt)
            made = _within(made, live, limit)
            saved.save(made)  # for commands that name no stack; it is stale once it was applied
            return there.carry_out(made, live, yes=yes, style=style(), lock_timeout=lock_timeout)
    given = {"--target": target, "--env": environment, "--adopt": adopt}
    if any(given.values()):
        plan = f"the saved plan {what}" if what else "the last plan, as no stack is named,"
        raise UsageError(
            f"{', '.join(name for name, value in given.items() if value)}: {plan} has its own; "
            "such options are allowed with a stack file; take them out, or run "
            "`infra apply STACK ...`"
        )
    made = saved.saved(what or saved.PLAN)
    if what is None:
        saved.check_stack(made, open_project(Path(made.stack_file)).artifacts)
    saved.check_files(made)
    with session(made.target, made.environment or None) as there:
        live = there.read(made)
        return there.carry_out(
            _within(made, live, limit),
            live,
            yes=yes or what is not None,
            style=style(),
            lock_timeout=lock_timeout,
            known=True,
        )


def _within(plan: "Plan", live: "Live", limit: float | None) -> "Plan":
    """The plan, stopped by the limit or with a note where that must be known."""
    from infra.cost import limited

    (made,), note = limited([(plan, live)], limit)
    if note:
        click.echo(note, err=True)
    return made
