"""What a plan costs in, its text for people out."""

from collections.abc import Callable
from textwrap import indent

from infra.cost import Cost, Price, Range, ServiceCost
from infra.text import Style, plain, table_rows, wrapped

UNKNOWN = "price not known"
UNLIMITED = "no ceiling"


def cost_text(found: Cost, style: Style = plain) -> str:
    """
    The services whose cost changes, the others together, the sum; or empty, if there is none.

    Where no cost changes, or all goes away, that is one line.
    """
    changed = [each for each in found.services if each.before != each.after]
    if not any(each.after for each in changed):
        return floor_text(found, style)
    rows = [("", "floor", "one replica", "ceiling"), *map(_row, changed)]
    rest = len(found.services) - len(changed)
    if len(found.services) > 1:
        others = f" (and {rest} that {'stays' if rest == 1 else 'stay'})" if rest else ""
        rows.append((f"total{others}", floor_figures(found), "", ""))
    shown = table_rows(rows, style.within(2).width, has_head=True)
    head, *lines = (indent(row, "  ") for row in shown)
    title = wrapped(f"Cost in USD per hour (per month), {found.rates.source}", style.width, 4)
    title = style(title, "bold")
    floors = [found.floor_before != found.floor_after] if len(found.services) > 1 else []
    marks = [_floor_of(each.before) != _floor_of(each.after) for each in changed] + floors
    lines = [
        style(line, "yellow") if marked else line for line, marked in zip(lines, marks, strict=True)
    ]
    return "\n".join(filter(None, [title, head, *lines]))


def floor_text(found: Cost, style: Style = plain) -> str:
    """What always runs costs, before and after, in one line; empty: there is no service."""
    if not found.services:
        return ""
    colour = "yellow" if found.floor_before != found.floor_after else ""
    text = f"Floor in USD per hour (per month): {floor_figures(found)}, {found.rates.source}"
    text = wrapped(text, style.width, 4)
    return style(text, colour) if colour else text


def floor_figures(found: Cost) -> str:
    """What always runs costs, before and after, per hour and per month."""
    return _money(found.floor_before, found.floor_after)


def floor_month_text(found: Cost) -> str:
    """The same per month, without its source."""
    return arrow(month_text(found.floor_before), month_text(found.floor_after))


def month_text(found: Range | None) -> str:
    """USD per month."""
    return UNKNOWN if found is None else _figures(found.per_month(), "{:,.0f}")


def hour_text(found: Range | None) -> str:
    """USD per hour."""
    return UNKNOWN if found is None else _figures(found, "{:,.2f}")


def arrow(before: str, after: str) -> str:
    """Both, or the one that they are."""
    return after if before == after else f"{before} -> {after}"


def _row(service: ServiceCost) -> tuple[str, str, str, str]:
    before, after = service.before, service.after
    return (
        service.address,
        _money(_floor_of(before), _floor_of(after)),
        _cell(before, after, _replica_text),
        _cell(before, after, _ceiling_text),
    )


def _cell(before: Price | None, after: Price | None, show: Callable[[Price], str]) -> str:
    """What stays is said once; of what comes or goes, the one figure that there is."""
    return arrow(*(show(each) for each in (before or after, after or before) if each))


def _floor_of(price: Price | None) -> Range | None:
    return Range(0, 0) if price is None else price.floor


def _replica_text(price: Price) -> str:
    if price.replica is None:
        return f"{UNKNOWN} of {', '.join(price.unknown)}"
    return _money(price.replica, price.replica)


def _ceiling_text(price: Price) -> str:
    return UNLIMITED if price.most is None else _money(price.ceiling, price.ceiling)


def _money(before: Range | None, after: Range | None) -> str:
    """Per hour, and per month in parentheses."""
    if before is None and after is None:
        return UNKNOWN
    hours = arrow(hour_text(before), hour_text(after))
    months = [month_text(each) for each in (before, after) if each is not None]
    month = arrow(months[0], months[-1])
    return hours if month == "0" else f"{hours} ({month})"


def _figures(found: Range, form: str) -> str:
    low, high = (form.format(each) if each else "0" for each in (found.low, found.high))
    return low if low == high else f"{low} to {high}"
