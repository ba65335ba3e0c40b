"""A stack's Apps and what a command line names of them in, the Apps that it leaves alone out."""

from collections.abc import Collection, Iterable, Sequence

from infra.comparison import services, with_strangers
from infra.compile import Artifact
from infra.errors import UsageError
from infra.live import Live
from infra.plan import Plan
from infra.rules import Report


def left_out(
    artifacts: Sequence[Artifact],
    live: Live,
    stack: str,
    *,
    only: Collection[str] = (),
    exclude: Collection[str] = (),
) -> frozenset[str]:
    """
    The Apps that are left alone; an App is deployed whole, so a service stands for its App.

    Args:
        artifacts: Of the whole stack.
        live: What is deployed of it.
        stack: Its name.
        only: Services whose Apps are kept; none: all.
        exclude: Services whose Apps are left out.

    Raises:
        UsageError: The stack has no service of that name, or an App has one that is asked for and
            one that is excluded.
    """
    if not only and not exclude:
        return frozenset()
    apps = _services(artifacts, live)
    known = sorted({name for names in apps.values() for name in names})
    for name in [*only, *exclude]:
        if name not in known:
            raise UsageError(
                f"{name}: stack {stack} has no service of that name; "
                f"{', '.join(known)} are allowed; name one of them"
            )
    for app, names in apps.items():
        asked, excluded = names & {*only}, names & {*exclude}
        if asked and excluded:
            raise UsageError(
                f"App {app}: {', '.join(sorted(asked))} is asked for and "
                f"{', '.join(sorted(excluded))} is excluded; an App is deployed whole; leave one "
                "of the two options out"
            )
    return frozenset(
        app for app, names in apps.items() if names & {*exclude} or (only and not names & {*only})
    )


def check_whole(plan: Plan, only: Collection[str]) -> None:
    """
    Refuse to change what nobody has asked for.

    Raises:
        UsageError: A service would change together with one that is asked for, and is not.
    """
    for app in plan.apps if only else ():
        addresses = (change.address.partition(".") for change in app.changes)
        changing = {name for kind, _, name in addresses if kind in ("service", "image")}
        if unwanted := sorted(changing - {*only}):
            raise UsageError(
                f"App {app.app}: {', '.join(unwanted)} would change, too; an App is deployed "
                "whole; name them all, or give them Apps of their own"
            )


def about(report: Report, artifacts: Iterable[Artifact], apps: Collection[str]) -> Report:
    """What the rules found, without what they found in the services of some Apps."""
    names = {
        address.removeprefix("service."): each.app
        for each in artifacts
        for address, _ in services(each.manifest)
    }

    def is_kept(where: str) -> bool:
        found = (name for name in names if f"{where}.".startswith(f"{name}."))
        return names.get(max(found, key=len, default="")) not in apps

    return Report(
        findings=tuple(each for each in report.findings if is_kept(each.where)),
        accepted=tuple(each for each in report.accepted if is_kept(each.finding.where)),
    )


def _services(artifacts: Sequence[Artifact], live: Live) -> dict[str, set[str]]:
    """The names of the services by App, those that go as well."""
    wanted = {each.app: each.manifest for each in artifacts}
    found: dict[str, set[str]] = {}
    for app in dict.fromkeys([*wanted, *live.deployments]):
        deployment, manifest = live.deployments.get(app), wanted.get(app)
        held = [manifest] if manifest else []
        held += [with_strangers(deployment, manifest)] if deployment else []
        found[app] = {
            address.removeprefix("service.") for each in held for address, _ in services(each)
        }
    return found
