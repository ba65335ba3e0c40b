"""Whether a container has the time that its start needs, and a request the time to end."""

import math
from collections.abc import Iterator

from components.rules.loading import UNSET, Loading, Seconds
from components.rules.sglang_engine import SGLangEngine
from infra.rules import Fault, Rule, Subject, rule

MODAL = "https://modal.com/docs/guide/timeouts and /docs/guide/servers"
LOG = f"{MODAL}; log of SGLang 0.5.6 to 0.5.23"
AT_BUILD = "(download_at_build=True)"
COMPILED = "KernelCache.deep_gemm(...)"


@rule("INF050", severity="warning", strict="error", source=MODAL)
def startup_not_limited(subject: Subject) -> Iterator[Fault]:
    """
    A service that leaves its time to start to Modal.

    That is 300 seconds; an engine that loads, compiles and captures graphs for longer is ended and
    started anew, for ever. Where they are enough, the next model or image may need more.
    """
    if subject.service.startup_timeout is not None:
        return
    start: Loading | None = subject.view(Loading.of)
    takes, enough, is_enough = "", "startup_timeout=, with the first download in mind", False
    if start and start.to_start and start.to_start_first:
        if start.to_start[0] > UNSET:
            return  # INF051 says so
        needed, first = start.to_start[1], start.to_start_first[1]
        later = f", the first one {first:.0f} s" if first > needed else ""
        takes = f", and a start takes up to {needed:.0f} s{later}"
        seconds = _for_all(start)
        enough, is_enough = f"startup_timeout={seconds}", seconds == UNSET
    yield Fault(
        field="startup_timeout",
        what=f"is not given; Modal's {UNSET} seconds hold{takes}",
        fix=f"write {enough}" + (", so that the stack says it" if is_enough else ""),
        severity="info" if is_enough else None,
    )


@rule("INF051", severity="error", source=LOG, view=Loading.of)
def startup_too_short(start: Loading) -> Iterator[Fault]:
    """
    Less time to start than a start takes.

    A Volume gives 1 to 2 GB/s; to that come the boot, CUDA graphs, the warm-up, and DeepGEMM's
    kernels, if nothing keeps them: "typically 10-20 mins" in SGLang's log. A container that runs
    out of its time is ended, and the next one begins from nothing. Where even a fast start takes
    longer, none succeeds; if that rests on the kernels, of which the log speaks in general, it is
    an error only in a strict stack.
    """
    service, limit = start.engine.service, start.limit
    if start.to_start is None or start.to_start[1] <= limit:
        return
    is_sure = start.to_start[0] > limit
    if not is_sure and service.startup_timeout is None:
        return  # INF050 says so
    compiled = start.to_compile
    is_error = is_sure and (start.engine.is_strict or start.to_start[0] - compiled[0] > limit)
    part = f", {_range(compiled)} of it for DeepGEMM's kernels" if any(compiled) else ""
    yield Fault(
        field="startup_timeout",
        what=f"{limit} s; a start of {service.model} from {_place(start)} takes "
        f"{_range(start.to_start)}{part}",
        fix=_more_time(start),
        severity=None if is_error else "warning",
    )


@rule("INF052", severity="info", source=MODAL, view=Loading.of)
def startup_very_long(start: Loading) -> Iterator[Fault]:
    """
    Far more time to start than a start takes.

    An engine that hangs keeps its GPUs for all of it, and is billed, before it is started anew.
    The first download of the weights is the only start that needs so long.
    """
    limit, needed = start.engine.service.startup_timeout, start.to_start
    if limit is None or limit <= 3600 or needed is None:
        return
    if limit > max(10 * needed[1], _for_all(start)):
        enough = f"write startup_timeout={_for_each(start)}"
        yield Fault(
            field="startup_timeout",
            what=f"{limit} s; a start from {_place(start)} takes up to {needed[1]:.0f} s",
            fix=f"download the weights while the image is built {AT_BUILD}, then {enough}"
            if start.downloads
            else enough,
        )


