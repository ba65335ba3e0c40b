"""What a new container does before it is ready: it reads weights, and may compile kernels."""

from collections.abc import Iterator

from components.image import PINNED, packages
from components.rules.caches import cache_folder, holding, uses_deep_gemm
from components.rules.engine import Engine
from components.rules.loading import BESIDE_WEIGHTS, HUB, Loading, transfer
from components.rules.sglang_engine import SGLangEngine
from components.rules.vllm_engine import VLLMEngine
from components.sglang import DEEP_GEMM_FLAGS
from infra.estimates import ColdStart, Download, Kernels, KernelState
from infra.facts.models import model_of
from infra.facts.vllm import SPECULATIVE

COMPILED = "log of SGLang 0.5.6.post2 to 0.5.23"
FOLDERS = "environ.py and __init__.py of SGLang 0.5.6.post2 to 0.5.23"
GRAPHS = "compute_hash in vllm/config of vLLM 0.11.2 and 0.33.0"

# What asks for other kernels than those that are kept, if it changes. The weights' shapes follow
# from the model and how it is cut, not from its commit.
MODEL = ("engine --model-path", "engine --model")
CUT = (
    *MODEL,
    *("engine --tp-size", "engine --tensor-parallel-size"),
    "engine --enable-dp-attention",
)
# With attention in parallel, as many copies of the model cut it, too.
COPIES = ("engine --dp-size", "engine --data-parallel-size")
ARCHITECTURE = "gpu architecture"
# All that `sglang.compile_deep_gemm` is given but what says nothing about shapes.
DEEP_GEMM = tuple(
    field
    for field in (f"engine {flag}" for flag in DEEP_GEMM_FLAGS)
    if field not in ("engine --revision", "engine --trust-remote-code", *COPIES)
)
# A kernel of Triton's has shapes and types compiled in; FlashInfer's modules are named after types
# and the size of a head. TorchInductor's key holds the graph and the name of the GPU, where the
# others hold its architecture.
DEPENDS = {
    "Triton": (ARCHITECTURE, *CUT, "engine --quantization", "engine --kv-cache-dtype"),
    "TorchInductor": ("gpu", *CUT, "engine --quantization"),
    "FlashInfer": (ARCHITECTURE, *MODEL, "engine --kv-cache-dtype"),
}
# What vLLM makes a key of for what torch.compile gives: 0.11.2, and what 0.33.0 adds; releases
# between them have some of that.
VLLM_KEY = tuple(
    f"engine --{flag}"
    for flag in (
        *("revision", "code-revision", "dtype", "quantization", "max-model-len", "max-logprobs"),
        *("trust-remote-code", "generation-config", "override-generation-config", "model-impl"),
        *("disable-sliding-window", "enable-prompt-embeds", "hf-overrides", "hf-config-path"),
        *("kv-cache-dtype", "mamba-cache-dtype", "mamba-ssm-cache-dtype"),
        *("tensor-parallel-size", "pipeline-parallel-size", "data-parallel-size"),
        *("enable-expert-parallel", "all2all-backend", "enable-eplb", "eplb-config"),
        *("enable-lora", "max-lora-rank", "max-loras", "fully-sharded-loras", "lora-dtype"),
        *("speculative-config", "compilation-config", "optimization-level", "additional-config"),
    )
)
VLLM_KEY_LATER = tuple(
    f"engine --{flag}"
    for flag in (
        *("max-num-batched-tokens", "max-num-seqs", "block-size", "language-model-only"),
        *("prefill-context-parallel-size", "decode-context-parallel-size"),
        *("attention-config", "attention-backend", "kernel-config", "moe-backend"),
        *("cpu-offload-gb", "offload-group-size", "offload-backend"),
        *("spec-method", "spec-model"),
    )
)


def cold_start(engine: Engine) -> ColdStart:
    """What a new container of the service does."""
    loading = Loading(engine)
    return ColdStart(
        load_bytes=loading.weight_bytes,
        load_seconds=loading.seconds,
        kernels=tuple(_kernels(loading)),
        other_seconds=float(BESIDE_WEIGHTS),
        limit=loading.limit,
        is_limit_given=engine.service.startup_timeout is not None,
        downloads=tuple(_downloads(loading)),
        notes=tuple(_notes(loading)),
    )


