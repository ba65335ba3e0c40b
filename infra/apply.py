"""The only module with consequences: a plan and its target in, the plan carried out."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import attrs

from infra.comparison import configurations, endpoints
from infra.configuration import recorded
from infra.errors import InfraError
from infra.live import Deployment, Live
from infra.manifest import Manifest
from infra.past import next_scaling
from infra.plan import AppPlan, Plan, base_of
from infra.stale import check_base

if TYPE_CHECKING:
    from infra.target import Target

LOOK_PATIENCE = 10.0  # seconds, after Ctrl-C, for what is deployed to be told
EMPTY: Mapping[str, Sequence[str]] = {}
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
        ApplyFailed: A step failed, or what it did can't be read back; those before it hold.
    """
    if plan.obstacles:
        raise InfraError("\n".join(["The plan can't be applied:", *plan.obstacles]))
    live = await read(plan, target)
    check_base(plan, live)
    done: list[str] = []
    for app in (app for app in plan.apps if app.changes):
        doing, did = _doing(app)
        scaled: list[str] = []
        tell(f"app.{app.app}: {doing}...")
        try:
            await check()
            await _carry_out(plan, app, live.deployments.get(app.app), target, folder, scaled)
        except InfraError as error:
            what = f"{doing.lower()} {app.app} failed: {error}"
            part = {app.app: scaled} if app.is_in_place else {}
            raise ApplyFailed(_half_way(plan, what, done, part)) from error
        tell(f"app.{app.app}: {did}")
        done.append(app.app)
        try:
            found = await _read_back(plan, app, live.deployments.get(app.app), target)
        except InfraError as error:
            what = f"reading {app.app} back, which is {did.lower()}, failed: {error}"
            raise ApplyFailed(_half_way(plan, what, done)) from error
        live = _with(live, plan, app.app, found)
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
    part: dict[str, list[str]] = {}
    try:
        async with asyncio.timeout(LOOK_PATIENCE):
            live = await read(plan, target)
    except (InfraError, TimeoutError) as error:
        said = f"What was done can't be told ({error or 'no answer'})."
    else:
        changing = [app for app in plan.apps if app.changes]
        found = {app.app: live.deployments.get(app.app) for app in changing}
        done = [app.app for app in changing if _is_done(app, found[app.app])]
        said = _said(plan, done)
        scaled = {app.app: _scaled(app, found[app.app]) for app in changing if app.app not in done}
        part = {name: services for name, services in scaled.items() if services}
    lock = "No lock is left."
    if locks is None:
        lock = "If a lock is left, it ends by itself."
    elif locks:
        lock = f"Still locked: {', '.join(locks)}; `{plan.command('unlock')}` ends that."
    steps = _steps(part)
    return Interrupted(f"interrupted. {said} {lock}\n{steps} To go on, {_way_on(plan)}.")


async def _carry_out(
    plan: Plan,
    app: AppPlan,
    deployment: Deployment | None,
    target: "Target",
    folder: Path,
    scaled: list[str],
) -> None:
    """One App, whose last call makes the change hold; services that only scale join `scaled`."""
    if app.artifact is None:
        if app.base.app_id:
            await target.stop(plan.stack, app.app, app.base.app_id)
        return
    await target.store(app.artifact)
    if deployment and app.is_in_place:
        await _scale(app, deployment, target, scaled)
        await target.point(deployment.app_id, app.artifact.manifest)
        return
    await target.deploy(app.artifact, folder, _tag(app.artifact.manifest, deployment))


async def _scale(app: AppPlan, deployment: Deployment, target: "Target", scaled: list[str]) -> None:
    """Tell the autoscalers; what they are told already holds when the tags move."""
    assert app.artifact
    running = endpoints(app.artifact.manifest, deployment)
    for change in app.changes:
        front_door = app.artifact.manifest.resources[change.address]["routing"]["front_door"]
        settings = {
            "target_concurrency" if path == "routing.target_inputs" else path.split(".")[1]: after
            for path, after in ((field.path, field.after) for field in change.fields)
        }
        await target.scale(
            running[change.address].function_id,
            is_server=front_door == "server",
            settings=settings,
        )
        scaled.append(change.address)


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


