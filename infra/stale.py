"""A plan and its target by now in, a refusal out where the plan was made for another one."""

from collections.abc import Iterator

import attrs

from infra.errors import StalePlan
from infra.live import Deployment, Live, service_names
from infra.plan import Base, Plan, base_of
from infra.text import value_text


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
                    f"Nothing was changed. Run `{plan.command('plan')}` again.",
                ]
            )
        )


def _moved(name: str, base: Base, deployment: Deployment | None) -> Iterator[str]:
    now = base_of(deployment)
    if deployment and attrs.evolve(now, autoscalers=base.autoscalers) == base:
        yield from _rescaled(base, now, deployment)
        return
    by = f", deployed by {deployment.newest.by}" if deployment else ""
    for field, before, after in (
        ("app id", base.app_id, now.app_id),
        ("version", base.version and f"v{base.version}", now.version and f"v{now.version}"),
        ("fingerprint", (base.fingerprint or "")[:12], (now.fingerprint or "")[:12]),
    ):
        if before != after:
            yield f"app.{name}: {field} was {before or 'none'}, is {after or 'none'} now{by}"


def _rescaled(base: Base, now: Base, deployment: Deployment) -> Iterator[str]:
    """What somebody has set of autoscalers, where nobody has deployed."""
    names = service_names(deployment)
    overrides = {f"service.{names[each.name]}": each.overrides for each in deployment.endpoints}
    for address in dict.fromkeys([*base.autoscalers, *now.autoscalers]):
        was, held = (each.autoscalers.get(address, {}) for each in (base, now))
        for path in dict.fromkeys([*was, *held]):
            if was.get(path) != held.get(path):
                override = overrides.get(address, {}).get(path)
                by = f", set by {override.by}" if override and override.by else ""
                values = f"was {value_text(was.get(path))}, is {value_text(held.get(path))} now"
                yield f"{address}: {path} {values}{by}"
