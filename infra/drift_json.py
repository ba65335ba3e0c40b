"""What was changed outside of infra in, Terraform's list of it out."""

from collections.abc import Iterator, Sequence
from typing import Any

from infra.diff import FieldChange, Plain
from infra.drift import Drift
from infra.live import Deployment, Live
from infra.plan import Plan
from infra.resource_json import FORMAT, field_json, resource_json, with_fields
from infra.state_json import heading_json
from infra.timestamps import timestamp


def drift_json(plan: Plan, live: Live, now: float) -> dict[str, Any]:
    """
    What was changed outside of infra; ``infra/schemas/drift.schema.json`` describes it.

    To readers of Terraform's plans it is one that only looks (``-refresh-only``).

    Args:
        plan: Of one stack.
        live: What it was made from.
        now: Seconds since 1970.
    """
    return {
        "format_version": FORMAT,
        **heading_json(live, plan.stack, now),
        "resource_drift": [*resource_drift(plan, live)],
    }


def resource_drift(plan: Plan, live: Live, module: str = "") -> Iterator[dict[str, Any]]:
    """What somebody changed, once for each object, however much happened to it."""
    found: dict[str, list[Drift]] = {}
    for each in plan.drift():
        found.setdefault(each.address, []).append(each)
    apps = {each.address: app.app for app in plan.apps for each in app.drift}
    for address, drifts in found.items():
        fields = [field for each in drifts for field in each.fields]
        before, after = _recorded_and_live(address, fields, live.deployments.get(apps[address]))
        actions = ["create"] if before is None else ["delete"] if after is None else ["update"]
        yield {
            **resource_json(module, address, actions, before, after),
            "events": [_event(each) for each in drifts],
            "fields": [*map(field_json, fields)],
        }


def _recorded_and_live(
    address: str, fields: Sequence[FieldChange], deployment: Deployment | None
) -> tuple[Plain | None, Plain | None]:
    """
    An object that somebody changed, as infra left it and as it is.

    | object  | recorded | differs in fields | meaning   |
    |---------|----------|-------------------|-----------|
    | App     | -        | -                 | it stays, but for one that is not deployed any more |
    | other   | yes      | yes               | changed   |
    | other   | yes      | no                | gone      |
    | other   | no       | -                 | added     |
    """
    kind, _, name = address.partition(".")
    named = {"name": name}
    if kind == "app":
        return named, named if deployment else None
    manifest = deployment.manifest if deployment else None
    record = manifest.resources.get(address) if manifest else None
    if record is None:
        return None, named
    after = with_fields(record, fields, "after") if fields else None
    return with_fields(record, fields, "before"), after


def _event(drift: Drift) -> dict[str, str]:
    at = "" if drift.at is None else timestamp(drift.at)
    told = {"what": drift.what, "by": drift.by, "at": at}
    return {key: held for key, held in told.items() if held}
