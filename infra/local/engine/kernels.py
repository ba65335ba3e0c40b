"""The cache of compiled kernels: where SGLang has it, whether it is warm, that it is filled."""

from collections.abc import Mapping
from pathlib import Path

from infra.local.engine.flags import Flags, at_least
from infra.local.engine.time_model import KERNELS_COLD, KERNELS_FAST, KERNELS_WARM, Gpu
from infra.local.engine.weights import Weights

HOPPER_AND_DATACENTER_BLACKWELL = (90, 100, 103)
MARK = "stand-in.txt"


def kernel_cache(
    version: str, flags: Flags, weights: Weights, gpu: Gpu, environ: Mapping[str, str]
) -> Path | None:
    """DeepGEMM's folder; None: this engine does not use it."""
    backend = flags.text("--fp8-gemm-backend", "--fp8-gemm-runner-backend") or "auto"
    fit = weights.width == 1 and gpu.capability in HOPPER_AND_DATACENTER_BLACKWELL
    on = _switch(environ.get("SGLANG_ENABLE_JIT_DEEPGEMM", "1"))
    if not fit or not on or backend not in ("auto", "deep_gemm"):
        return None
    if given := environ.get("SGLANG_DG_CACHE_DIR"):
        return Path(given)
    caches = Path(environ.get("HOME", "/root")) / ".cache"
    if not at_least(version, "0.5.18"):
        return caches / "deep_gemm"
    return Path(environ.get("SGLANG_CACHE_DIR") or caches / "sglang") / "deep_gemm"


def compiling(cache: Path | None, environ: Mapping[str, str]) -> float:
    """Seconds that the kernels take at the start: all of them are in the cache, or none."""
    if cache is None:
        return 0.0
    if cache.is_dir() and any(cache.iterdir()):
        return KERNELS_WARM
    fast = _switch(environ.get("SGLANG_JIT_DEEPGEMM_FAST_WARMUP", "0"))
    return KERNELS_FAST if fast else KERNELS_COLD


def keep_kernels(cache: Path) -> None:
    """Leave a file in an empty cache, so that the next start finds it warm."""
    cache.mkdir(parents=True, exist_ok=True)
    if not any(cache.iterdir()):
        text = (
            "The stand-in for SGLang would have compiled kernels; the real engine has none yet.\n"
        )
        (cache / MARK).write_text(text, encoding="utf-8")


def _switch(word: str) -> bool:
    """What SGLang takes for true in its environment."""
    return word.lower() in ("true", "1", "yes", "y")
