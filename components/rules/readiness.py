"""Whether a container has the time that its start needs, and a request the time to end."""

from collections.abc import Iterator

from components.rules.caches import COMPILER, deep_gemm_folder, holding
from components.rules.engine import SGLangEngine
from components.rules.loading import DEEP_GEMM, Loading
from infra.rules import Fault, Rule, Subject, rule

MODAL = "https://modal.com/docs/guide/timeouts and /docs/guide/servers"
# Modal's own limit where none is written: a server's, and `timeout` of a class.
UNSET = {"server": 30, "http_server": 300}


@rule("INF050", severity="warning", strict="error", source=MODAL)
def startup_not_limited(subject: Subject) -> Iterator[Fault]:
    """
    A service that leaves its time to start to Modal.

    Modal gives a server 30 seconds, and a class 300; an engine that loads, compiles and captures
    graphs for longer is ended and started anew, for ever.
    """
    front_door = subject.service.routing.front_door
    if subject.service.startup_timeout is None:
        yield Fault(
            field="startup_timeout",
            what=f"is not given; Modal's {UNSET[front_door]} seconds for {front_door} hold",
            fix="write startup_timeout=, with the first download of the weights in mind",
        )


@rule("INF051", severity="error", source=MODAL, view=Loading.of)
def startup_too_short(start: Loading) -> Iterator[Fault]:
    """
    Less time to start than loading the weights takes.

    A Volume gives 1 to 2 GB/s; to that come the boot, CUDA graphs, the warm-up. A container that
    runs out of its time is ended, and the next one begins from nothing.
    """
    service, needed = start.engine.service, start.to_start
    limit = service.startup_timeout or UNSET[service.routing.front_door]
    if needed is not None and needed > limit:
        yield Fault(
            field="startup_timeout",
            what=f"{limit} s; {service.model} needs up to {needed} s from {_place(start)}",
            fix=_for_first_start(start, later=2 * needed),
        )
    elif service.startup_timeout and service.warm_up_timeout >= limit:
        yield Fault(
            field="warm_up_timeout",
            what=f"{service.warm_up_timeout} s of {limit} s leave nothing for the start",
            fix="lower it, or raise startup_timeout",
        )


@rule("INF052", severity="info", source=MODAL, view=Loading.of)
def startup_very_long(start: Loading) -> Iterator[Fault]:
    """
    Far more time to start than a start takes.

    An engine that hangs keeps its GPUs for all of it, and is billed, before it is started anew.
    The first download of the weights is the only start that needs so long.
    """
    engine, needed = start.engine, start.to_start
    limit = engine.service.startup_timeout
    if needed is None or limit is None:
        return
    is_compiling = any(COMPILER in each.command for each in engine.image.builds)
    if is_compiling and isinstance(engine, SGLangEngine):
        needed += 0 if holding(engine, deep_gemm_folder(engine)) else int(DEEP_GEMM[1])
    first = _whole_minutes(start.to_start_first or 0)
    if limit > max(10 * needed, first, 3600):
        yield Fault(
            field="startup_timeout",
            what=f"{limit} s; a start from {_place(start)} takes up to {needed} s",
            fix="download the weights while the image is built (download_at_build=True), then "
            f"write startup_timeout={_whole_minutes(2 * needed)}",
        )


@rule("INF055", severity="warning", source=MODAL, view=Loading.of)
def first_startup_too_short(start: Loading) -> Iterator[Fault]:
    """
    Time to start for the weights in their Volume, and none to download them there first.

    The Hub gives 0.1 to 0.3 GB/s. The first container is ended in the middle of its download; the
    next one goes on with it at best, and is ended as well.
    """
    service, needed, first = start.engine.service, start.to_start, start.to_start_first
    limit = service.startup_timeout or UNSET[service.routing.front_door]
    if needed is not None and first is not None and needed <= limit < first:
        yield Fault(
            field="startup_timeout",
            what=f"{limit} s; the first start of {service.model} downloads the weights and needs "
            f"up to {first} s, each later one {needed} s",
            fix=_for_first_start(start),
        )


def _for_first_start(start: Loading, later: int = 0) -> str:
    """What is enough for the download, too; `later`: seconds for all other starts, 0: they suit."""
    first, later = _whole_minutes(start.to_start_first or 0), _whole_minutes(later)
    enough = f"write startup_timeout={later}"
    if first <= later:
        return enough
    return (
        f"write startup_timeout={first} for the download, or have it done while "
        f"the image is built (download_at_build=True){f' and {enough}' if later else ''}"
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