@rule("INF055", severity="warning", source=LOG, view=Loading.of)
def first_startup_too_short(start: Loading) -> Iterator[Fault]:
    """
    Time to start with Volumes that are filled, and none to fill them first.

    The Hub gives 0.1 to 0.3 GB/s; DeepGEMM's kernels take "typically 10-20 mins", says SGLang's
    log. The first container is ended in the middle of it; the next one goes on with it at best,
    and is ended as well.
    """
    limit = start.engine.service.startup_timeout
    if limit is None or start.to_start is None or start.to_start_first is None:
        return
    needed, first = start.to_start[1], start.to_start_first[1]
    if not needed <= limit < first:
        return
    does = ["downloads the weights"] if start.downloads else []
    does += ["compiles DeepGEMM's kernels"] if any(start.to_compile_first) else []
    yield Fault(
        field="startup_timeout",
        what=f"{limit} s; the first start of {start.engine.service.model} {', '.join(does)} and "
        f"needs up to {first:.0f} s, each later one {needed:.0f} s",
        fix=_more_time(start),
    )


def _for_each(start: Loading) -> int:
    """Seconds that are enough for a start on a bad day, and no less than Modal gives."""
    return _whole_minutes(2 * start.to_start[1]) if start.to_start else UNSET


def _for_all(start: Loading) -> int:
    """The same for the very first start as well, with a quarter more than it may take."""
    first = start.to_start_first
    return max(_for_each(start), _whole_minutes(1.25 * first[1]) if first else 0)


def _more_time(start: Loading) -> str:
    """What is enough for all starts, and with what the build can do, if it can do any of it."""
    enough = f"write startup_timeout={(seconds := _for_all(start))}"
    built = start.to_start[1] - start.to_compile[1] if start.to_start else 0
    later = _whole_minutes(2 * built)
    if later == seconds:
        return enough
    ways = [f"download {AT_BUILD}"] if start.downloads else []
    ways += [f"compile ({COMPILED})"] if any(start.to_compile + start.to_compile_first) else []
    is_once = "" if any(start.to_compile) else " for the first start"
    rest = f" and write startup_timeout={later}" if start.limit < built else ""
    return f"{enough}{is_once}, or {' and '.join(ways)} while the image is built{rest}"


def _whole_minutes(seconds: float) -> int:
    return max(math.ceil(seconds / 60) * 60, UNSET)


def _range(seconds: Seconds) -> str:
    low, high = (f"{each:,.0f}" for each in seconds)
    return f"{low} s" if low == high else f"{low} to {high} s"


def _place(start: Loading) -> str:
    return "its Volume" if start.is_kept else "the Hub"


@rule("INF053", severity="warning", source=MODAL)
def requests_cut_off(subject: Subject) -> Iterator[Fault]:
    """
    No time for requests in flight when a container goes.

    Every deployment and every step down of the autoscaler then breaks streams that are being
    answered.
    """
    if not subject.service.routing.exit_grace_period:
        yield Fault(
            field="routing.exit_grace_period",
            what="is 0: requests in flight are cut off when a container goes",
            fix="write exit_grace_period=15, or as long as your answers take",
        )


@rule(
    "INF054",
    severity="warning",
    source="http_server.py of SGLang 0.5.6 to 0.5.23",
    view=SGLangEngine.of,
)
def ready_too_early(engine: SGLangEngine) -> Iterator[Fault]:
    """
    A server that says it is ready before it has answered anything.

    With --skip-server-warmup /health is 200 at once, so requests arrive at an engine that still
    compiles.
    """
    if engine.has("--skip-server-warmup"):
        yield Fault(
            what="--skip-server-warmup: /health says ready before the first answer",
            fix="take it out",
        )


RULES: tuple[Rule, ...] = (
    startup_not_limited,
    startup_too_short,
    startup_very_long,
    requests_cut_off,
    ready_too_early,
    first_startup_too_short,
)
