"""The engine that a command line and an environment ask for."""

from collections.abc import Mapping
from pathlib import Path

import attrs

from infra.local.engine.drafting import speculation
from infra.local.engine.flags import Flags
from infra.local.engine.kernels import compiling, kernel_cache
from infra.local.engine.time_model import GPUS, Gpu, TimeModel
from infra.local.engine.vllm import VLLM, heeded
from infra.local.engine.weights import Weights

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
    weights = Weights.of(model)
    if not weights.known:
        remarks.append(f"the name {model!r} tells no size: taken as 8B")
    host = flags.text("--host") or "127.0.0.1"
    if host not in ("127.0.0.1", "localhost"):
        remarks.append(f"--host {host}: a stand-in listens on 127.0.0.1 only")
    tp = max(flags.number("--tp-size", "--tensor-parallel-size") or 1, 1)
    chunk, *largest = next(row[1:] for row in BY_MEMORY if gpu.memory / 2**20 < row[0])
    given_chunk = flags.number("--chunked-prefill-size")
    drafts = speculation(version, flags)
    cache = None if engine == VLLM else kernel_cache(version, flags, weights, gpu, environ)
    times = TimeModel(
        gpu=gpu,
        tp=tp,
        weights=weights,
        speculation=drafts,
        graph_sizes=_graph_sizes(flags, largest[tp >= 4], speculative=drafts is not None),
        kernels=compiling(cache, environ),
        kv_width=1.0 if "fp8" in (flags.text("--kv-cache-dtype") or "") else 2.0,
        memory_fraction=float(flags.text("--mem-fraction-static") or 0.85),
    )
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
        remarks=tuple(remarks),
    )


def _gpu(words: str) -> Gpu | None:
    """The first of the GPUs that Modal is asked for: ``H100!:2``, ``B200+:4``, ``H200,H100``."""
    name = words.partition(",")[0].partition(":")[0]
    return GPUS.get(name.strip().rstrip("!+").upper())


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
