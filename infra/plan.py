"""What a stack asks for and what is deployed in, everything that an apply would do out."""

from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import attrs

from infra.comparison import (
    configurations,
    endpoints,
    image_of,
    with_changed_images,
    with_strangers,
)
from infra.compile import Artifact
from infra.diff import Action, Change, FieldChange, diff
from infra.drift import Drift, app_drift
from infra.live import Deployment, Live, service_names
from infra.manifest import Manifest
from infra.obstacles import missing_secrets, not_ours
from infra.reasons import reason
from infra.tiers import IN_PLACE, gravest, is_scaling

if TYPE_CHECKING:
    from infra.estimates import Estimate, Kernels
    from infra.rules import Accepted, Finding, Report


@attrs.frozen(kw_only=True)
class Base:
    """
    The deployment that a plan rests on; all None: there was none.

    Attributes:
        app_id: Modal's id.
        version: Modal's count of deployments.
        fingerprint: Of the manifest.
        autoscalers: By address, what is set of each service's autoscaler, by path: that moves
            without a new version.
    """

    app_id: str | None = None
    version: int | None = None
    fingerprint: str | None = None
    autoscalers: Mapping[str, Mapping[str, Any]] = attrs.field(factory=dict)


@attrs.frozen(kw_only=True)
class Cycled:
    """
    A service that does not change, and whose containers are replaced all the same.

    Attributes:
        address: Such as ``service.qwen3-8b``.
        containers: How many run now, or None where Modal does not say.
    """

    address: str
    containers: int | None


@attrs.frozen(kw_only=True)
class AppPlan:
    """
    What happens to one App.

    Attributes:
        app: Its name.
        base: What it rests on.
        artifact: What will be deployed; None: the App is stopped.
        changes: What that changes; none: the App is left alone.
        drift: What somebody changed since infra deployed it.
        cycled: Services that a new version takes along.
        adopted: Whether infra takes over what somebody else deployed.
    """

    app: str
    base: Base
    artifact: Artifact | None
    changes: tuple[Change, ...] = ()
    drift: tuple[Drift, ...] = ()
    cycled: tuple[Cycled, ...] = ()
    adopted: bool = False

    @property
    def tier(self) -> str | None:
        """The gravest of its changes' tiers."""
        return gravest(change.tier for change in self.changes)

    @property
    def is_in_place(self) -> bool:
        """Whether the App need not be deployed anew."""
        return self.artifact is not None and all(each.tier == IN_PLACE for each in self.changes)


@attrs.frozen(kw_only=True)
class Plan:
    """
    Everything that one apply would do.

    Attributes:
        stack: The stack's name.
        stack_file: Its path as the user wrote it.
        target: ``modal`` or ``local``.
        environment: The Modal environment, or empty: the default one.
        destroy: Whether it was asked to take everything away.
        rollback: The version that its one App goes back to, such as ``v3``; None: it does not.
        apps: In the stack's order, then Apps that the stack does not hold any more.
        obstacles: What stands in the way of an apply: `where: so; allowed; do`.
        commit: Git commit of the checkout, with ``-dirty`` behind it if there were changes beside
            it; None: not known.
        left_out: Apps that would change, and that the command line left out.
        findings: What the rules found; errors are obstacles, too.
        accepted: What they found and the stack accepts, with its reasons.
        estimates: What is expected of the services that get new containers.
    """

    stack: str
    stack_file: str
    target: str
    environment: str
    destroy: bool = False
    rollback: str | None = None
    apps: tuple[AppPlan, ...]
    obstacles: tuple[str, ...] = ()
    commit: str | None = None
    left_out: tuple[str, ...] = ()
    findings: tuple["Finding", ...] = ()
    accepted: tuple["Accepted", ...] = ()
    estimates: tuple["Estimate", ...] = ()

    def changes(self) -> Iterator[Change]:
        """Every change, the gravest first; that of a Volume which Apps share, once."""
        order = list(Action)
        everything = [change for app in self.apps for change in app.changes]
        once = {(change.address, change.action): change for change in reversed(everything)}
        shown = [change for change in everything if once[change.address, change.action] is change]
        yield from sorted(shown, key=lambda change: order.index(change.action))

    def drift(self) -> Iterator[Drift]:
        """Everything that was changed outside of infra, once."""
        drift = (each for app in self.apps for each in app.drift)
        yield from {(each.address, each.what): each for each in drift}.values()

    def counts(self) -> Counter[str]:
        """How many resources are added, changed, destroyed and forgotten."""
        counted: Counter[str] = Counter()
        for change in self.changes():
            counted.update(COUNTED[change.action])
        return counted

    def renewed(self) -> list[str]:
        """The addresses of the services that are created, or get other containers."""
        changed = {
            f"service.{name}": None
            for change in self.changes()
            for kind, _, name in [change.address.partition(".")]
            if kind in ("service", "image") and change.after is not None
            if change.tier != IN_PLACE
        }
        return list(changed)

    def compiled_again_by(self, service: str, kernels: "Kernels") -> list[FieldChange]:
        """
        What changes, so that a service needs other kernels than those that are there already.

        Args:
            service: Its address; one that is created has none yet.
            kernels: Some that it uses.
        """
        if kernels.state == "compiled in every container":
            return []
        return self.renewed_by(service, kernels.depends_on)

    def renewed_by(self, service: str, depends_on: Collection[str]) -> list[FieldChange]:
        """Which of these fields of a service and its image change; of one that is created, none."""
        return [
            field
            for change in self.changes()
            if change.address in (service, image_of(service)) and change.before and change.after
            for field in change.fields
            if _is_renewal(field, depends_on)
        ]

    def command(self, name: str) -> str:
        """The command line that does something else with the stack, at the same place."""
        target = " --target local" if self.target == "local" else ""
        environment = f" --env {self.environment}" if self.environment else ""
        return f"infra {name} {self.stack_file}{target}{environment}"

    def is_empty(self) -> bool:
        """Whether an apply would do nothing."""
        return not any(app.changes for app in self.apps)


