"""What a stack asks for and what is deployed in, everything that an apply would do out."""

import json
from collections import Counter
from collections.abc import Iterator, Sequence
from typing import Any

import attrs

from infra.compile import Artifact
from infra.diff import Action, Change, FieldChange, diff
from infra.errors import InfraError
from infra.live import Deployment, Live
from infra.manifest import Manifest, canonical

FORMAT = "1.0"


@attrs.frozen(kw_only=True)
class Base:
    """
    The deployment that a plan rests on; all None: there was none.

    Attributes:
        app_id: Modal's id.
        version: Modal's count of deployments.
        fingerprint: Of the manifest.
    """

    app_id: str | None = None
    version: int | None = None
    fingerprint: str | None = None


@attrs.frozen(kw_only=True)
class AppPlan:
    """
    What happens to one App.

    Attributes:
        app: Its name.
        base: What it rests on.
        artifact: What will be deployed; None: the App is stopped.
        changes: What that changes; none: the App is left alone.
    """

    app: str
    base: Base
    artifact: Artifact | None
    changes: tuple[Change, ...]


@attrs.frozen(kw_only=True)
class Plan:
    """
    Everything that one apply would do.

    Attributes:
        stack: The stack's name.
        stack_file: Its path as the user wrote it.
        target: ``modal`` or ``local``.
        environment: The Modal environment.
        destroy: Whether it was asked to take everything away.
        apps: In the stack's order, then Apps that the stack does not hold any more.
        obstacles: What stands in the way of an apply: `where: so; allowed; do`.
    """

    stack: str
    stack_file: str
    target: str
    environment: str
    destroy: bool = False
    apps: tuple[AppPlan, ...]
    obstacles: tuple[str, ...] = ()

    def changes(self) -> Iterator[Change]:
        """Every change, the gravest first."""
        order = list(Action)
        everything = [change for app in self.apps for change in app.changes]
        yield from sorted(everything, key=lambda change: order.index(change.action))

    def counts(self) -> Counter[str]:
        """How many resources are added, changed, destroyed and forgotten."""
        counted: Counter[str] = Counter()
        for change in self.changes():
            counted.update(COUNTED[change.action])
        return counted

    def is_empty(self) -> bool:
        """Whether an apply would do nothing."""
        return not any(app.changes for app in self.apps)


COUNTED = {
    Action.CREATE: ("add",),
    Action.UPDATE: ("change",),
    Action.DELETE: ("destroy",),
    Action.REPLACE: ("add", "destroy"),
    Action.FORGET: ("forget",),
}


def make_plan(
    *,
    stack: str,
    stack_file: str,
    artifacts: Sequence[Artifact],
    live: Live,
    destroy: bool = False,
) -> Plan:
    """
    Compare what is wanted with what is deployed.

    Args:
        stack: The stack's name.
        stack_file: Its path, which the plan remembers.
        artifacts: Of the whole stack.
        live: The target, with every App of the stack and every App that it once deployed.
        destroy: Want nothing of it.
    """
    wanted = {artifact.app: artifact for artifact in artifacts}
    names = dict.fromkeys([*wanted, *live.deployments])
    seen: set[str] = set()
    apps, obstacles = [], []
    for name in names:
        artifact = None if destroy else wanted.get(name)
        deployment = live.deployments.get(name)
        if deployment is None and artifact is None:
            continue
        if deployment and deployment.stack != stack:
            obstacles.append(_not_ours(deployment, stack))
            left_alone = AppPlan(app=name, base=base_of(deployment), artifact=artifact, changes=())
            apps.append(left_alone)
            continue
        apps.append(_app_plan(name, artifact, deployment, live, seen))
    obstacles += _missing_secrets(apps, live)
    return Plan(
        stack=stack,
        stack_file=stack_file,
        target=live.target,
        environment=live.environment,
        destroy=destroy,
        apps=tuple(apps),
        obstacles=tuple(obstacles),
    )


def base_of(deployment: Deployment | None) -> Base:
    """What a plan that starts from this deployment rests on."""
    if deployment is None:
        return Base()
    return Base(
        app_id=deployment.app_id,
        version=deployment.version,
        fingerprint=deployment.fingerprint,
    )


def _app_plan(
    name: str,
    artifact: Artifact | None,
    deployment: Deployment | None,
    live: Live,
    seen: set[str],
) -> AppPlan:
    after = artifact.manifest if artifact else None
    if deployment and deployment.manifest is None:
        changes = _without_record(name, after, deployment)
    else:
        before = deployment.manifest if deployment else None
        changes = diff(_really_there(before, live), _not_yet_there(after, live, before))
    # Services share Volumes across Apps: what one App's plan says, the next need not repeat.
    own = tuple(change for change in changes if change.address not in seen)
    seen.update(change.address for change in own if change.address.startswith("volume."))
    return AppPlan(app=name, base=base_of(deployment), artifact=artifact, changes=own)


