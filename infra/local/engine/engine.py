"""The life of the stand-in: loading, ready, leaving."""

import enum
import time
from collections.abc import Mapping

from infra.local.engine.clock import Clock
from infra.local.engine.kernels import keep_kernels
from infra.local.engine.log import Log
from infra.local.engine.metrics import Metrics
from infra.local.engine.scheduler import Scheduler
from infra.local.engine.settings import Settings
from infra.local.engine.time_model import PROCESS_START

NOTE = (
    "This is a stand-in for {engine} {version}: it generates no real text, its times are modelled."
)


class State(enum.Enum):
    """What /health tells."""

    LOADING = enum.auto()
    READY = enum.auto()
    LEAVING = enum.auto()


class Engine:
    """
    One stand-in.

    Attributes:
        settings: What it was started with.
        environ: The environment it was started in.
        clock: Its time.
        log: Its lines.
        metrics: Its numbers.
        scheduler: Its requests.
        state: Where it is in its life.
        started: Unix time.
    """

    def __init__(self, settings: Settings, environ: Mapping[str, str], clock: Clock) -> None:
        flags = settings.flags
        level = flags.text("--log-level") or "info"
        http_level = flags.text("--log-level-http") or level
        ep = flags.number("--ep-size", "--expert-parallel-size", "--ep") or 1
        self.settings = settings
        self.environ = environ
        self.clock = clock
        self.log = Log(level, http_level, tp=settings.times.tp, ep=ep)
        self.metrics = Metrics()
        self.scheduler = Scheduler(settings, clock, self.log, self.metrics)
        self.state = State.LOADING
        self.started = int(time.time())

    def banner(self) -> str:
        """What it is and what it assumes, so that nobody takes it for the engine."""
        settings = self.settings
        note = NOTE.format(engine=settings.engine, version=settings.version)
        lines = (note, *settings.remarks)
        return "".join(f"stand-in: {line}\n" for line in lines)

    async def load(self) -> None:
        """Take the time that loading takes, and say what would be going on."""
        settings, times = self.settings, self.settings.times
        say = self.log.scheduler
        await self._spend(PROCESS_START)
        say(f"Load weight begin. avail mem={times.gpu.memory / 1e9:.2f} GB")
        await self._spend(times.load())
        used = (times.weights.size + times.draft_size) / times.tp / 1e9
        say(f"Load weight end. elapsed={times.load():.2f} s, mem usage={used:.2f} GB.")
        size = times.kv_tokens * times.kv_bytes / times.tp / 1e9
        say(f"KV Cache is allocated. #tokens: {times.kv_tokens}, KV size: {size:.2f} GB")
        if settings.kernel_cache is not None:
            say(f"DeepGEMM kernels: {times.kernels:.0f} s with {settings.kernel_cache}")
            await self._spend(times.kernels)
            try:
                keep_kernels(settings.kernel_cache)
            except OSError as error:
                say(f"DeepGEMM kernels are not kept: {error}")
        if times.graph_sizes:
            say("Capture cuda graph begin. This can take up to several minutes.")
            await self._spend(times.capture())
            say(f"Capture cuda graph end. Time elapsed: {times.capture():.2f} s.")
        say(
            f"max_total_num_tokens={times.kv_tokens}, chunked_prefill_size={settings.chunk}, "
            f"max_running_requests={settings.max_running}, context_len={settings.context_length}"
        )
        if not settings.flags.has("--skip-server-warmup"):
            await self._spend(times.warm_up())
        self.metrics.gauges["max_total_num_tokens"] = times.kv_tokens
        self.metrics.started(settings.version, self.clock.now(), times.load())
        self.state = State.READY

    async def _spend(self, seconds: float) -> None:
        await self.clock.until(self.clock.now() + seconds)
