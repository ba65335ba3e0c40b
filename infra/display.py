"""A plan or a state in, its text for people out; nothing is decided here."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

from infra.diff import Action, Change, FieldChange
from infra.generated import unified_diff
from infra.live import Deployment, Live
from infra.plan import Plan
from infra.spell import one_line

Style = Callable[[str, str], str]  # a text and the name of its colour in, the text to print out

COLOURS = {
    Action.DELETE: "red",
    Action.REPLACE: "magenta",
    Action.UPDATE: "yellow",
    Action.CREATE: "green",
    Action.FORGET: "cyan",
}
UNSET = "(unset)"


def plain(text: str, colour: str) -> str:
    """The style of files, pipes and NO_COLOR."""
    return text


def plan_text(plan: Plan, live: Live, now: float, style: Style = plain) -> str:
    """
    The whole plan.

    Args:
        plan: What would be done.
        live: What it was made from.
        now: Seconds since 1970, to say how long ago something was.
        style: Colours, or none.
    """
    details = []
    if not plan.is_empty():
        details = [_legend(plan, style), *(_change(change, style) for change in plan.changes())]
    return "\n\n".join(
        [_header(plan, live, now), *details, *_obstacles(plan, style), summary(plan, style)]
    )


def list_text(plan: Plan, live: Live, now: float, style: Style = plain) -> str:
    """The plan without its details: for whoever has seen them, and for the end of a long log."""
    lines = [
        f"{style(change.action.symbol.rjust(5), COLOURS[change.action])} {change.address}"
        for change in plan.changes()
    ]
    blocks = ["\n".join(lines)] if lines else []
    return "\n\n".join(
        [_header(plan, live, now), *blocks, *_obstacles(plan, style), summary(plan, style)]
    )


def summary(plan: Plan, style: Style = plain) -> str:
    """The last line, in words that tools which read Terraform's output look for."""
    if plan.is_empty() and not plan.obstacles:
        if plan.destroy:
            return "No changes. Nothing of this stack is deployed."
        return "No changes. Your infrastructure matches the configuration."
    counts = plan.counts()
    forget = f", {counts['forget']} to forget" if counts["forget"] else ""
    return style(
        f"Plan: {counts['add']} to add, {counts['change']} to change, "
        f"{counts['destroy']} to destroy{forget}.",
        "bold",
    )


def module_diffs(plan: Plan, deployed: Mapping[str, str]) -> str:
    """
    What changes in the generated modules, as unified diffs.

    Args:
        plan: What would be done.
        deployed: The text that is there now, by App; an App that has none is missing.
    """
    diffs = (
        unified_diff(
            deployed.get(app.app, ""), app.artifact.source if app.artifact else "", f"{app.app}.py"
        )
        for app in plan.apps
    )
    return "\n".join(diff for diff in diffs if diff)


def status_text(live: Live, stack: str, apps: Sequence[str], now: float) -> str:
    """What is deployed, one line per service."""
    lines = [_where(stack, live)]
    names = list(dict.fromkeys([*apps, *live.deployments]))
    rows = [row for name in names for row in _status_rows(name, live.deployments.get(name), now)]
    header = ("APP", "SERVICE", "VERSION", "CONTAINERS", "DEPLOYED", "URL")
    return "\n\n".join([*lines, table([header, *rows])])


def outputs_text(live: Live, apps: Sequence[str]) -> str:
    """Each service's URL."""
    rows = [
        (f"  {endpoint.name}", endpoint.url or "(no URL)")
        for app in apps
        if app in live.deployments
        for endpoint in live.deployments[app].endpoints
    ]
    return "\n".join(["Services:", table(rows)]) if rows else ""


def table(rows: Sequence[Sequence[str]]) -> str:
    """Columns as wide as their widest cell."""
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return "\n".join(
        "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()
        for row in rows
    )


def ago(seconds: float) -> str:
    """How long that is, in the one unit that tells most."""
    for size, unit in ((86400, "d"), (3600, "h"), (60, "min")):
        if seconds >= size:
            return f"{int(seconds // size)} {unit} ago"
    return "just now"


