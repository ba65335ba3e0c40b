"""Whether a container has the time that its start needs, and a request the time to end."""

from collections.abc import Iterator

from components.rules.loading import UNSET, Loading
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
    started anew, for ever.
    """
    if subject.service.startup_timeout is not None:
        return
    start: Loading | None = subject.view(Loading.of)
    takes, enough = "", "startup_timeout=, with the first download in mind"
    if start and start.to_start is not None and start.to_start_first is not None:
        if _is_sure(start):
            return  # INF051 says so
        needed, first = start.to_start, start.to_start_first
        later = f", the first one {first} s" if first > needed else ""
        takes = f", and a start takes up to {needed} s{later}"
        enough = f"startup_timeout={_whole_minutes(max(_ample(start), first))}"
    yield Fault(
        field="startup_timeout",
        what=f"is not given; Modal's {UNSET} seconds hold{takes}",
        fix=f"write {enough}",
    )


@rule("INF051", severity="error", source=LOG, view=Loading.of)
def startup_too_short(start: Loading) -> Iterator[Fault]:
    """
    Less time to start than a start takes.

    A Volume gives 1 to 2 GB/s; to that come the boot, CUDA graphs, the warm-up, and DeepGEMM's
    kernels, if nothing keeps them: "typically 10-20 mins" in SGLang's log. A container that runs
    out of its time is ended, and the next one begins from nothing.
    """
    service, limit = start.engine.service, start.limit
    if start.to_load is None or start.to_start is None or start.to_start <= limit:
        return
    if _is_sure(start):
        yield Fault(
            field="startup_timeout",
            what=f"{limit} s; {service.model} needs up to {start.to_load} s from {_place(start)}",
            fix=_for_first_start(start, later=_ample(start)),
        )
    elif service.startup_timeout is not None:
        yield Fault(
            field="startup_timeout",
            what=f"{limit} s; a start takes up to {start.to_load} s, and DeepGEMM's kernels, which "
            f"each container compiles, up to {start.to_compile} s more",
            fix=f"have them compiled while the image is built ({COMPILED}), or write "
            f"startup_timeout={_whole_minutes(start.to_start_first or 0)}",
            severity="warning",
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
    if limit > max(10 * needed, _whole_minutes(start.to_start_first or 0)):
        enough = f"write startup_timeout={_whole_minutes(_ample(start))}"
        yield Fault(
            field="startup_timeout",
            what=f"{limit} s; a start from {_place(start)} takes up to {needed} s",
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
    limit, needed, first = (
        start.engine.service.startup_timeout,
        start.to_start,
        start.to_start_first,
    )
    if limit is None or needed is None or first is None or not needed <= limit < first:
        return
    does = ["downloads the weights"] if start.downloads else []
    does += ["compiles DeepGEMM's kernels"] if start.to_compile_first else []
    yield Fault(
        field="startup_timeout",
        what=f"{limit} s; the first start of {start.engine.service.model} {', '.join(does)} and "
        f"needs up to {first} s, each later one {needed} s",
        fix=_for_first_start(start),
    )


def _is_sure(start: Loading) -> bool:
    """Whether the weights alone take too long, of which more is known than of kernels."""
    return start.to_load is not None and start.to_load > start.limit


def _ample(start: Loading) -> int:
    """Seconds that are enough for a start on a bad day."""
    return 2 * (start.to_load or 0) + start.to_compile


def _for_first_start(start: Loading, later: int = 0) -> str:
    """What is enough to fill the Volumes, too; `later`: seconds for other starts, 0: they suit."""
    first, later = _whole_minutes(start.to_start_first or 0), _whole_minutes(later)
    enough = f"write startup_timeout={later}"
    if first <= later:
        return enough
    ways = [f"download {AT_BUILD}"] if start.downloads else []
    ways += [f"compile ({COMPILED})"] if start.to_compile_first else []
    return (
        f"write startup_timeout={first} for the first start, or {' and '.join(ways)} while the "
        f"image is built{f' and {enough}' if later else ''}"
    )


def _whole_minutes(seconds: int) -> int:
    return -(-seconds // 60) * 60


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
