"""How an engine divides a GPU's memory: how much is for weights and KV cache, and who shares it."""

from components.rules.engine import Engine, SGLangEngine
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
    given = engine.text("--mem-fraction-static")
    return float(given) if given else own_fraction(engine)


def bytes_per_gpu(facts: ModelFacts, engine: Engine) -> int | None:
    """Bytes of a model's weights on each GPU of an engine; None: not known."""
    size = facts.weight_bytes
    return None if size is None else -(-size // (engine.tp * engine.pp))


def attention_copies(engine: SGLangEngine) -> int:
    """Groups of the service's GPUs among which data-parallel attention divides the requests."""
    if given := engine.number("--attn-dp-size"):
        return given
    return engine.number("--dp-size") or 1 if engine.has("--enable-dp-attention") else 1
