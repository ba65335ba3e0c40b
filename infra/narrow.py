"""A plan in, the same plan without the Apps that were left out."""

from collections.abc import Iterable

import attrs

from infra.errors import UsageError
from infra.plan import AppPlan, Plan


def narrow(plan: Plan, *, only: Iterable[str] = (), exclude: Iterable[str] = ()) -> Plan:
    """
    Leave Apps alone.

    An App is deployed whole, so a service stands for its App.

    Args:
        plan: Of the whole stack.
        only: Services whose Apps are kept; none: all.
        exclude: Services whose Apps are left out.

    Raises:
        UsageError: The stack has no service of that name, or an App has one that is asked for
            and one that is not, and both change.
    """
    only, exclude = list(only), list(exclude)
    if not only and not exclude:
        return plan
    known = {name for app in plan.apps for name in _services(app)}
    for name in [*only, *exclude]:
        if name not in known:
            raise UsageError(
                f"{name}: stack {plan.stack} has no service of that name; "
                f"{', '.join(sorted(known))} are allowed; name one of them"
            )
    apps = tuple(_narrowed(app, only, exclude) for app in plan.apps)
    left_out = tuple(app.app for app in plan.apps if app.changes and app not in apps)
    return attrs.evolve(plan, apps=apps, left_out=left_out)


def _narrowed(app: AppPlan, only: list[str], exclude: list[str]) -> AppPlan:
    services = _services(app)
    wanted = {name for name in services if (not only or name in only) and name not in exclude}
    changing = {
        change.address.partition(".")[2]
        for change in app.changes
        if change.address.partition(".")[0] in ("service", "image")
    }
    unwanted = sorted(changing - wanted)
    if not wanted:
        return attrs.evolve(app, changes=(), cycled=())
    if changing & wanted and unwanted:
        raise UsageError(
            f"App {app.app}: {', '.join(sorted(changing & wanted))} would change together with "
            f"{', '.join(unwanted)}; an App is deployed whole; name them all, or give them Apps "
            "of their own"
        )
    return app


def _services(app: AppPlan) -> list[str]:
    """The names of an App's services, those that go as well."""
    resources = app.artifact.manifest.resources if app.artifact else {}
    addresses = [*resources, *(change.address for change in app.changes)]
    found = (address.partition(".") for address in addresses)
    return list(dict.fromkeys(name for kind, _, name in found if kind == "service"))
