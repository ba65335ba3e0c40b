"""A target for the length of one command: reads it, plans against it, carries plans out."""

import asyncio
import os
import sys
import time
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

import attrs
import click

from infra import apply as applying
from infra import connection, display, narrow, past
from infra.checkout import commit
from infra.compile import Artifact
from infra.errors import InfraError, UsageError
from infra.live import Deployment, Live
from infra.manifest import Manifest
from infra.plan import Plan, make_plan
from infra.progress import progress
from infra.project import Project
from infra.stale import check_base
from infra.text import Style
from infra.waiting import PATIENCE, reading

if TYPE_CHECKING:
    from infra.lease import Holder, Lease
    from infra.target import Target

MODULES = Path(".infra/modules")


class Declined(click.ClickException):
    """The question was answered with something else than yes."""

    exit_code = 130

    def show(self, file: IO[Any] | None = None) -> None:
        """Say so; it is no error."""
        click.echo(self.message, err=True)


@attrs.frozen(kw_only=True)
class Planned:
    """
    A plan with what it was made from.

    Attributes:
        plan: What would be done.
        live: What was deployed.
        modules: The text of the deployed modules by App, where it was asked for.
    """

    plan: Plan
    live: Live
    modules: Mapping[str, str]


@attrs.frozen
class Session:
    """What a command may do with its target."""

    _target: "Target"

    def read_project(
        self, project: Project, *, also: Artifact | None = None, rates: bool = False
    ) -> Live:
        """
        What is deployed of a stack.

        Args:
            project: The stack file.
            also: An earlier version of an App, whose Volumes and Secrets are looked for, too.
            rates: Whether to ask what computing costs.
        """
        asked = attrs.evolve(project, artifacts=(*project.artifacts, also)) if also else project
        return reading(
            self._target.read(
                project.stack.name,
                apps=project.app_names(),
                known=[artifact.manifest for artifact in asked.artifacts],
                volumes=asked.resource_names("volume"),
                secrets=asked.resource_names("secret"),
                rates=rates,
            )
        )

    def read(self, plan: Plan) -> Live:
        """What is deployed of a plan's Apps, and what computing costs."""
        return reading(applying.read(plan, self._target, rates=True))

    def deployed_modules(self, live: Live) -> dict[str, str]:
        """The text of each deployed module."""

        async def texts() -> list[str]:
            return await asyncio.gather(*map(self._target.module, live.deployments.values()))

        return dict(zip(live.deployments, reading(texts()), strict=True))

    def plan(
        self,
        project: Project,
        *,
        destroy: bool = False,
        adopt: bool = False,
        only: Collection[str] = (),
        exclude: Collection[str] = (),
    ) -> tuple[Plan, Live]:
        """What an apply, or a destroy, would do; `only` and `exclude` as `narrow.left_out` has."""
        live = self.read_project(project, rates=True)
        artifacts, stack = project.artifacts, project.stack.name
        leave = narrow.left_out(artifacts, live, stack, only=only, exclude=exclude)
        report = None if destroy else narrow.about(project.report(), artifacts, leave)
        made = make_plan(
            stack=stack,
            stack_file=str(project.path),
            artifacts=artifacts,
            live=live,
            destroy=destroy,
            adopt=adopt,
            leave=leave,
            commit=commit(),
            report=report,
        )
        narrow.check_whole(made, only)
        if self._target.name == "local" and not destroy:
            from infra.local.engine import model_figures

            # For the stand-ins that start from now on; nothing of it is deployed.
            model_figures.keep(connection.LOCAL_ROOT, project.models())
        renewed = made.renewed()
        return attrs.evolve(made, estimates=project.estimates(renewed) if renewed else ()), live

    def plan_rollback(
        self, project: Project, app: str | None, version: str | None
    ) -> tuple[Plan, Live]:
        """What deploying an earlier version of one App again would do."""
        deployment = _one_app(project, self.read_project(project), app)
        fingerprint = past.earlier(deployment, version)
        artifact = reading(self._target.artifact(project.stack.name, deployment.app, fingerprint))
        if isinstance(artifact, str):
            raise InfraError(f"app.{deployment.app}: can't be rolled back: {artifact}")
        live = self.read_project(project, also=artifact, rates=True)
        mine = {name: each for name, each in live.deployments.items() if name == deployment.app}
        alone = attrs.evolve(live, deployments=mine)
        made = make_plan(
            stack=project.stack.name,
            stack_file=str(project.path),
            artifacts=[artifact],
            live=alone,
            rollback=past.newest_of(deployment, fingerprint),
        )
        return made, alone

    def history(self, project: Project, limit: int) -> dict[str, list[past.Version]]:
        """The deployments of each App, the newest first."""
        live = self.read_project(project)
        shown: dict[str, list[past.Version]] = {}
        for name in dict.fromkeys([*project.app_names(), *live.deployments]):
            deployment = live.deployments.get(name)
            if deployment is None:
                shown[name] = []
                continue
            needed = [each.fingerprint for each in past.states(deployment)[: limit + 1]]
            manifests = self._manifests(project, name, {each for each in needed if each})
            shown[name] = past.versions(deployment, manifests, limit)
        return shown

    def carry_out(
        self,
        plan: Plan,
        live: Live,
        *,
        yes: bool,
        style: Style,
        lock_timeout: float = 0,
        known: bool = False,
    ) -> int:
        """
        Show a plan, ask, do it, say what was done.

        Args:
            plan: What to do.
            live: What the target says now.
            yes: Do not ask.
            style: Colours, or none.
            lock_timeout: Seconds to wait for another apply.
            known: The plan was shown before, so that its list is enough.

        Raises:
            Declined: The answer was not yes, or nobody can be asked.
            InfraError: The plan can't be applied; why is shown with it.
        """
        check_base(plan, live)
        show = display.list_text if known else display.plan_text
        click.echo(show(plan, live, time.time(), style))
        if plan.is_empty() and not plan.obstacles:
            return 0
        if plan.obstacles:
            raise InfraError("this plan can't be applied, as said above; nothing was changed")
        what, question = "Apply", "Do you want to perform these actions?"
        if plan.destroy:
            what = "Destroy"
            question = f"Do you really want to destroy all Apps of stack {plan.stack}?"
        self.confirm(what, question, yes=yes)
        try:
            with progress() as tell:
                done = asyncio.run(self._apply(plan, lock_timeout, tell))
        except KeyboardInterrupt:
            raise applying.Interrupted(
                "interrupted, without waiting to see what was done; a lock that is left ends by "
                f"itself. To see what is deployed, run `{plan.command('status')}`."
            ) from None
        click.echo("\n" + display.done_text(plan, done))
        return 0

    def confirm(self, what: str, question: str, *, yes: bool) -> None:
        """
        Ask, unless the answer is known.

        Args:
            what: The command, to say that it was cancelled.
            question: What to ask.
            yes: The answer is known.

        Raises:
            Declined: The answer was not yes, or nobody can be asked.
        """
        if yes:
            return
        if not sys.stdin.isatty():
            raise Declined(
                f"{question} There is no terminal to ask at; an answer is needed; nothing was "
                "changed; run the same command with --yes"
            )
        click.echo(f"\n{question}\n  Only 'yes' will be accepted to approve.\n")
        try:
            answer = click.prompt(
                "  Enter a value", prompt_suffix=": ", default="", show_default=False
            )
        except click.Abort:
            raise Declined("\nInterrupted. Nothing was changed.") from None
        if answer != "yes":
            only = "" if answer in ("", "no") else f" Only 'yes' is accepted, not {answer!r}."
            raise Declined(f"\n{what} cancelled. Nothing was changed.{only}")

    def lock_holders(self, project: Project) -> list["Lease"]:
        """Who holds the locks of a stack's Apps."""
        from infra.lock import holders

        return reading(holders(project.app_names(), environment=self._target.environment))

    def unlock(self, project: Project) -> list["Lease"]:
        """End the locks of a stack's Apps."""
        from infra.holder import holder_of_this_process
        from infra.lock import unlock

        return asyncio.run(
            unlock(
                project.app_names(),
                stack=project.stack.name,
                environment=self._target.environment,
                holder=holder_of_this_process("unlock", os.environ),
            )
        )

    async def _apply(self, plan: Plan, lock_timeout: float, tell: Callable[[str], None]) -> Live:
        """Hold the locks of the Apps that change, and carry the plan out."""
        from infra.holder import holder_of_this_process
        from infra.lock import locked

        apps = [app.app for app in plan.apps if app.changes]
        holder = holder_of_this_process("destroy" if plan.destroy else "apply", os.environ)
        try:
            async with locked(
                apps,
                stack=plan.stack,
                environment=self._target.environment,
                holder=holder,
                timeout=lock_timeout,
                tell=tell,
                on_this_machine=self._target.name == "local",
            ) as leases:
                return await applying.apply(plan, self._target, MODULES, tell, leases.check)
        except (Exception, asyncio.CancelledError) as error:
            # The SDK may answer Ctrl-C with an error of its own in the place of the cancellation.
            task = asyncio.current_task()
            if task is None or task.cancelling() != 1:  # Ctrl-C twice is for who can't wait
                raise
            tell("Interrupted: Looking at what is deployed...")
            locks = await self._locks_of(apps, holder)
            raise await applying.interrupted(plan, self._target, locks) from error

    async def _locks_of(self, apps: Sequence[str], holder: "Holder") -> list[str] | None:
        """The Apps whose locks a process holds; None: that can't be told."""
        from infra.lock import holders

        with suppress(InfraError, TimeoutError):
            async with asyncio.timeout(PATIENCE):
                found = await holders(apps, environment=self._target.environment)
                return [lease.app for lease in found if lease.holder == holder]
        return None

    def _manifests(self, project: Project, app: str, fingerprints: set[str]) -> dict[str, Manifest]:
        async def read() -> dict[str, Manifest]:
            stack = project.stack.name
            found = await asyncio.gather(
                *(self._target.manifest(stack, app, each) for each in fingerprints)
            )
            return {each.fingerprint: each for each in found if each}

        return reading(read())


