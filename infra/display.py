"""A plan in, its text for people out; nothing is decided here."""

from collections.abc import Iterable, Iterator, Mapping, Sequence

from infra.cost import cost, together
from infra.diff import Action, Change, FieldChange
from infra.display_cost import cost_text, floor_month_text, floor_text
from infra.display_findings import findings_text
from infra.display_state import deployment_text, outputs_text, where_text
from infra.drift import Drift
from infra.generated import unified_diff
from infra.live import Live
from infra.plan import Plan, as_obstacle
from infra.text import NARROWEST, Style, ago, plain, table, value_text, wrapped
from infra.tiers import REPLACE, gravest

COLOURS = {
    Action.DELETE: "red",
    Action.REPLACE: "magenta",
    Action.UPDATE: "yellow",
    Action.CREATE: "green",
    Action.FORGET: "cyan",
}


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
    blocks = [_header(plan, live, now, style), *drift_blocks(plan.drift(), now, style), *details]
    if plan.estimates:
        from infra.display_estimates import estimates_text

        blocks.append(estimates_text(plan, style))
    price = cost_text(cost(plan, live), style)
    does_something = bool(details or plan.obstacles)
    return "\n\n".join([*blocks, *_ending(plan, price, style, reasons=does_something)])


def list_text(plan: Plan, live: Live, now: float, style: Style = plain) -> str:
    """The plan without its details, for whoever has seen them."""
    blocks = [
        _header(plan, live, now, style),
        *([_list(plan, style)] if not plan.is_empty() else []),
    ]
    price = floor_text(cost(plan, live), style)
    return "\n\n".join([*blocks, *_ending(plan, price, style, reasons=False)])


def drift_blocks(drift: Iterable[Drift], now: float, style: Style = plain) -> list[str]:
    """What was changed outside of infra, if anything."""
    items = [_drift(each, now, style) for each in drift]
    if not items:
        return []
    return [style("Note: Objects have changed outside of infra", "bold"), *items]


def _ending(plan: Plan, price: str, style: Style, *, reasons: bool) -> list[str]:
    findings = findings_text(plan, style, reasons=reasons)
    notes = (wrapped(each, style.width, 2) for each in (*_cycled(plan), *_left_out(plan)))
    blocks = [*notes, price, findings]
    return [*filter(None, blocks), *_obstacles(plan, style), summary(plan, style)]


def _list(plan: Plan, style: Style) -> str:
    return "\n".join(
        f"{style(change.action.symbol.rjust(5), COLOURS[change.action])} {change.address}"
        for change in plan.changes()
    )


def _drift(drift: Drift, now: float, style: Style) -> str:
    by = f" by {drift.by}" if drift.by else ""
    at = f", {ago(now - drift.at)}" if drift.at else ""
    width = max((len(field.path) for field in drift.fields), default=0)
    lines = [style(f"  # {drift.address} {drift.what}{by}{at}", "bold")]
    lines += [
        _field("~", "yellow", field.path.ljust(width), _arrow(field), style)
        for field in drift.fields
    ]
    return "\n".join(lines)


def _cycled(plan: Plan) -> Iterator[str]:
    """Services that a new version takes along."""
    for app in plan.apps:
        if app.cycled:
            services = ", ".join(
                f"{each.address} ({'?' if each.containers is None else each.containers} running)"
                for each in app.cycled
            )
            yield (
                f"App {app.app}: a new version also replaces the containers of what does not "
                f"change: {services}"
            )


def summary(plan: Plan, style: Style = plain) -> str:
    """The last line, in words that tools which read Terraform's output look for."""
    if plan.is_empty() and not plan.obstacles:
        if plan.destroy:
            return "No changes. Nothing of this stack is deployed."
        if plan.left_out:
            return "No changes. What would change was left out."
        return "No changes. Your infrastructure matches the configuration."
    counts = plan.counts()
    forget = f", {counts['forget']} to forget" if counts["forget"] else ""
    return style(
        f"Plan: {counts['add']} to add, {counts['change']} to change, "
        f"{counts['destroy']} to destroy{forget}.",
        "bold",
    )


def module_diffs(plan: Plan, deployed: Mapping[str, str], only: str | None = None) -> str:
    """
    What changes in the generated modules, as unified diffs.

    Args:
        plan: What would be done.
        deployed: The text that is there now, by App; an App that has none is missing.
        only: The one App to tell of; None: all of them.
    """
    diffs = (
        unified_diff(
            deployed.get(app.app, ""), app.artifact.source if app.artifact else "", f"{app.app}.py"
        )
        for app in plan.apps
        if only in (None, app.app)
    )
    return "\n".join(diff for diff in diffs if diff)


def done_text(plan: Plan, live: Live) -> str:
    """What an apply has done, in words that tools which read Terraform's output look for."""
    counts = plan.counts()
    if plan.destroy:
        return f"Destroy complete! Resources: {counts['destroy']} destroyed."
    done = (
        f"Apply complete! Resources: {counts['add']} added, {counts['change']} changed, "
        f"{counts['destroy']} destroyed."
    )
    return "\n\n".join([done, outputs_text(live)])