def deployment_text(deployment: Deployment | None, now: float) -> str:
    """Which version is up, since when, by whom, from which commit."""
    if deployment is None:
        return "not deployed"
    commit = ""
    if deployment.commit:
        state = "dirty" if deployment.dirty else "clean"
        commit = f" from {deployment.commit[:7]} ({state})"
    by = f" by {deployment.deployed_by}" if deployment.deployed_by else ""
    return f"v{deployment.version}, deployed {ago(now - deployment.deployed_at)}{by}{commit}"


def _where(stack: str, live: Live) -> str:
    environment = live.environment or "(default)"
    return f"Stack {stack} on {live.target}: workspace {live.workspace}, environment {environment}"


def _header(plan: Plan, live: Live, now: float) -> str:
    lines = [_where(plan.stack, live)]
    for app in plan.apps:
        lines.append(f"App {app.app}: {deployment_text(live.deployments.get(app.app), now)}")
    return "\n".join(lines)


def _obstacles(plan: Plan, style: Style) -> list[str]:
    if not plan.obstacles:
        return []
    head = style("Error: this plan can't be applied", "red")
    return ["\n".join([head, *(f"  - {each}" for each in plan.obstacles)])]


def _legend(plan: Plan, style: Style) -> str:
    words = {
        Action.CREATE: "create",
        Action.UPDATE: "update in-place (before -> after)",
        Action.DELETE: "destroy",
        Action.REPLACE: "destroy and then create replacement",
        Action.FORGET: "no longer use, but keep",
    }
    used = {change.action for change in plan.changes()}
    lines = ["infra will perform the following actions:"]
    lines += [
        f"  {style(action.symbol.rjust(3), COLOURS[action])} {text}"
        for action, text in words.items()
        if action in used
    ]
    return "\n".join(lines)


def _change(change: Change, style: Style) -> str:
    colour = COLOURS[change.action]
    head = f"  # {change.address} {change.action.sentence}"
    lines = [style(head, "bold")]
    symbol = style(change.action.symbol.rjust(3), colour)
    lines.append(f"{symbol} {change.address}")
    if change.action not in (Action.DELETE, Action.FORGET):
        lines += _fields(change.fields, style)
    return "\n".join(lines)


def _fields(fields: Sequence[FieldChange], style: Style) -> Iterator[str]:
    width = max((len(field.path) for field in fields), default=0)
    for field in fields:
        if field.before is None:
            symbol, text = style("+", "green"), value_text(field.after)
        elif field.after is None:
            symbol, text = style("-", "red"), f"{value_text(field.before)} -> {UNSET}"
        else:
            symbol = style("~", "yellow")
            text = f"{value_text(field.before)} -> {value_text(field.after)}"
        notes = [f"follows {field.follows}"] if field.follows else []
        notes += ["forces replacement"] if field.replaces else []
        note = f"  # {', '.join(notes)}" if notes else ""
        yield f"      {symbol} {field.path.ljust(width)}  {text}{note}"


def value_text(value: Any) -> str:
    """A value on one line; a string stands bare where that can't be misread."""
    if value is True:
        return "on"
    if value is False:
        return "off"
    if isinstance(value, str):
        bare = value.isprintable() and value == value.strip() and value
        return value if bare else one_line(value)
    if isinstance(value, list) and all(isinstance(each, str) for each in value):
        return ", ".join(map(value_text, value))
    return one_line(value)


def _status_rows(name: str, deployment: Deployment | None, now: float) -> Iterator[tuple[str, ...]]:
    if deployment is None:
        yield (name, "-", "-", "-", "not deployed", "-")
        return
    for endpoint in deployment.endpoints:
        containers = "?" if endpoint.containers is None else str(endpoint.containers)
        when = f"{ago(now - deployment.deployed_at)} by {deployment.deployed_by or '?'}"
        version = f"v{deployment.version}"
        yield (name, endpoint.name, version, containers, when, endpoint.url or "-")
