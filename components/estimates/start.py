"""What a new container does before it is ready: it reads weights, and may compile kernels."""

from collections.abc import Iterator

from components.image import PINNED, packages
from components.rules.caches import COMPILER, cache_folder, holding, uses_deep_gemm
from components.rules.engine import Engine, SGLangEngine
from components.rules.loading import DEEP_GEMM, Loading
from components.sglang import DEEP_GEMM_FLAGS
from infra.estimates import ColdStart, Kernels, KernelState
from infra.facts.models import model_of
from infra.figures import duration

COMPILED = "log of sglang/compile_deep_gemm.py"
FAST_WARM_UP = "SGLANG_JIT_DEEPGEMM_FAST_WARMUP"
FAST = (0.0, 180.0)  # seconds; since 0.5.8: "<3 min" in sgl-project/sglang#18823
FOLDERS = "environ.py and __init__.py of SGLang 0.5.6.post2 to 0.5.23"


def cold_start(engine: Engine) -> ColdStart:
    """What a new container of the service does."""
    loading = Loading(engine)
    return ColdStart(
        load_bytes=loading.weight_bytes,
        load_seconds=loading.seconds,
        kernels=tuple(_kernels(engine)) if isinstance(engine, SGLangEngine) else (),
        notes=tuple(_notes(loading)),
    )


def _kernels(engine: SGLangEngine) -> Iterator[Kernels]:
    """What is compiled on the GPU; a cache is of no use to another GPU or release."""
    always = ("gpu", _version_step(engine))
    words = [str(value) for value in engine.parsed.values.values()]
    builds = any(COMPILER in build.command for build in engine.image.builds)
    if uses_deep_gemm(engine) or builds:
        is_fast = engine.env.get(FAST_WARM_UP, "").lower() in ("1", "true", "yes")
        yield Kernels(
            name="DeepGEMM",
            state="compiled at build" if builds else _state(engine, "DeepGEMM"),
            seconds=FAST if is_fast and engine.since("0.5.8") else DEEP_GEMM,
            depends_on=(
                *always,
                *(f"engine {flag}" for flag in DEEP_GEMM_FLAGS),
                *_volume(engine, "DeepGEMM"),
            ),
            source=COMPILED,
        )
    uses = {
        "Triton": True,
        "TorchInductor": engine.has("--enable-torch-compile"),
        "FlashInfer": any(word.startswith("flashinfer") for word in words),
    }
    for cache in (cache for cache, is_used in uses.items() if is_used):
        yield Kernels(
            name=cache,
            state=_state(engine, cache),
            seconds=None,
            depends_on=(*always, *_volume(engine, cache)),
            source=FOLDERS,
        )


def _state(engine: SGLangEngine, cache: str) -> KernelState:
    kept = holding(engine, cache_folder(engine, cache))
    return "kept in a Volume" if kept else "compiled in every container"


def _volume(engine: SGLangEngine, cache: str) -> tuple[str, ...]:
    """The field of the Volume that keeps a cache; another Volume would be empty."""
    kept = holding(engine, cache_folder(engine, cache))
    return (f"volumes {kept.path}",) if kept else ()


def _version_step(engine: SGLangEngine) -> str:
    """The field of the image that says the engine's release."""
    for index, step in enumerate(engine.image.steps):
        pins = map(PINNED.fullmatch, packages((step,)))
        if any(pin and pin[1] == engine.package for pin in pins):
            return f"steps[{index}]"
    return "steps[0]"


def _notes(loading: Loading) -> Iterator[str]:
    if loading.weight_bytes is None:
        return
    engine = loading.engine
    yield from _about_size(engine)
    download, limit = loading.download_seconds, engine.service.startup_timeout
    if download:
        yield f"the first container downloads the weights from the Hub: {duration(download)}"
    elif not engine.path.startswith("/") and not loading.is_kept:
        yield "each container downloads the weights from the Hub"
    needed, first = loading.to_start, loading.to_start_first
    if needed is not None and first is not None and limit is not None:
        later = f", the first one up to {_at_most(first)}" if download else ""
        yield (
            f"in all, a start takes up to {_at_most(needed)}{later}; "
            f"startup_timeout is {_at_most(limit)}"
        )


def _about_size(engine: Engine) -> Iterator[str]:
    """How sure the size of the weights is."""
    name = engine.draft_model
    draft = model_of(name, engine.service.models) if name else None
    if draft is not None and draft.weight_bytes is None:
        yield f"without {name}, whose size is not known"
    if any(each is not None and each.is_estimate("weight_bytes") for each in (engine.model, draft)):
        yield "the size of the weights is an estimate"


def _at_most(seconds: int) -> str:
    return duration((seconds, seconds))
