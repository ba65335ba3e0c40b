"""What is deployed in, its text for people out."""

from collections.abc import Iterator, Mapping, Sequence

from infra.live import Deployment, Live, outputs, service_names
from infra.past import Version, version_name
from infra.text import Style, ago, plain, table


def status_text(
    live: Live, stack: str, apps: Sequence[str], now: float, style: Style = plain
) -> str:
    """What is deployed, one line per service."""
    lines = [where_text(stack, live)]
    names = list(dict.fromkeys([*apps, *live.deployments]))
    rows = [row for name in names for row in _status_rows(name, live.deployments.get(name), now)]
    header = ("APP", "SERVICE", "VERSION", "CONTAINERS", "DEPLOYED", "URL")
    return "\n\n".join([*lines, table([header, *rows], style.width)])


def outputs_text(live: Live) -> str:
    """Each service's URL."""
    rows = [(f"  {name}", url or "(no URL)") for name, url in outputs(live).items()]
    return "\n".join(["Services:", table(rows)]) if rows else ""


def history_text(
    versions: Mapping[str, Sequence[Version]], now: float, style: Style = plain
) -> str:
    """Deployments, a table per App."""
    blocks = []
    for app, rows in versions.items():
        cells = [("VERSION", "DEPLOYED", "BY", "COMMIT", "FINGERPRINT", "WHAT")]
        for each in rows:
            commit = f"{each.commit[:7]}{'*' if each.dirty else ''}" if each.commit else "-"
            fingerprint = each.fingerprint[:12] if each.fingerprint else "-"
            when = ago(now - each.at)
            name = version_name(each.version, each.scaling)
            cells.append((name, when, each.by or "-", commit, fingerprint, each.what))
        blocks.append(
            f"App {app}\n{table(cells, style.width)}" if rows else f"App {app}: not deployed"
        )
    return "\n\n".join(blocks)


def deployment_text(deployment: Deployment | None, now: float) -> str:
    """Which version is up, since when, by whom, from which commit."""
    if deployment is None:
        return "not deployed"
    newest, commit = deployment.newest, ""
    if newest.commit:
        commit = f" from {newest.commit[:7]} ({'dirty' if newest.dirty else 'clean'})"
    by = f" by {newest.by}" if newest.by else ""
    if deployment.stack and not newest.tag and newest.rolled_back_to is None:
        by += " with `modal deploy`"
    return f"v{newest.version}, deployed {ago(now - newest.at)}{by}{commit}"


def where_text(stack: str, live: Live) -> str:
    """Which stack this is about, and where it is."""
    environment = live.environment or "(default)"
    return f"Stack {stack} on {live.target}: workspace {live.workspace}, environment {environment}"


def _status_rows(name: str, deployment: Deployment | None, now: float) -> Iterator[tuple[str, ...]]:
    if deployment is None:
        yield (name, "-", "-", "-", "not deployed", "-")
        return
    names = service_names(deployment)
    for endpoint in deployment.endpoints:
        containers = "?" if endpoint.containers is None else str(endpoint.containers)
        when = f"{ago(now - deployment.newest.at)} by {deployment.newest.by or '?'}"
        version = f"v{deployment.version}"
        yield (name, names[endpoint.name], version, containers, when, endpoint.url or "-")
