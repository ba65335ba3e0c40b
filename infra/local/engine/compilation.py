"""`python -m sglang.compile_deep_gemm`: fills the cache of kernels ahead of the first start."""

import os

from infra.local.engine.clock import Clock
from infra.local.engine.engine import Engine
from infra.local.engine.kernels import keep_kernels
from infra.local.engine.settings import Settings
from infra.local.engine.time_model import PROCESS_START


async def compile_kernels(settings: Settings, speed: float | None) -> int:
    """Take the time of a start and of the kernels, and leave the cache warm; the exit code."""
    clock = Clock(speed)
    times = settings.times
    print(Engine(settings, os.environ, clock).banner(), end="")
    print("Begin DeepGEMM Kernels compilation...", flush=True)
    await clock.until(PROCESS_START + times.load() + times.kernels)
    if settings.kernel_cache is not None:
        keep_kernels(settings.kernel_cache)
    print("DeepGEMM Kernels compilation finished successfully.", flush=True)
    return 0
