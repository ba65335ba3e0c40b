"""The only module with consequences: a plan and its target in, the plan carried out."""

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from infra.comparison import endpoints
from infra.errors import InfraError, StalePlan
from infra.live import Deployment, Live
from infra.manifest import Manifest
from infra.plan import AppPlan, Base, Plan, base_of

if TYPE_CHECKING:
    from infra.target import Target

LOOK_PATIENCE = 10.0  # seconds, after Ctrl-C, for what is deployed to be told
Tell = Callable[[str], None]
Check = Callable[[], Awaitable[None]]


async def _no_check() -> None:
    """For whoever holds no lock that could be lost."""


class ApplyFailed(InfraError):
    """An apply that stopped half-way; the message says what was done and what to run next."""


class Interrupted(InfraError):
    """An apply that Ctrl-C stopped; the message says what was done and what to run next."""

    exit_code = 130


async def apply(
    plan: Plan, target: "Target", folder: Path, tell: Tell, check: Check = _no_check
) -> Live:
    """
    Carry the plan out, App by App.

    Args:
        plan: What to do.
        target: Where.
        folder: Where generated modules are put for the SDK to upload.
        tell: Takes one line for each thing that begins or is done.
        check: Called before each App; raises when the App's lock was lost.

    Returns:
        What is deployed now.

    Raises:
        StalePlan: What the plan rests on has moved; nothing was done.
        ApplyFailed: A step failed; those before it hold.
    """
    if plan.obstacles:
        raise InfraError("\n".join(["The plan can't be applied:", *plan.obstacles]))
    before = await read(plan, target)
    check_base(plan, before)
    done: list[str] = []
    for app in (app for app in plan.apps if app.changes):
        doing, did = _doing(app)
        tell(f"app.{app.app}: {doing}...")
        try:
            await check()
            await _carry_out(plan, app, before.deployments.get(app.app), target, folder)
        except InfraError as error:
            raise ApplyFailed(_half_way(plan, app, done, error)) from error
        tell(f"app.{app.app}: {did}")
        done.append(app.app)
    live = await read(plan, target)
    _verify(plan, live)
    for app in plan.apps:
        if app.changes and app.artifact:
            await target.receipt(plan.stack, live.deployments[app.app])
    return live


async def read(plan: Plan, target: "Target", *, rates: bool = False) -> Live:
    """What is deployed of the plan's Apps, and what computing costs if that is asked for."""
    return await target.read(
        plan.stack,
        apps=[app.app for app in plan.apps],
        known=[app.artifact.manifest for app in plan.apps if app.artifact],
        rates=rates,
    )


async def interrupted(plan: Plan, target: "Target", locks: Sequence[str] | None) -> Interrupted:
    """
    What an apply leaves behind that was interrupted.

    The target is asked: a call that was under way may have been carried out.

    Args:
        plan: What was to be done.
        target: Where.
        locks: Apps whose locks could not be released; None: not known.
    """
    try:
        async with asyncio.timeout(LOOK_PATIENCE):
            live = await read(plan, target)
    except (InfraError, TimeoutError) as error:
        said = f"What was done can't be told ({error or 'no answer'})."
    else:
        changing = [app for app in plan.apps if app.changes]
        # One that would have got its own record again is done when it has another version.
        moved = [app for app in changing if base_of(live.deployments.get(app.app)) != app.base]
        done = [app.app for app in moved if _holds(app, live)]
        left = [app.app for app in changing if app.app not in done]
        said = (
            f"Done before that: {', '.join(done) or 'nothing'}. "
            f"Not done: {', '.join(left) or 'nothing'}."
        )
    lock = "No lock is left."
    if locks is None:
        lock = "If a lock is left, it ends by itself."
    elif locks:
        lock = f"Still locked: {', '.join(locks)}; `infra unlock {plan.stack_file}` ends that."
    command = "destroy" if plan.destroy else "apply"
    return Interrupted(
        "\n".join(
            [
                f"interrupted. {said} {lock}",
                "Nothing is half-deployed: an App changes in one step, at its end. To go on, run "
                f"`infra {command} {plan.stack_file}`.",
            ]
        )
    )


