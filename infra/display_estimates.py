"""What is expected of services in, its text for people out."""

from collections.abc import Iterator

from infra.estimates import ColdStart, Estimate, Kernels, MemoryFit
from infra.figures import duration, gigabytes
from infra.plan import Plan
from infra.text import Style, plain, table

UNKNOWN = "not known"


def estimates_text(plan: Plan, style: Style = plain) -> str:
    """A small table for each service that gets new containers; or empty, if there is none."""
    return "\n\n".join(_estimate(plan, each, style) for each in plan.estimates)


def seconds_text(seconds: tuple[float, float] | None) -> str:
    """From the fast to the slow end."""
    return UNKNOWN if seconds is None else duration(seconds)


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
        return style(f"{title}: nothing is known", "bold")
    lines = [*table(rows).split("\n"), *notes]
    return "\n".join([style(title, "bold"), *(f"  {line}" for line in lines)])


def _memory_rows(memory: MemoryFit) -> Iterator[tuple[str, str, str]]:
    for item in memory.items:
        size = UNKNOWN if item.bytes is None else f"{gigabytes(item.bytes)} GB"
        yield item.name, size, item.note
    free = UNKNOWN if memory.free is None else f"{gigabytes(memory.free)} GB"
    lacks = ["too little"] if memory.free is not None and memory.free < 0 else []
    yield "free", free, "; ".join([*lacks, *_most(memory)])


def _most(memory: MemoryFit) -> Iterator[str]:
    """The largest context and concurrency that fit, where they are known."""
    context, requests = memory.context, memory.concurrency
    if context is None or requests is None:
        return
    if memory.largest_context not in (None, context):
        yield f"{requests:,} x {memory.largest_context:,} tokens fit"
    if memory.largest_concurrency is not None:
        yield f"{memory.largest_concurrency:,} x {context:,} tokens fit"


def _start_rows(plan: Plan, service: str, start: ColdStart) -> Iterator[tuple[str, str, str]]:
    size = "" if start.load_bytes is None else f"{gigabytes(start.load_bytes)} GB of weights"
    yield "load", seconds_text(start.load_seconds), size
    for each in start.kernels:
        yield f"{each.name} kernels", seconds_text(each.seconds), _kernels(plan, service, each)


def _kernels(plan: Plan, service: str, kernels: Kernels) -> str:
    paths = plan.compiled_again_by(service, kernels)
    changed = f"; again because {', '.join(paths)} changed" if paths else ""
    return f"{kernels.state}{changed}"