def _is_renewal(field: FieldChange, depends_on: Collection[str]) -> bool:
    """Whether a changed field is one of those, and its change means something to them."""
    path = field.path
    if path == "gpu":
        return any(
            each in depends_on and _gpus(field.before, each) != _gpus(field.after, each)
            for each in ("gpu", "gpu architecture")
        )
    # A step that is gone has the number of one that stays.
    is_step_gone = path.startswith("steps[") and field.after is None
    return path.partition("[")[0] in depends_on or (path in depends_on and not is_step_gone)


def _gpus(requests: Iterable[str] | None, what: str) -> set[str]:
    """The types of the GPUs that are asked for, or their compute capabilities."""
    from infra.facts.gpus import gpu  # read only for a plan with estimates

    names = {each.partition(":")[0].rstrip("!+").upper() for each in requests or ()}
    if what == "gpu":
        return names
    return {f"SM {known.sm}" if (known := gpu(name)) else name for name in names}


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
    rollback: str | None = None,
    adopt: bool = False,
    leave: Collection[str] = (),
    commit: str | None = None,
    report: "Report | None" = None,
) -> Plan:
    """
    Compare what is wanted with what is deployed.

    Args:
        stack: The stack's name.
        stack_file: Its path, which the plan remembers.
        artifacts: Of the whole stack.
        live: The target, with every App of the stack and every App that it once deployed.
        destroy: Want nothing of it.
        rollback: The version that the artifact was deployed as; None: it is the stack file's.
        adopt: Take over Apps of these names that somebody else has deployed.
        leave: Apps that are left alone, whatever is wanted of them.
        commit: Git commit of the checkout.
        report: What the rules found in the other Apps; None: they were not asked.
    """
    wanted = {artifact.app: artifact for artifact in artifacts}
    # What another App still uses is not forgotten.
    kept = {key for each in artifacts for key in each.manifest.resources if not destroy}
    apps: list[AppPlan] = []
    obstacles: list[str] = []
    left_out: list[str] = []
    for name in dict.fromkeys([*wanted, *live.deployments]):
        artifact = None if destroy else wanted.get(name)
        deployment = live.deployments.get(name)
        if deployment is None and artifact is None:
            continue
        is_foreign = deployment is not None and deployment.stack != stack
        plan = _app_plan(name, artifact, deployment, live, kept)
        fingerprint = artifact.manifest.fingerprint if artifact else None
        drift = tuple(app_drift(name, live, stack, fingerprint))
        plan = attrs.evolve(plan, drift=drift, adopted=is_foreign)
        if name in leave:
            left_out += [name] if plan.changes else []
            apps.append(attrs.evolve(plan, changes=(), cycled=()))
            continue
        if deployment and is_foreign and (destroy or not adopt):
            obstacles.append(not_ours(deployment, stack, destroy))
            plan = attrs.evolve(plan, changes=() if destroy else plan.changes)
        apps.append(plan)
    obstacles += missing_secrets(apps, live)
    if report and not destroy:
        obstacles += map(as_obstacle, report.errors)
    return Plan(
        stack=stack,
        stack_file=stack_file,
        target=live.target,
        environment=live.environment,
        destroy=destroy,
        rollback=rollback,
        apps=tuple(apps),
        obstacles=tuple(obstacles),
        commit=commit,
        left_out=tuple(left_out),
        findings=report.findings if report and not destroy else (),
        accepted=report.accepted if report and not destroy else (),
    )


def as_obstacle(error: "Finding") -> str:
    """An error among the findings, as it stands among the obstacles."""
    return f"{error.where}: {error.what} ({error.code})"


def base_of(deployment: Deployment | None) -> Base:
    """What a plan that starts from this deployment rests on."""
    if deployment is None:
        return Base()
    names = service_names(deployment)
    settings = {
        f"service.{names[each.name]}": {
            path: value for path, value in each.configuration.items() if is_scaling(path)
        }
        for each in deployment.endpoints
    }
    return Base(
        app_id=deployment.app_id,
        version=deployment.version,
        fingerprint=deployment.fingerprint,
        autoscalers={address: held for address, held in settings.items() if held},
    )


def _app_plan(
    name: str,
    artifact: Artifact | None,
    deployment: Deployment | None,
    live: Live,
    kept: set[str],
) -> AppPlan:
    after = artifact.manifest if artifact else None
    before, now, containers = None, None, {}
    if deployment is not None:
        before, after = with_changed_images(deployment, with_strangers(deployment, after), after)
        running = endpoints(before, deployment)
        containers = {address: each.containers for address, each in running.items()}
        now = configurations(before, deployment)
    found = diff(_really_there(before, live), _not_yet_there(after, live, before), now)
    changes = tuple(
        attrs.evolve(change, reason=reason(change, containers, after))
        for change in found
        if change.action is not Action.FORGET or change.address not in kept
    )
    tier = gravest(change.tier for change in changes)
    cycles = deployment is not None and after is not None and tier not in (None, IN_PLACE)
    changed = {change.address for change in changes}
    untouched = [each for each in containers if not {each, image_of(each)} & changed]
    return AppPlan(
        app=name,
        base=base_of(deployment),
        artifact=artifact,
        changes=changes,
        cycled=tuple(
            Cycled(address=address, containers=containers[address])
            for address in untouched
            if cycles
        ),
    )


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
