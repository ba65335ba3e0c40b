"""A target for the length of one command: reads it, plans against it, carries plans out."""

import asyncio
import sys
import time
from collections.abc import Coroutine, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from infra import apply as applying
from infra import connection, display
from infra.errors import TargetError, UsageError
from infra.live import Live
from infra.plan import Plan, make_plan
from infra.project import Project

if TYPE_CHECKING:
    from infra.target import Target

MODULES = Path(".infra/modules")
PATIENCE = 5  # seconds
T = TypeVar("T")


class Declined(click.Abort):
    """The question was answered with something else than yes."""


class Session:
    """What a command may do with its target."""

    def __init__(self, target: "Target") -> None:
        self._target = target

    def read_project(self, project: Project) -> Live:
        """What is deployed of a stack."""
        return _reading(
            self._target.read(
                project.stack.name,
                apps=project.app_names(),
                known=[artifact.manifest for artifact in project.artifacts],
                volumes=project.resource_names("volume"),
                secrets=project.resource_names("secret"),
            )
        )

    def read(self, plan: Plan) -> Live:
        """What is deployed of a plan's Apps."""
        return _reading(applying.read(plan, self._target))

    def plan(self, project: Project, *, destroy: bool) -> tuple[Plan, Live]:
        """What an apply, or a destroy, would do."""
        live = self.read_project(project)
        made = make_plan(
            stack=project.stack.name,
            stack_file=str(project.path),
            artifacts=project.artifacts,
            live=live,
            destroy=destroy,
        )
        return made, live

    def deployed_modules(self, live: Live) -> dict[str, str]:
        """The text of each deployed module."""

        async def texts() -> list[str]:
            return await asyncio.gather(*map(self._target.module, live.deployments.values()))

        return dict(zip(live.deployments, _reading(texts()), strict=True))

    def carry_out(
        self, plan: Plan, live: Live, *, yes: bool, style: display.Style, known: bool = False
    ) -> Live | None:
        """
        Show a plan, ask, do it.

        Args:
            plan: What to do.
            live: What the target says now.
            yes: Do not ask.
            style: Colours, or none.
            known: The plan was shown before, so that its list is enough.

        Returns:
            What is deployed then, or None: there was nothing to do.

        Raises:
            Declined: The answer was not yes.
            UsageError: Nobody can be asked.
        """
        applying.check_base(plan, live)
        show = display.list_text if known else display.plan_text
        click.echo(show(plan, live, time.time(), style))
        if plan.is_empty() and not plan.obstacles:
            return None
        if not yes and not plan.obstacles:
            _ask(plan)
        with _progress() as tell:
            return asyncio.run(applying.apply(plan, self._target, MODULES, tell))


@contextmanager
def session(target: str | None, environment: str | None) -> Iterator[Session]:
    """
    Connect to a target.

    Args:
        target: ``modal``, ``local``, or None: where there are credentials for.
        environment: The Modal environment, or None: the default one.
    """
    if target is None:
        target = connection.default_target()
        if target == "local":
            click.echo(
                "No Modal credentials found: using the local control plane "
                f"({connection.LOCAL_ROOT}). `modal setup` gives you some.\n"
            )
    with connection.connected(target):
        from infra.target import Target

        yield Session(Target(name=target, environment=environment))


def _reading(answer: Coroutine[Any, Any, T]) -> T:
    """Wait for a target's answer; whoever waits longer than usual is told for what."""

    async def run() -> T:
        loop = asyncio.get_running_loop()
        notice = loop.call_later(
            PATIENCE, partial(click.echo, "Still waiting for the target to answer...", err=True)
        )
        try:
            return await answer
        finally:
            notice.cancel()

    try:
        return asyncio.run(run())
    except TargetError as error:
        raise TargetError(f"{error}\nNothing was changed. Run the same command again.") from error


def _ask(plan: Plan) -> None:
    question = (
        f"Do you really want to destroy all Apps of stack {plan.stack}?"
        if plan.destroy
        else "Do you want to perform these actions?"
    )
    if not sys.stdin.isatty():
        raise UsageError(
            f"{question} There is no terminal to ask at; an answer is needed; "
            "run the same command with --yes"
        )
    click.echo(f"\n{question}\n  Only 'yes' will be accepted to approve.\n")
    if click.prompt("  Enter a value", prompt_suffix=": ", default="", show_default=False) != "yes":
        raise Declined


@contextmanager
def _progress() -> Iterator[applying.Tell]:
    """Lines as things happen; on a terminal, a clock behind what is happening now."""
    started = time.monotonic()
    if not sys.stderr.isatty():
        yield lambda line: click.echo(f"{line} [{time.monotonic() - started:.0f}s]", err=True)
        return
    from rich.console import Console
    from rich.progress import Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

    columns = (SpinnerColumn(), TextColumn("{task.description}"), TimeElapsedColumn())
    with Progress(*columns, console=Console(stderr=True), transient=True) as progress:
        task = progress.add_task("")

        def tell(line: str) -> None:
            progress.reset(task, description=line)
            if not line.endswith("..."):
                progress.console.print(line, highlight=False, markup=False)

        yield tell