def _really_there(manifest: Manifest | None, live: Live) -> Manifest | None:
    """The record without the Volumes that were deleted since."""
    if manifest is None:
        return None
    gone = {f"volume.{name}" for name, exists in live.volumes.items() if not exists}
    return _without(manifest, gone)


def _not_yet_there(after: Manifest | None, live: Live, before: Manifest | None) -> Manifest | None:
    """The wish without the Volumes that exist already, though they are in no record."""
    if after is None:
        return None
    recorded = set(before.resources) if before else set()
    there = {f"volume.{name}" for name, exists in live.volumes.items() if exists}
    return _without(after, there - recorded)


def _without(manifest: Manifest, addresses: set[str]) -> Manifest:
    kept = {key: held for key, held in manifest.resources.items() if key not in addresses}
    return attrs.evolve(manifest, resources=kept)


def _without_record(
    name: str, after: Manifest | None, deployment: Deployment
) -> tuple[Change, ...]:
    """An App of ours whose record is lost: deploying it again is all that can be said."""
    lost = FieldChange(
        path="record",
        before=deployment.record_problem,
        after=after.fingerprint if after else None,
    )
    action = Action.UPDATE if after else Action.DELETE
    plain = {"name": name}
    change = Change(
        address=f"app.{name}",
        action=action,
        before=plain,
        after=plain if after else None,
        fields=(lost,),
    )
    return (change,)


def _not_ours(deployment: Deployment, stack: str) -> str:
    owner = f"stack {deployment.stack}" if deployment.stack else "somebody without infra"
    return (
        f"app.{deployment.app}: {owner} has deployed it (version {deployment.version}, by "
        f"{deployment.deployed_by or 'an unknown user'}); stack {stack} may change its own Apps "
        "only; give the App another name, or stop that one with `modal app stop`"
    )


def _missing_secrets(apps: Sequence[AppPlan], live: Live) -> list[str]:
    """Modal would refuse the deployment, after minutes of building images."""
    wanted = {
        address.removeprefix("secret.")
        for app in apps
        if app.artifact and app.changes
        for address in app.artifact.manifest.resources
        if address.startswith("secret.")
    }
    environment = f" --env {live.environment}" if live.environment else ""
    return [
        f"secret.{name}: does not exist in {live.environment or 'the default environment'}; an App "
        "can only be deployed when its Secrets exist; run "
        f"`modal secret create {name} KEY=VALUE{environment}`"
        for name in sorted(wanted)
        if live.secrets.get(name) is False
    ]


def to_json(plan: Plan) -> bytes:
    """The plan as a file that `from_json` reads back."""
    data: dict[str, Any] = {
        "format_version": FORMAT,
        "stack": plan.stack,
        "stack_file": plan.stack_file,
        "target": plan.target,
        "environment": plan.environment,
        "destroy": plan.destroy,
        "apps": [
            {
                "app": app.app,
                "base": attrs.asdict(app.base),
                "artifact": app.artifact
                and {
                    "app": app.artifact.app,
                    "module": app.artifact.module,
                    "source": app.artifact.source,
                    "manifest": attrs.asdict(app.artifact.manifest, recurse=False),
                },
                "changes": [_change_json(change) for change in app.changes],
            }
            for app in plan.apps
        ],
        "obstacles": list(plan.obstacles),
    }
    return canonical(data)


def from_json(text: bytes, name: str) -> Plan:
    """
    Read a saved plan.

    Raises:
        InfraError: The file is no plan, or one of another format.
    """
    try:
        data = json.loads(text)
        if data["format_version"] != FORMAT:
            raise ValueError(f"format {data['format_version']!r}")
        return Plan(
            stack=data["stack"],
            stack_file=data["stack_file"],
            target=data["target"],
            environment=data["environment"],
            destroy=data["destroy"],
            apps=tuple(_app_from_json(app) for app in data["apps"]),
            obstacles=tuple(data["obstacles"]),
        )
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise InfraError(
            f"{name}: can't be read ({type(error).__name__}: {error}); a plan of format {FORMAT} "
            "is allowed; run `infra plan` again"
        ) from error


def _change_json(change: Change) -> dict[str, Any]:
    return {
        "address": change.address,
        "action": change.action.label,
        "before": change.before,
        "after": change.after,
        "fields": [attrs.asdict(field) for field in change.fields],
    }


def _app_from_json(data: dict[str, Any]) -> AppPlan:
    artifact = data["artifact"]
    if artifact is not None:
        artifact = Artifact(**{**artifact, "manifest": Manifest(**artifact["manifest"])})
    actions = {action.label: action for action in Action}
    changes = tuple(
        Change(
            address=change["address"],
            action=actions[change["action"]],
            before=change["before"],
            after=change["after"],
            fields=tuple(FieldChange(**field) for field in change["fields"]),
        )
        for change in data["changes"]
    )
    return AppPlan(app=data["app"], base=Base(**data["base"]), artifact=artifact, changes=changes)