def _half_way(
    plan: Plan, what: str, done: Sequence[str], part: Mapping[str, Sequence[str]] = EMPTY
) -> str:
    """
    The message of an apply that has stopped.

    Args:
        plan: What was to be done.
        what: What failed.
        done: The Apps that are done.
        part: By App that was being scaled, the services that are.
    """
    steps = _steps(part)
    mended = f"When the cause is mended, {_way_on(plan)}."
    return "\n".join([what, _said(plan, done), f"{steps} {mended}"])


def _said(plan: Plan, done: Sequence[str]) -> str:
    left = [app.app for app in plan.apps if app.changes and app.app not in done]
    return (
        f"Done before that: {', '.join(done) or 'nothing'}. "
        f"Not done: {', '.join(left) or 'nothing'}."
    )


def _steps(part: Mapping[str, Sequence[str]]) -> str:
    """What an App that is not done may have got of its change."""
    scaled = (
        f"App {app} is scaled service by service, its record last; done so far: "
        f"{', '.join(services) or 'none'}."
        for app, services in part.items()
    )
    return " ".join(scaled) or "Nothing is half-deployed: an App changes in one step, at its end."


def _way_on(plan: Plan) -> str:
    """The command that was run, to run it again."""
    if plan.left_out:
        left_out = ", ".join(plan.left_out)
        return f"plan again with the options that left {left_out} out, then run `infra apply`"
    if plan.rollback:
        [app] = plan.apps
        return f"run `{plan.command('rollback')} {plan.rollback} --app {app.app}`"
    return f"run `{plan.command('destroy' if plan.destroy else 'apply')}`"


async def _read_back(
    plan: Plan, app: AppPlan, before: Deployment | None, target: "Target"
) -> Deployment | None:
    """
    The App as it is now, with a receipt of that stored; only what Modal now says counts.

    Raises:
        InfraError: It is not as it should be, or that can't be told.
    """
    wanted = app.artifact.manifest if app.artifact else None
    found = await target.deployment(app.app, wanted)
    if not _holds(app, found):
        raise InfraError(
            f"its manifest is {base_of(found).fingerprint or 'none'}, and should be "
            f"{wanted.fingerprint if wanted else 'none'}; somebody else deployed it meanwhile; run "
            f"`{plan.command('plan')}` to see what differs"
        )
    if found and app.artifact:
        scaling = next_scaling(before) if before and app.is_in_place else 0
        await target.receipt(plan.stack, found, scaling)
    return found


def _with(live: Live, plan: Plan, app: str, found: Deployment | None) -> Live:
    """The target with one App as it is now, in the plan's order."""
    now = {**live.deployments, app: found}
    order = dict.fromkeys([*(each.app for each in plan.apps), *now])
    return attrs.evolve(live, deployments={name: each for name in order if (each := now.get(name))})


def _is_done(app: AppPlan, deployment: Deployment | None) -> bool:
    """Whether all that the plan has for the App was carried out."""
    if deployment and app.is_in_place:
        return _holds(app, deployment) and len(_scaled(app, deployment)) == len(app.changes)
    # One that would have got its own record again is done when it has another version.
    return _holds(app, deployment) and base_of(deployment) != app.base


def _scaled(app: AppPlan, deployment: Deployment | None) -> list[str]:
    """The services of an App that only scales whose settings are as they should be."""
    if deployment is None or app.artifact is None or not app.is_in_place:
        return []
    manifest = app.artifact.manifest
    now = configurations(manifest, deployment)
    wanted = {each.address: recorded(manifest.resources[each.address]) for each in app.changes}
    return [
        change.address
        for change in app.changes
        if all(
            now.get(change.address, {}).get(field.path) == wanted[change.address].get(field.path)
            for field in change.fields
        )
    ]


def _holds(app: AppPlan, deployment: Deployment | None) -> bool:
    """Whether the App has the record that it should have."""
    wanted = app.artifact.manifest.fingerprint if app.artifact else None
    return base_of(deployment).fingerprint == wanted
