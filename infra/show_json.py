"""Plans in, the JSON that readers of `terraform show -json` know out."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from importlib.metadata import version
from typing import Any

import attrs

from infra.cost import cost
from infra.diff import Action, Change, Plain
from infra.drift_json import resource_drift
from infra.estimates import Estimate
from infra.forecast_json import accepted_json, cost_json, estimate_json, finding_json
from infra.live import Live, outputs
from infra.manifest import canonical
from infra.plan import Plan
from infra.resource_json import FORMAT, change_json, field_json, keys, resource_json, with_fields
from infra.tiers import REPLACE
from infra.timestamps import timestamp

NO_OP = ["no-op"]
ACTIONS = {
    Action.CREATE: ["create"],
    Action.UPDATE: ["update"],
    Action.DELETE: ["delete"],
    Action.REPLACE: ["delete", "create"],
    Action.FORGET: ["forget"],
}
SEQUENCES = ("steps[", "builds[", "files[")  # of an image; its fields are told as Python calls
UNKNOWN_URL = (["create"], ["delete", "create"])  # Modal tells it when the service is there


def plan_json(
    plans: Sequence[tuple[Plan, Live]], *, errored: bool = False, now: float | None = None
) -> dict[str, Any]:
    """
    The plans as one of Terraform's.

    A single plan has the addresses of its text. Those of several plans begin with
    ``module.<stack>.``, as if each were a module; stacks of one name become ``module.<stack>[0]``
    and so on. An address is there once, but for a service that moves to another App: what is
    destroyed then bears ``deposed``, the name of the App that it leaves.

    Args:
        plans: Each with what it was made from.
        errored: Whether a plan that was asked for could not be made.
        now: Seconds since 1970, for ``timestamp``; None: without one.
    """
    modules = _modules([plan.stack for plan, _ in plans])
    each = [(plan, live, module) for (plan, live), module in zip(plans, modules, strict=True)]
    changes = [list(_changes(plan, module)) for plan, _, module in each]
    data = {
        "format_version": FORMAT,
        "infra_version": version("infra"),
        "resource_changes": [change for found in changes for change in found],
        "resource_drift": [drift for given in each for drift in resource_drift(*given)],
        "output_changes": {
            module + name: change
            for (_, live, module), found in zip(each, changes, strict=True)
            for name, change in _outputs(found, live)
        },
        "checks": [check for plan, _, module in each for check in _checks(plan, module)],
        "errored": errored or any(plan.obstacles for plan, _ in plans),
        "stacks": [_stack(*given) for given in each],
    }
    if now is not None:
        data["timestamp"] = timestamp(now)
    return data


def plan_json_text(
    plans: Sequence[tuple[Plan, Live]], *, errored: bool = False, now: float | None = None
) -> str:
    """What `plan_json` gives, as text: the same bytes on every machine."""
    return canonical(plan_json(plans, errored=errored, now=now)).decode().rstrip("\n")


def _modules(stacks: Sequence[str]) -> list[str]:
    """What the addresses of each plan begin with."""
    if len(stacks) == 1:
        return [""]
    return [
        f"module.{name}."
        if stacks.count(name) == 1
        else f"module.{name}[{stacks[:index].count(name)}]."
        for index, name in enumerate(stacks)
    ]


def _changes(plan: Plan, module: str) -> Iterator[dict[str, Any]]:
    """What changes, the gravest first, then what stays."""
    changes = list(plan.changes())
    arrives = {change.address for change in changes if change.action is Action.CREATE}
    for change in changes:
        # Where Modal reports another value than was recorded, the field has what is live.
        fields = [field for field in change.fields if not field.path.startswith(SEQUENCES)]
        before = with_fields(change.before, fields, "before")
        after = with_fields(change.after, fields, "after")
        entry = resource_json(module, change.address, ACTIONS[change.action], before, after)
        if change.action is Action.DELETE and change.address in arrives:
            entry["deposed"] = next(app.app for app in plan.apps if change in app.changes)
        if change.action is Action.REPLACE:
            paths = (field.path for field in change.fields if field.tier == REPLACE)
            entry["change"]["replace_paths"] = [keys(path) for path in paths]
            entry["action_reason"] = "replace_because_cannot_update"
        elif change.after is None and not plan.destroy:
            entry["action_reason"] = "delete_because_no_resource_config"
        yield entry | _told(change)
    for address, held in _unchanged(plan, {change.address for change in changes}):
        yield resource_json(module, address, NO_OP, held, held)


def _told(change: Change) -> dict[str, Any]:
    """What its lines in the text plan say; of what comes or goes, all fields are in one value."""
    told: dict[str, Any] = {"tier": change.tier, "reason": change.reason}
    if change.before is not None and change.after is not None:
        told["fields"] = [*map(field_json, change.fields)]
    return {key: held for key, held in told.items() if held}


def _unchanged(plan: Plan, changed: set[str]) -> Iterator[tuple[str, Plain]]:
    found: dict[str, Plain] = {}
    for app in plan.apps:
        if app.artifact and app.app not in plan.left_out:
            found[f"app.{app.app}"] = {"name": app.app, "stack": plan.stack}
            found |= app.artifact.manifest.resources
    for address, held in sorted(found.items()):
        if address not in changed and not address.startswith("secret."):
            yield address, held


def _outputs(
    changes: Iterable[Mapping[str, Any]], live: Live
) -> Iterator[tuple[str, dict[str, Any]]]:
    """
    Each service's URL, by the name that `infra outputs` has for it.

    A service that moves to another App is told twice, how it arrives last.
    """
    urls = outputs(live)
    for entry in changes:
        if entry["type"] != "service":
            continue
        change = entry["change"]
        held = change["after"] or change["before"]
        # A service of an App that is not ours is known by its class.
        before = urls.get(entry["name"], urls.get(held["class_name"]))
        is_unknown = change["actions"] in UNKNOWN_URL
        after = None if is_unknown or change["after"] is None else before
        if is_unknown:
            actions = ["create"] if before is None else ["update"]
        else:
            actions = ["delete"] if change["after"] is None else NO_OP
        yield entry["name"], change_json(actions, before, after, is_unknown)


def _checks(plan: Plan, module: str) -> Iterator[dict[str, Any]]:
    """What stands in the way, by what it is about."""
    problems: dict[str, list[str]] = {}
    for obstacle in plan.obstacles:
        where = obstacle.partition(":")[0]
        problems.setdefault(where, []).append(obstacle)
    for where, messages in problems.items():
        address = {"kind": "check", "name": where, "to_display": module + where}
        instance = {
            "address": {"to_display": module + where},
            "status": "fail",
            "problems": [{"message": message} for message in messages],
        }
        yield {"address": address, "status": "fail", "instances": [instance]}


def _stack(plan: Plan, live: Live, module: str) -> dict[str, Any]:
    counts = plan.counts()
    return {
        "stack": plan.stack,
        "module_address": module.rstrip("."),
        "target": plan.target,
        "workspace": live.workspace,
        "environment": plan.environment,
        "commit": plan.commit,
        "destroy": plan.destroy,
        "counts": {name: counts[name] for name in ("add", "change", "destroy", "forget")},
        "left_out": list(plan.left_out),
        "cost": cost_json(cost(plan, live), module),
        "findings": [*map(finding_json, plan.findings)],
        "accepted": [*map(accepted_json, plan.accepted)],
        "estimates": [_estimate(plan, each, module) for each in plan.estimates],
        "apps": [
            {
                "app": app.app,
                "base": attrs.asdict(app.base),
                "tier": app.tier,
                "adopted": app.adopted,
                "cycled": [
                    {"address": module + each.address, "containers": each.containers}
                    for each in app.cycled
                ],
            }
            for app in plan.apps
        ],
    }


def _estimate(plan: Plan, estimate: Estimate, module: str) -> dict[str, Any]:
    """What is expected of a service, with why its kernels are compiled again."""
    plain, service = estimate_json(estimate), estimate.service
    plain["service"] = module + service
    if estimate.start:
        for kernels, held in zip(estimate.start.kernels, plain["start"]["kernels"], strict=True):
            changed = plan.compiled_again_by(service, kernels)
            held["compiled_again_by"] = [each.path for each in changed]
        for download, held in zip(
            estimate.start.downloads, plain["start"]["downloads"], strict=True
        ):
            changed = plan.renewed_by(service, download.depends_on)
            held["needed_by"] = [each.path for each in changed]
    return plain