def drift_text(
    plan: Plan, drift: Sequence[Drift], live: Live, now: float, style: Style = plain
) -> str:
    """What was changed outside of infra, and what can be done about it."""
    if not drift:
        return "\n\n".join(
            [_header(plan, live, now, style), "No drift. What is deployed is as infra left it."]
        )
    advice = wrapped(
        f"`{plan.command('apply')}` brings back what the stack file says; to keep a change, write "
        "it there.",
        style.width,
    )
    return "\n\n".join([_header(plan, live, now, style), *drift_blocks(drift, now, style), advice])


def plans_table(
    plans: Sequence[tuple[Plan, Live]], failures: Sequence[str], style: Style = plain
) -> str:
    """
    Several stacks, a line each, and what always runs in all of them.

    Args:
        plans: Each with what it was made from.
        failures: The files of which there is no plan.
        style: The width, or none.
    """
    head = ("STACK", "ADD", "CHANGE", "DESTROY", "DRIFT", "FLOOR USD/MONTH", "RESULT")
    rows: list[tuple[str, ...]] = [head]
    prices = [cost(plan, live) for plan, live in plans]
    for (plan, _), price in zip(plans, prices, strict=True):
        counts = plan.counts()
        result = "can't be applied" if plan.obstacles else plan_result(plan)
        numbers = (str(counts[each]) for each in ("add", "change", "destroy"))
        drift = str(len([*plan.drift()]))
        rows.append((plan.stack_file, *numbers, drift, floor_month_text(price), result))
    rows += [(name, *"----", "-", "error") for name in failures]
    if len(prices) > 1:
        rows.append(("total", "", "", "", "", floor_month_text(together(prices)), ""))
    return table(rows, style.width)


def plan_result(plan: Plan) -> str:
    """A plan in a word or two: the gravest that happens."""
    if plan.is_empty():
        return "left out" if plan.left_out else "no changes"
    if all(change.action is Action.CREATE for change in plan.changes()):
        return "new"
    return gravest(app.tier for app in plan.apps) or "changes"


def _header(plan: Plan, live: Live, now: float, style: Style) -> str:
    lines = [where_text(plan.stack, live)]
    for app in plan.apps:
        lines.append(f"App {app.app}: {deployment_text(live.deployments.get(app.app), now)}")
    return "\n".join(wrapped(line, style.width, 2) for line in lines)


def _left_out(plan: Plan) -> list[str]:
    if not plan.left_out:
        return []
    return [f"Left out by the command line, though they would change: {', '.join(plan.left_out)}"]


def _obstacles(plan: Plan, style: Style) -> list[str]:
    if not plan.obstacles:
        return []
    head = style("Error: this plan can't be applied", "red")
    errors = {as_obstacle(each): each.code for each in plan.findings if each.severity == "error"}
    told = [each for each in plan.obstacles if each not in errors]
    if errors:
        told.append(f"errors among the findings: {', '.join(dict.fromkeys(errors.values()))}")
    items = (wrapped(f"  - {each}", style.width, 4) for each in told)
    return ["\n".join([head, *items])]


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
    lines = [style(f"  # {change.address} {change.action.sentence}", "bold")]
    reason = f"  # {change.reason}" if change.reason else ""
    symbol = change.action.symbol.rjust(3)
    line = wrapped(f"{symbol} {change.address}{reason}", style.width, 6)
    lines.append(f"{style(symbol, colour)}{line[len(symbol) :]}")
    if change.action not in (Action.DELETE, Action.FORGET):
        lines += _fields(change, style)
    return "\n".join(lines)


def _fields(change: Change, style: Style) -> Iterator[str]:
    width = max((len(field.path) for field in change.fields), default=0)
    for field in change.fields:
        if field.before is None:
            symbol, colour, text = "+", "green", value_text(field.after)
        elif field.after is None:
            symbol, colour, text = "-", "red", _arrow(field)
        else:
            symbol, colour, text = "~", "yellow", _arrow(field)
        if notes := ", ".join(_notes(field, change)):
            text += f"  # {notes}"
        yield _field(symbol, colour, field.path.ljust(width), text, style)


def _field(symbol: str, colour: str, path: str, text: str, style: Style) -> str:
    line, width = f"      {symbol} {path}  {text}", style.width
    hanging = len(line) - len(text)
    longest = max(map(len, text.split()), default=0)
    if width and len(line) > width and width - hanging < max(NARROWEST, longest):
        line, hanging = f"      {symbol} {path.rstrip()}  {text}", 10
    line = wrapped(line, width, hanging)
    return f"      {style(symbol, colour)}{line[7:]}"


def _notes(field: FieldChange, change: Change) -> Iterator[str]:
    if field.follows:
        yield f"follows {field.follows}"
    if field.already:
        yield "already so; only the record is behind"
    elif field.drifted:
        yield f"was {value_text(field.was)} when infra left it"
    if field.tier == REPLACE:
        yield "forces replacement"
    elif field.tier and field.tier != change.tier:
        yield field.tier


def _arrow(field: FieldChange) -> str:
    return f"{value_text(field.before)} -> {value_text(field.after)}"