def _kernels(loading: Loading) -> Iterator[Kernels]:
    """What is compiled on the GPU; a cache is of no use to another kind of GPU or release."""
    engine = loading.engine
    if isinstance(engine, SGLangEngine):
        yield from _deep_gemm(loading, engine)
        yield from _others(engine)
    elif isinstance(engine, VLLMEngine) and engine.is_compiled:
        is_off = engine.env.get("VLLM_DISABLE_COMPILE_CACHE", "0") not in ("", "0")
        folder = "" if is_off else engine.cache_root
        later = VLLM_KEY_LATER if engine.since("0.12.0") else ()
        yield Kernels(
            name="torch.compile",
            state=_state(engine, folder),
            seconds=None,
            depends_on=("gpu", *_kept(engine, folder), "model", *VLLM_KEY, *later),
            source=GRAPHS,
        )


def _deep_gemm(loading: Loading, engine: SGLangEngine) -> Iterator[Kernels]:
    is_built = loading.is_compiled_at_build
    if uses_deep_gemm(engine) or is_built:
        folder = cache_folder(engine, "DeepGEMM")
        yield Kernels(
            name="DeepGEMM",
            state="compiled at build" if is_built else _state(engine, folder),
            seconds=loading.deep_gemm,
            depends_on=(ARCHITECTURE, *_kept(engine, folder), *_cut(engine, DEEP_GEMM)),
            source=COMPILED,
        )


def _others(engine: SGLangEngine) -> Iterator[Kernels]:
    asked = [
        f"engine {flag}"
        for flag, value in engine.parsed.values.items()
        if str(value).startswith("flashinfer")
    ]
    uses = {
        "Triton": True,
        "TorchInductor": engine.has("--enable-torch-compile"),
        "FlashInfer": bool(asked),
    }
    for cache in (cache for cache, is_used in uses.items() if is_used):
        folder = cache_folder(engine, cache)
        yield Kernels(
            name=cache,
            state=_state(engine, folder),
            seconds=None,
            depends_on=(
                *_kept(engine, folder),
                *_cut(engine, DEPENDS[cache]),
                *(asked if cache == "FlashInfer" else ()),
            ),
            source=FOLDERS,
        )


def _cut(engine: SGLangEngine, fields: tuple[str, ...]) -> tuple[str, ...]:
    """The fields, with the one that counts only with attention in parallel."""
    is_cut = "engine --tp-size" in fields and engine.has("--enable-dp-attention")
    return (*fields, *COPIES) if is_cut else fields


def _state(engine: Engine, folder: str) -> KernelState:
    return "kept in a Volume" if holding(engine, folder) else "compiled in every container"


def _kept(engine: Engine, folder: str) -> tuple[str, ...]:
    """The fields of the release, and of the folder's Volume: another one would be empty."""
    return (_version_step(engine), *_volume(engine, folder))


def _volume(engine: Engine, folder: str) -> tuple[str, ...]:
    kept = holding(engine, folder)
    return (f"volumes {kept.path}",) if kept else ()


def _version_step(engine: Engine) -> str:
    """The field of the image that says the engine's release."""
    for index, step in enumerate(engine.image.steps):
        pins = map(PINNED.fullmatch, packages((step,)))
        if any(pin and pin[1] == engine.package for pin in pins):
            return f"steps[{index}]"
    return "steps[0]"


def _downloads(loading: Loading) -> Iterator[Download]:
    engine = loading.engine
    model = ("model", *MODEL, "engine --revision")
    draft = "engine --speculative-draft-model-path", "engine --speculative-draft-model-revision"
    for name, size in loading.downloads.items():
        named = model if name == engine.path else (*draft, f"engine {SPECULATIVE}")
        yield Download(
            name=name,
            bytes=size,
            seconds=transfer(size, HUB),
            depends_on=(*named, *_volume(engine, engine.hub[0])),
        )


def _notes(loading: Loading) -> Iterator[str]:
    if loading.weight_bytes is None:
        return
    yield from _about_size(loading.engine)
    if not loading.engine.path.startswith("/") and not loading.is_kept:
        yield "each container downloads the weights from the Hub"


def _about_size(engine: Engine) -> Iterator[str]:
    """How sure the size of the weights is."""
    name = engine.draft_model
    draft = model_of(name, engine.service.models) if name else None
    if draft is not None and draft.weight_bytes is None:
        yield f"without {name}, whose size is not known"
    if any(each is not None and each.is_estimate("weight_bytes") for each in (engine.model, draft)):
        yield "the size of the weights is an estimate"
