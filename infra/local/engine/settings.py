"""The engine that a command line and an environment ask for."""

from collections.abc import Iterator, Mapping
from pathlib import Path

import attrs

from infra.facts.gpus import gpu as gpu_of_modal
from infra.facts.models import ModelFacts
from infra.local.engine.drafting import speculation
from infra.local.engine.flags import Flags
from infra.local.engine.kernels import compiling, kernel_cache
from infra.local.engine.model_figures import VARIABLE, facts_of
from infra.local.engine.time_model import GPUS, Gpu, TimeModel
from infra.local.engine.vllm import VLLM, heeded
from infra.local.engine.weights import NO_FACTS, Weights

MAX_RUNNING = 2048
SPECULATIVE_MAX_RUNNING = 48
UNLIMITED = 1_000_000_000
# SGLang's defaults by memory in MiB: the prompt tokens of one pass, the largest CUDA graph, the
# same with four GPUs or more.
BY_MEMORY = (
    (20_000, 2048, 8, 8),
    (35_000, 2048, 24, 80),
    (60_000, 4096, 32, 160),
    (160_000, 8192, 256, 512),
    (UNLIMITED, 16384, 512, 512),
)


@attrs.frozen(kw_only=True)
class Settings:
    """
    One engine, before it starts.

    Attributes:
        engine: What it stands for: ``SGLang`` or ``vLLM``.
        version: The engine's.
        flags: As given, or what vLLM's are to SGLang.
        model: The model's path.
        served_model: Its name in answers.
        times: The engine that is modelled.
        max_running: Requests that run at once; more wait.
        chunk: Prompt tokens of one pass at most.
        context_length: Tokens of one request at most; None: as the model has it, so unknown.
        kernel_cache: The folder of compiled kernels; None: none are compiled.
        remarks: What was assumed, for the banner.
        doubts: Those of them that are about the model's size.
    """

    engine: str
    version: str
    flags: Flags
    model: str
    served_model: str
    host: str
    port: int
    times: TimeModel
    max_running: int
    chunk: int
    context_length: int | None
    kernel_cache: Path | None
    remarks: tuple[str, ...]
    doubts: tuple[str, ...]


def read_settings(engine: str, version: str, flags: Flags, environ: Mapping[str, str]) -> Settings:
    """Everything that the stand-in heeds; the other flags are only checked."""
    remarks = []
    words = environ.get("INFRA_SIMULATED_GPU", "")
    gpu = _gpu(words)
    if gpu is None:
        gpu = GPUS["H100"]
        remarks.append(f"INFRA_SIMULATED_GPU is {words!r}: taken as H100")
    if engine == VLLM:
        flags = heeded(version, flags, gpu)
    model = flags.text("--model-path", "--model") or ""
    facts = NO_FACTS
    try:
        facts = facts_of(model, environ.get(VARIABLE, ""))
    except ValueError as error:
        remarks.append(f"{error}: the model is taken as its name says")
    weights = Weights.of(model, facts)
    host = flags.text("--host") or "127.0.0.1"
    if host not in ("127.0.0.1", "localhost"):
        remarks.append(f"--host {host}: a stand-in listens on 127.0.0.1 only")
    tp = max(flags.number("--tp-size", "--tensor-parallel-size") or 1, 1)
    chunk, *largest = next(row[1:] for row in BY_MEMORY if gpu.memory / 2**20 < row[0])
    given_chunk = flags.number("--chunked-prefill-size")
    drafts = speculation(version, flags)
    width = 1.0 if "fp8" in _kv_dtype(flags, facts) else 2.0
    cache = None if engine == VLLM else kernel_cache(version, flags, weights, gpu, environ)
    times = TimeModel(
        gpu=gpu,
        tp=tp,
        weights=weights,
        speculation=drafts,
        graph_sizes=_graph_sizes(flags, largest[tp >= 4], speculative=drafts is not None),
        kernels=compiling(cache, environ),
        kv_width=width,
        kv_stated=_token_bytes(facts, tp, width),
        memory_fraction=float(flags.text("--mem-fraction-static") or 0.85),
    )
    doubts = (*weights.doubts, *_doubts(times))
    running = MAX_RUNNING if drafts is None else SPECULATIVE_MAX_RUNNING
    return Settings(
        engine=engine,
        version=version,
        flags=flags,
        model=model,
        served_model=flags.text("--served-model-name") or model,
        host="127.0.0.1",
        port=flags.number("--port") or 30000,
        times=times,
        max_running=flags.number("--max-running-requests") or running,
        chunk=chunk if given_chunk is None else given_chunk if given_chunk > 0 else UNLIMITED,
        context_length=flags.number("--context-length"),
        kernel_cache=cache,
        remarks=(*remarks, *doubts),
        doubts=doubts,
    )


def _gpu(words: str) -> Gpu | None:
    """
    The first of the GPUs that Modal is asked for: ``H100!:2``, ``B200+:4``, ``H200,H100``.

    Its memory is what a plan reckons with, where that is known: a little more than on data sheets.
    """
    name = words.partition(",")[0].partition(":")[0].strip().rstrip("!+").upper()
    found, known = GPUS.get(name), gpu_of_modal(name)
    if found and known and known.capacity:
        return attrs.evolve(found, memory=float(known.capacity))
    return found


def _kv_dtype(flags: Flags, facts: ModelFacts) -> str:
    """The type of the KV cache; unless a flag says it, the model's quantisation does."""
    given = flags.text("--kv-cache-dtype") or "auto"
    return given if given != "auto" else facts.kv_dtype or given


def _token_bytes(facts: ModelFacts, tp: int, width: float) -> float | None:
    """
    Bytes of a token in the KV cache on all GPUs together, as a plan reckons them; None: not known.

    Each GPU has a head at least, and all of what latent attention keeps.
    """
    layers, heads, size = facts.kv_layers, facts.kv_heads, facts.head_size
    if layers is None:
        return None
    if facts.latent_size:
        return facts.latent_size * tp * layers * width
    if heads is None or size is None:
        return None
    return max(heads // tp, 1) * tp * (size + (facts.value_size or size)) * layers * width


def _doubts(times: TimeModel) -> Iterator[str]:
    """What of the memory is a guess."""
    if times.kv_stated is None:
        yield (
            "what a token takes of the KV cache is not known: "
            f"{times.kv_bytes:,.0f} bytes, from the size"
        )
    if times.kv_tokens > times.free_tokens:
        gpus = f"{times.tp} x {times.gpu.memory / 1e9:.1f} GB"
        yield (
            f"weights of {times.weights.size / 1e9:.1f} GB on {gpus} leave room for "
            f"{max(times.free_tokens, 0):,} tokens: taken as {times.kv_tokens:,}, where the real "
            "engine may not start"
        )


def _graph_sizes(flags: Flags, largest: int, *, speculative: bool) -> tuple[int, ...]:
    """The batch sizes that SGLang captures."""
    backend = flags.text("--cuda-graph-backend-decode")
    if flags.has("--disable-cuda-graph") or backend == "disabled":
        return ()
    top = flags.number("--cuda-graph-max-bs", "--cuda-graph-max-bs-decode") or largest
    if speculative:
        sizes = {*range(1, 9), *range(10, 33, 2), *range(40, 65, 4), *range(72, 257, 8)}
        sizes |= {*range(272, top, 16)}
    else:
        sizes = {1, 2, 4, 8, 12, *range(16, 257, 8), *range(272, 512, 16), *range(512, top, 32)}
    return (*sorted(size for size in sizes if size < top), top)
