"""How an engine divides a GPU's memory: how much is for weights and KV cache, and who shares it."""

from collections.abc import Iterator

from components.rules.engine import LARGEST, Engine, SGLangEngine
from infra.facts.models import ModelFacts

ONE_POOL = "0.5.14"  # since then a draft model is within the fraction, and nothing reserved for it
# Below so many MiB: chunked prefill, the largest CUDA graph, the same from tp 4 on.
BY_MEMORY = (
    (20 * 1024, 2048, 8, 8),
    (35 * 1024, 2048, 24, 80),
    (60 * 1024, 4096, 32, 160),
    (160 * 1024, 8192, 256, 512),
    (10**9, 16384, 512, 512),
)
# Flags whose numbers are 1 at least.
COUNTS = {
    "sglang": (
        "--tp-size",
        "--pp-size",
        "--dp-size",
        "--attn-dp-size",
        "--max-running-requests",
        "--context-length",
    ),
    "vllm": (
        "--tensor-parallel-size",
        "--pipeline-parallel-size",
        "--data-parallel-size",
        "--max-num-seqs",
    ),
}
UNCHUNKED = 16384  # tokens of a prefill where --chunked-prefill-size is -1


def own_fraction(engine: Engine) -> float | None:
    """
    The fraction that SGLang would take itself for weights and KV cache.

    It reserves memory for the activations of a prefill chunk, for CUDA graphs and, up to 0.5.13,
    for a draft model (server_args.py of 0.5.6.post2 to 0.5.19, arg_groups/memory_hook.py since).
    None: the GPU's memory is not known.
    """
    if engine.gpu is None or engine.gpu.memory_mib is None:
        return None
    memory = engine.gpu.memory_mib
    chunk, graph, graph_tp = next(row[1:] for row in BY_MEMORY if memory < row[0])
    prefill = engine.number("--chunked-prefill-size") or chunk
    largest = engine.graphs or (graph_tp if engine.tp >= 4 else graph)
    reserved = 512 + 1.5 * max(prefill if prefill > 0 else UNCHUNKED, 2048)
    reserved += 2 * largest + engine.tp * engine.pp / 8 * 1024
    if isinstance(engine, SGLangEngine) and (copies := attention_copies(engine)) > 1:
        reserved += largest * copies * (4.5 if largest > 300 else 3)
    if memory > 60 * 1024:
        reserved = max(reserved, 10 * 1024)
    return (memory - reserved - _for_draft(engine)) / memory


def _for_draft(engine: Engine) -> int:
    """MiB that SGLang reserves for a draft model."""
    if engine.algorithm in (None, "NGRAM") or engine.since(ONE_POOL):
        return 0
    if engine.algorithm == "STANDALONE":
        return 6 * 1024
    return (4 if engine.since("0.5.10") else 2) * 1024


def fraction(engine: Engine) -> float | None:
    """The fraction that is asked for, or the engine's own; None: not known."""
    if not isinstance(engine, SGLangEngine):
        return engine.share
    return own_fraction(engine) if engine.share is None else engine.share


def bytes_per_gpu(facts: ModelFacts, engine: Engine) -> int | None:
    """Bytes of a model's weights for each GPU of an engine; None: not known."""
    size = facts.weight_bytes
    return None if size is None else -(-size // (engine.tp * engine.pp))


def resident_bytes(engine: Engine) -> int | None:
    """
    Bytes of the model's weights that stay on each GPU; None: not known.

    The rest is in the container's memory: of each GPU so many GiB at the most (utils/offloader.py
    of SGLang 0.5.6.post2 to 0.5.23; vLLM's --cpu-offload-gb), or some layers of each group.
    """
    size = bytes_per_gpu(engine.model, engine)
    if size is None or engine.count("--offload-group-size"):
        return None
    moved = engine.real("--cpu-offload-gb") or 0
    return max(size - int(moved * 2**30), 0) if 0 < moved < LARGEST else size


def out_of_range(engine: Engine) -> Iterator[tuple[str, str]]:
    """Flags that divide memory and GPUs in a way that can't be, and what is allowed."""
    for flag in COUNTS.get(engine.package, ()):
        if engine.text(flag) and engine.count(flag) is None:
            yield flag, "a whole number, 1 or more,"
    share = engine.share if isinstance(engine, SGLangEngine) else None
    if share is not None and not 0 < share < 1:
        yield "--mem-fraction-static", "a number above 0 and below 1"


def attention_copies(engine: SGLangEngine) -> int:
    """Groups of the service's GPUs among which data-parallel attention divides the requests."""
    if given := engine.count("--attn-dp-size"):
        return given
    return engine.count("--dp-size") or 1 if engine.has("--enable-dp-attention") else 1