@contextmanager
def session(
    target: str | None, environment: str | None, *, quiet: bool = False
) -> Iterator[Session]:
    """
    Connect to an environment of a target; see `sessions`.

    Args:
        target: ``modal``, ``local``, or None.
        environment: The Modal environment, or None: the default one.
        quiet: Do not say which target was chosen.
    """
    with sessions(target, quiet=quiet) as connect:
        yield connect(environment)


@contextmanager
def sessions(
    target: str | None, *, quiet: bool = False
) -> Iterator[Callable[[str | None], Session]]:
    """
    Connect to a target, once for all of its environments.

    Args:
        target: ``modal``, ``local``, or None: `connection.default_target`.
        quiet: Do not say which target was chosen.
    """
    if target is None:
        target = connection.default_target()
        if target == "local" and not quiet and not connection.has_credentials():
            click.echo(
                "No Modal credentials found: using the local control plane "
                f"({connection.LOCAL_ROOT}). `modal setup` gives you some.\n"
            )
    with connection.connected(target):
        from infra.target import Target

        name = target
        yield lambda environment: Session(Target(name=name, environment=environment))


def _one_app(project: Project, live: Live, app: str | None) -> Deployment:
    """
    The App that is meant.

    Raises:
        UsageError: None or several could be.
    """
    ours = {
        name: each for name, each in live.deployments.items() if each.stack == project.stack.name
    }
    names = [app] if app is not None else list(ours)
    if len(names) == 1 and names[0] in ours:
        return ours[names[0]]
    if not ours:
        raise InfraError(
            f"stack {project.stack.name}: none of its Apps is deployed; one that is can be rolled "
            "back; apply the stack first"
        )
    so = f"{app} is not deployed" if app is not None else f"{len(names)} Apps are deployed"
    raise UsageError(
        f"stack {project.stack.name}: {so}; one of {', '.join(ours)} is allowed; name it with --app"
    )
