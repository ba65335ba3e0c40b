"""What is expected of services in, its text for people out."""

import re
from collections.abc import Iterable, Iterator
from textwrap import indent

from infra.diff import FieldChange
from infra.estimates import ColdStart, Estimate, Kernels, MemoryFit
from infra.figures import duration, gigabytes
from infra.plan import Plan
from infra.text import Style, plain, table_rows, wrapped

UNKNOWN = "not known"
WITHOUT = "without what is not known"
QUOTED = re.compile(r"[\"']([^\"']*)[\"']")  # the words of an image's step


def estimates_text(plan: Plan, style: Style = plain) -> str:
    """A small table for each service that gets new containers; or empty, if there is none."""
    return "\n\n".join(_estimate(plan, each, style) for each in plan.estimates)


def seconds_text(seconds: tuple[float, float] | None) -> str:
    """From the fast to the slow end."""
    return UNKNOWN if seconds is None else duration(seconds)


def start_seconds(start: ColdStart) -> tuple[float, float] | None:
    """What each start takes in all, as far as that is known; None: not even the weights are."""
    if start.load_seconds is None or start.other_seconds is None:
        return None
    compiled = (each.seconds for each in _always(start))
    return _sum([start.load_seconds, (start.other_seconds,) * 2, *compiled])


def _always(start: ColdStart) -> list[Kernels]:
    return [each for each in start.kernels if each.state == "compiled in every container"]


def _estimate(plan: Plan, estimate: Estimate, style: Style) -> str:
    memory, notes = estimate.memory, list[str]()
    rows: list[tuple[str, str, str]] = []
    title = f"Expected of {estimate.service}"
    if memory:
        title += f", on {memory.gpu_count} x {memory.gpu} with {gigabytes(memory.capacity)} GB each"
        rows += _memory_rows(memory)
        notes += memory.notes
    if estimate.start:
        rows += _start_rows(plan, estimate.service, estimate.start)
        notes += estimate.start.notes
    if not rows:
        return style(wrapped(f"{title}: nothing is known", style.width, 4), "bold")
    inner = style.within(2).width
    lines = [*table_rows(rows, inner), *(wrapped(note, inner, 2) for note in notes)]
    title = wrapped(title, style.width, 4)
    return "\n".join([style(title, "bold"), indent("\n".join(lines), "  ")])


def _memory_rows(memory: MemoryFit) -> Iterator[tuple[str, str, str]]:
    for item in memory.items:
        size = UNKNOWN if item.bytes is None else f"{gigabytes(item.bytes)} GB"
        yield item.name, size, item.note
    is_short = memory.free is not None and memory.free < 0
    free = UNKNOWN if memory.free is None else f"{gigabytes(abs(memory.free))} GB"
    yield "lacking" if is_short else "free", free, "; ".join(_most(memory))


def _most(memory: MemoryFit) -> Iterator[str]:
    """The largest context and concurrency that fit, where they are known."""
    context, requests = memory.context, memory.concurrency
    if context is None or requests is None:
        return
    if memory.largest_concurrency == 0:
        yield f"not one request of {context:,} tokens fits"
    if memory.largest_context not in (0, None, context):
        yield f"{requests:,} x {memory.largest_context:,} tokens fit"
    if memory.largest_concurrency:
        yield f"{memory.largest_concurrency:,} x {context:,} tokens fit"


def _start_rows(plan: Plan, service: str, start: ColdStart) -> Iterator[tuple[str, str, str]]:
    size = "" if start.load_bytes is None else f"{gigabytes(start.load_bytes)} GB of weights"
    yield "load", seconds_text(start.load_seconds), size
    for each in start.kernels:
        yield f"{each.name} kernels", seconds_text(each.seconds), _kernels(plan, service, each)
    for download in start.downloads:
        yield "download", duration(download.seconds), f"{download.name}, by the first container"
    if start.other_seconds is None:
        return
    yield "other", f"{start.other_seconds:g} s", "boot, imports, CUDA graphs, warm-up"
    total = start_seconds(start)
    if total is None:
        return
    is_more = any(each.seconds is None for each in _always(start))
    yield "in all", duration(total), _limit(start, is_more)
    once = [
        *(each.seconds for each in start.kernels if each.state == "kept in a Volume"),
        *(each.seconds for each in start.downloads),
    ]
    if once:
        aside = f"; {WITHOUT}" if is_more or None in once else ""
        first = duration(_sum([total, *once]))
        yield "first start", first, f"while its Volumes lack what it needs{aside}"


def _limit(start: ColdStart, is_more: bool) -> str:
    """What the total is to be compared with, to the second, and whether more comes to it."""
    aside = [WITHOUT] if is_more else []
    whose = "" if start.is_limit_given else ", Modal's own"
    given = f"startup_timeout is {start.limit} s{whose}"
    return "; ".join([*aside, *([given] if start.limit else [])])


def _sum(parts: Iterable[tuple[float, float] | None]) -> tuple[float, float]:
    known = [each for each in parts if each is not None]
    return sum(fast for fast, _ in known), sum(slow for _, slow in known)


def _kernels(plan: Plan, service: str, kernels: Kernels) -> str:
    changes = map(_changed, plan.compiled_again_by(service, kernels))
    because = ", ".join(dict.fromkeys(changes))
    return f"{kernels.state}; new ones because {because}" if because else kernels.state


def _changed(field: FieldChange) -> str:
    """A field's change in words."""
    if field.path == "gpu":
        return f"gpu goes from {', '.join(field.before)} to {', '.join(field.after)}"
    if field.path.startswith("steps["):
        before, after = (QUOTED.findall(text or "") for text in (field.before, field.after))
        gone, come = (
            ", ".join(word for word in words if word not in others)
            for words, others in ((before, after), (after, before))
        )
        if gone and come:
            return f"the image goes from {gone} to {come}"
    return f"{field.path} changed"