def check_base(plan: Plan, live: Live) -> None:
    """
    Refuse a plan that was made for another state of the target.

    Raises:
        StalePlan: With every field that differs.
    """
    moved = [
        line
        for app in plan.apps
        for line in _moved(app.app, app.base, live.deployments.get(app.app))
    ]
    if moved:
        raise StalePlan(
            "\n".join(
                [
                    "Saved plan is stale: the deployment moved after the plan was made.",
                    *(f"  - {line}" for line in moved),
                    f"Nothing was changed. Run `infra plan {plan.stack_file}` again.",
                ]
            )
        )


def _moved(name: str, base: Base, deployment: Deployment | None) -> Iterable[str]:
    now = base_of(deployment)
    by = f", deployed by {deployment.newest.by}" if deployment else ""
    for field, before, after in (
        ("app id", base.app_id, now.app_id),
        ("version", base.version, now.version),
        ("manifest", base.fingerprint, now.fingerprint),
    ):
        if before != after:
            yield f"app.{name}: {field} was {before or 'none'}, is {after or 'none'} now{by}"


async def _carry_out(
    plan: Plan, app: AppPlan, deployment: Deployment | None, target: "Target", folder: Path
) -> None:
    """One App, whose last call is the one that makes the change hold."""
    if app.artifact is None:
        if app.base.app_id:
            await target.stop(plan.stack, app.app, app.base.app_id)
        return
    await target.store(app.artifact)
    if deployment and app.is_in_place:
        await _scale(app, deployment, target)
        await target.point(deployment.app_id, app.artifact.manifest)
        return
    await target.deploy(app.artifact, folder, _tag(app.artifact.manifest, deployment))


async def _scale(app: AppPlan, deployment: Deployment, target: "Target") -> None:
    """Tell the autoscalers; what they are told already holds when the tags move."""
    assert app.artifact
    running = endpoints(app.artifact.manifest, deployment)
    for change in app.changes:
        is_server = app.artifact.manifest.resources[change.address]["routing"]["front_door"]
        settings = {
            "target_concurrency" if path == "routing.target_inputs" else path.split(".")[1]: after
            for path, after in ((field.path, field.after) for field in change.fields)
        }
        await target.scale(
            running[change.address].function_id,
            is_server=is_server == "server",
            settings=settings,
        )


def _tag(manifest: Manifest, deployment: Deployment | None) -> str:
    """
    What Modal's history says: which record the version has.

    Where it says so already, a number behind it makes this one differ: Modal skips a deployment
    that changes nothing, and with it the end of the autoscaler's overrides.
    """
    if deployment and deployment.newest.tag.startswith(manifest.fingerprint):
        return f"{manifest.fingerprint}.{deployment.version}"
    return manifest.fingerprint


def _doing(app: AppPlan) -> tuple[str, str]:
    if app.artifact is None:
        return "Stopping", "Stopped"
    return ("Scaling", "Scaled") if app.is_in_place else ("Deploying", "Deployed")


def _half_way(plan: Plan, app: AppPlan, done: list[str], error: InfraError) -> str:
    left = [each.app for each in plan.apps if each.changes and each.app not in done]
    verb = _doing(app)[0].lower()
    command = "destroy" if plan.destroy else "apply"
    return "\n".join(
        [
            f"{verb} {app.app} failed: {error}",
            f"Done before that: {', '.join(done) or 'nothing'}. Not done: {', '.join(left)}.",
            f"Nothing is half-deployed: an App changes in one step, at its end. When the cause is "
            f"mended, run `infra {command} {plan.stack_file}`.",
        ]
    )


def _verify(plan: Plan, live: Live) -> None:
    """Read back what was done; only what Modal now says counts."""
    for app in plan.apps:
        if app.changes and not _holds(app, live):
            wanted = app.artifact.manifest.fingerprint if app.artifact else None
            found = base_of(live.deployments.get(app.app)).fingerprint
            raise ApplyFailed(
                f"app.{app.app}: has the manifest {found or 'none'} after the apply, and should "
                f"have {wanted or 'none'}; somebody else deployed it meanwhile; run "
                f"`infra plan {plan.stack_file}` to see what differs"
            )


def _holds(app: AppPlan, live: Live) -> bool:
    """Whether the App is as it should be."""
    wanted = app.artifact.manifest.fingerprint if app.artifact else None
    return base_of(live.deployments.get(app.app)).fingerprint == wanted
