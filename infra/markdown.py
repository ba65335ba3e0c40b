"""Plans in, a comment for a pull request out, which no text of a stack's can break."""

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from html import escape

import attrs

from infra.cost import cost
from infra.diff import Action
from infra.display import plan_result, plan_text, summary
from infra.display_cost import floor_figures, floor_month_text
from infra.display_findings import findings_count, findings_text, grouped
from infra.live import Live
from infra.plan import Plan
from infra.rules import SEVERITIES

LIMIT = 60_000  # characters; GitHub takes 65,536, and a workflow may add lines of its own
ITEMS = 10  # of a list above the folds; a longer one is read in the plan
STACKS = 30  # rows of the table
WORDS = 400  # characters of an item
NAME = 64  # characters of a name; Modal's are not longer
FOLD = 1000  # characters; with less in it, a fold is not worth opening
LAST = 100  # characters for the line that says how many folds there are besides
# A line of a plan: its indentation, its symbol, the rest.
SYMBOL = re.compile(r"( *)(-/\+|[-+~])( .*)")

Planned = Sequence[tuple[Plan, Live]]
Fold = tuple[str, str]  # the title as HTML, the lines of a diff


def markdown(
    plans: Planned,
    diffs: Mapping[str, str],
    *,
    now: float,
    errors: Sequence[str] = (),
    limit: int = LIMIT,
) -> str:
    """
    What a reviewer must know, then the plans and the modules' diffs, folded.

    The first line is a mark that no reader sees, by which the comment is found again.

    Args:
        plans: Each with what it was made from.
        diffs: Unified diffs of generated modules by what to call them, such as ``prod/qwen3-8b``.
        now: Seconds since 1970, to say how long ago something was.
        errors: Why there is no plan of other stacks that were asked for.
        limit: Characters, 40,000 or more; what is folded loses its middle to keep to it.
    """
    blocks = [_mark(plans), *_head(plans), *_alerts(plans, errors), *_findings(plans)]
    room = limit - _length(blocks)
    found = _fitted([*_finding_folds(plans)], room // 4, "stacks with findings")
    blocks += found
    room -= _length(found)
    texts, modules = [*_plan_folds(plans, now)], [*_diff_folds(diffs)]
    # The modules get what the plans do not need, but a third of the room at the least.
    needed = min(_length(_folded(*fold) for fold in modules) + LAST, room // 3)
    shown = _fitted(texts, room - needed, "plans")
    return "\n\n".join([*blocks, *shown, *_fitted(modules, room - _length(shown), "modules")])


def _length(blocks: Iterable[str]) -> int:
    return sum(len(block) + len("\n\n") for block in blocks)


def _mark(plans: Planned) -> str:
    stacks = dict.fromkeys(plan.stack for plan, _ in plans[:ITEMS])
    names = ", ".join(re.sub(r"[^A-Za-z0-9._-]", "_", name)[:NAME] for name in stacks)
    return f"<!-- infra plan: {names} -->"


def _head(plans: Planned) -> Iterator[str]:
    """One plan in a line, several in a table."""
    if len(plans) != 1:
        yield "### infra plan"
        if plans:
            yield _table(plans)
        return
    for plan, live in plans:
        counts = plan.counts()
        disturbs = counts["change"] or counts["destroy"]
        commit = f", commit {code(plan.commit)}" if plan.commit else ""
        yield f"### infra plan: {code(plan.stack)}"
        yield f"**{summary(plan)}**" + (f" Gravest: {plan_result(plan)}." if disturbs else "")
        yield (
            f"On {code(plan.target)}: workspace {code(live.workspace)}, "
            f"environment {code(plan.environment or '(default)')}{commit}"
        )
        price = cost(plan, live)
        if price.services:
            source = code(price.rates.source)
            yield f"Floor in USD per hour (per month): {floor_figures(price)}, {source}"


def _table(plans: Planned) -> str:
    head = ["stack", "environment", "add", "change", "destroy", "drift", "USD/month", "result"]
    rows = [head, ["---"] * len(head)]
    for plan, live in plans[:STACKS]:
        counts = plan.counts()
        numbers = (counts["add"], counts["change"], counts["destroy"], len([*plan.drift()]))
        result = "**can't be applied**" if plan.obstacles else plan_result(plan)
        names = (cell(plan.stack), cell(plan.environment or "(default)"))
        floor = floor_month_text(cost(plan, live))
        rows.append([*names, *map(str, numbers), floor, result])
    lines = [f"| {' | '.join(row)} |" for row in rows]
    if len(plans) > STACKS:
        lines += ["", f"And {len(plans) - STACKS} more stacks."]
    return "\n".join(lines)


def _alerts(plans: Planned, errors: Sequence[str]) -> Iterator[str]:
    """What must not be overlooked."""
    named = [*_named(plans)]
    yield from _alert("CAUTION", "There is no plan of everything that was asked for:", errors)
    yield from _alert(
        "CAUTION",
        "This can't be applied:",
        [name + obstacle for plan, name in named for obstacle in plan.obstacles],
    )
    yield from _alert(
        "WARNING",
        "Destroyed or replaced:",
        [
            f"{name}{change.address} {change.action.sentence}"
            + (f" ({change.reason})" if change.reason else "")
            for plan, name in named
            for change in plan.changes()
            if change.action in (Action.DELETE, Action.REPLACE)
        ],
    )
    yield from _alert(
        "WARNING",
        "A new version also replaces the containers of what does not change:",
        [
            f"{name}{each.address} ({'?' if each.containers is None else each.containers} running)"
            for plan, name in named
            for app in plan.apps
            for each in app.cycled
        ],
    )
    yield from _alert(
        "IMPORTANT",
        "Objects have changed outside of infra:",
        [
            f"{name}{drift.address} {drift.what}" + (f" by {drift.by}" if drift.by else "")
            for plan, name in named
            for drift in plan.drift()
        ],
    )


def _named(plans: Planned) -> Iterator[tuple[Plan, str]]:
    """Each plan with what its items begin with."""
    for plan, _ in plans:
        yield plan, f"{plan.stack}: " if len(plans) > 1 else ""


def _alert(kind: str, text: str, items: Sequence[str]) -> Iterator[str]:
    if not items:
        return
    lines = [f"[!{kind}]", text, *(f"- {code(item)}" for item in items[:ITEMS])]
    if len(items) > ITEMS:
        lines.append(f"- and {len(items) - ITEMS} more")
    yield "\n".join(f"> {line}" for line in lines)


def _findings(plans: Planned) -> Iterator[str]:
    """What the rules found, the worst first; the rest of a long list is in the folds."""
    found = [(*group, name) for plan, name in _named(plans) for group in grouped(plan)]
    found.sort(key=lambda each: SEVERITIES.index(each[0].severity))
    if not found:
        return
    lines = ["#### Findings", ""]
    for each, others, name in found[:ITEMS]:
        said = code(f"{each.code} {name}{each.where}: {each.what}")
        lines.append(f"- **{each.severity}** {said}" + (f" {code(others)}" if others else ""))
    if len(found) > ITEMS:
        lines.append(f"- and {len(found) - ITEMS} more")
    yield "\n".join(lines)


def _finding_folds(plans: Planned) -> Iterator[Fold]:
    """All of them with what to do, and what was accepted."""
    for plan, _ in plans:
        if text := findings_text(plan):
            title = f"Findings of <code>{_html(plan.stack)}</code>: {findings_count(plan)}"
            yield title, text


def _plan_folds(plans: Planned, now: float) -> Iterator[Fold]:
    for plan, live in plans:
        if not plan.is_empty() or plan.obstacles or plan.left_out or any(plan.drift()):
            rest = attrs.evolve(plan, findings=(), accepted=())  # these have a fold of their own
            text = "\n".join(map(_coloured, plan_text(rest, live, now).split("\n")))
            yield f"Plan of <code>{_html(plan.stack)}</code>", text


def _diff_folds(diffs: Mapping[str, str]) -> Iterator[Fold]:
    for name, diff in diffs.items():
        if diff:
            lines = diff.split("\n")[2:]  # the first two name the files
            added, removed = (sum(line.startswith(sign) for line in lines) for sign in "+-")
            yield f"Module <code>{_html(name)}</code>: +{added} -{removed}", diff


def _coloured(line: str) -> str:
    """The line with its symbol first, where GitHub looks for it; a change's is ``!`` there."""
    match = SYMBOL.fullmatch(line)
    if match is None:
        return line
    indentation, symbol, rest = match.groups()
    return f"{'!' if symbol == '~' else symbol}{indentation}{rest}"


def _fitted(folds: Sequence[Fold], room: int, kind: str) -> list[str]:
    """As many of the folds as are worth opening in the room; all get the same of it, or less."""
    room -= LAST
    shown = folds[: max(room // FOLD, 0)]
    blocks = [_folded(*fold) for fold in shown]
    # The shortest first: what they do not need is there for the others.
    for rank, index in enumerate(sorted(range(len(shown)), key=lambda each: len(blocks[each]))):
        share = room // (len(shown) - rank)
        blocks[index] = _folded(*shown[index], room=share - len("\n\n"))
        room -= _length([blocks[index]])
    rest = len(folds) - len(shown)
    return [*blocks, f"And {rest} more {kind}."] if rest else blocks


def _folded(title: str, text: str, room: int | None = None) -> str:
    """The fold as Markdown; with no more room than that, without the middle of the text."""
    fence = _ticks(text, least=3)
    whole = f"<details><summary>{title}</summary>\n\n{fence}diff\n{text}\n{fence}\n\n</details>"
    if room is None or len(whole) <= room:
        return whole
    return _folded(title, _middle_out(text, room - (len(whole) - len(text))))


def _middle_out(text: str, room: int) -> str:
    """The first and the last lines, with how many there are between them."""
    lines = text.split("\n")
    room -= len(_left_out(len(lines)))
    first = _fitting(lines, room * 2 // 3)
    room -= sum(len(line) + 1 for line in first)
    last = _fitting(reversed(lines[len(first) :]), room)[::-1]
    return "\n".join([*first, _left_out(len(lines) - len(first) - len(last)), *last])


def _left_out(count: int) -> str:
    return f"@@ {count} lines are left out: `infra plan --diff` shows them @@"


def _fitting(lines: Iterable[str], room: int) -> list[str]:
    found = []
    for line in lines:
        room -= len(line) + 1
        if room < 0:
            break
        found.append(line)
    return found


def _ticks(text: str, least: int) -> str:
    """More backticks than stand together anywhere in the text."""
    return "`" * max([least, *(len(run) + 1 for run in re.findall("`+", text))])


def code(text: str, width: int = WORDS) -> str:
    """Text on one line in which nothing is Markdown, HTML or a mention of somebody."""
    line = re.sub("`{3,}", "``", " ".join(text.split())) or "-"
    line = line if len(line) <= width else line[: width - 3] + "..."
    ticks = _ticks(line, least=1)
    padding = " " if "`" in line else ""
    return f"{ticks}{padding}{line}{padding}{ticks}"


def cell(text: str) -> str:
    """The same for a table, whose cells end at a bar even in code."""
    return code(text.replace("|", "/"), NAME)


def _html(text: str) -> str:
    return escape(" ".join(text.split())[:NAME])
