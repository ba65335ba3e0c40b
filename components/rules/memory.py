"""Whether weights, KV cache and the rest fit into the GPUs' memory."""

from collections.abc import Iterator

from components.rules.engine import EAGLE, Engine
from infra.rules import Fault, Rule, rule

BUDGET = "server_args.py of SGLang 0.5.11: the memory that it reserves itself"
# Above SGLang's own fraction; its documentation goes 0.11 above it (gpt-oss-120b on one H100).
MARGIN = 0.12
# Below so many MiB: chunked prefill, the largest CUDA graph, the same from tp 4 on.
BY_MEMORY = (
    (20 * 1024, 2048, 8, 8),
    (35 * 1024, 2048, 24, 80),
    (60 * 1024, 4096, 32, 160),
    (160 * 1024, 8192, 256, 512),
    (10**9, 16384, 512, 512),
)


def own_fraction(engine: Engine) -> float | None:
    """The fraction that SGLang would take itself; None: the GPU's memory is not known."""
    if not (engine.gpu and engine.gpu.memory_gb):
        return None
    memory = engine.gpu.memory_gb * 1024
    chunk, graph, graph_tp = next(row[1:] for row in BY_MEMORY if memory < row[0])
    prefill = engine.number("--chunked-prefill-size") or chunk
    largest = (
        engine.number("--cuda-graph-max-bs")
        or engine.number("--cuda-graph-max-bs-decode")
        or (graph_tp if engine.tp >= 4 else graph)
    )
    ranks = engine.tp * (engine.number("--pp-size") or 1)
    reserved = 512 + 1.5 * max(prefill, 2048) + 2 * largest + ranks / 8 * 1024
    if memory > 60 * 1024:
        reserved = max(reserved, 10 * 1024)
    if engine.algorithm in EAGLE:
        reserved += 4096 if engine.since("0.5.11") else 2048
    elif engine.algorithm == "STANDALONE":
        reserved += 6144
    return (memory - reserved) / memory


def fraction(engine: Engine) -> float | None:
    """The fraction that is asked for, or SGLang's own."""
    given = engine.text("--mem-fraction-static")
    return float(given) if given else own_fraction(engine)


@rule("INF070", severity="warning", source=BUDGET, view=Engine.of)
def fraction_too_high(engine: Engine) -> Iterator[Fault]:
    """
    A far larger share of the memory for weights and KV cache than SGLang would take.

    What is left has to hold the activations of a prefill chunk, the CUDA graphs and the draft
    model; where it does not, the engine runs out of memory, at its start or under load.
    """
    own = own_fraction(engine)
    given = engine.text("--mem-fraction-static")
    if own is not None and given and float(given) > own + MARGIN:
        yield Fault(
            what=f"--mem-fraction-static: {given}; with this chunked prefill, tensor parallelism "
            f"and draft SGLang would take {own:.2f}",
            fix=f"write {own:.2f}, or lower --chunked-prefill-size, or accept it with the load "
            "test that shows it holds",
        )


@rule("INF071", severity="error", source="pool_configurator.py of SGLang 0.5.11", view=Engine.of)
def weights_do_not_fit(engine: Engine) -> Iterator[Fault]:
    """
    Weights that are larger than the share of the GPUs' memory that is theirs.

    SGLang ends with "Not enough memory", and says to raise the fraction; that helps only where
    the GPUs are large enough.
    """
    size, share = engine.model.weight_bytes, fraction(engine)
    if size is None or share is None or not (engine.gpu and engine.gpu.memory_gb):
        return
    each = size / 1e9 / (engine.tp * (engine.number("--pp-size") or 1))
    if each > share * engine.gpu.memory_gb:
        yield Fault(
            field="gpu",
            what=f"{engine.service.model} is {each:.0f} GB per GPU, and {share:.2f} of "
            f"{engine.gpu.memory_gb} GB are for weights and KV cache",
            fix="use more or larger GPUs, or weights in fewer bits",
        )


@rule("INF072", severity="error", source="models/qwen3.py of SGLang 0.5.11", view=Engine.of)
def heads_not_divisible(engine: Engine) -> Iterator[Fault]:
    """
    Tensor parallelism that does not divide the model's attention heads.

    SGLang asserts against it while it builds the model.
    """
    heads, kv_heads, tp = engine.model.heads, engine.model.kv_heads, engine.tp
    if heads and heads % tp:
        yield Fault(
            field="gpu",
            what=f"--tp-size: {tp} does not divide the {heads} heads of {engine.service.model}",
            fix="use 1, 2, 4 or 8 GPUs",
        )
    elif kv_heads and kv_heads % tp and tp % kv_heads:
        yield Fault(
            field="gpu",
            what=f"--tp-size: {tp} fits not to the {kv_heads} KV heads of {engine.service.model}",
            fix="use 1, 2, 4 or 8 GPUs",
        )


RULES: tuple[Rule, ...] = (fraction_too_high, weights_do_not_fit, heads_not_divisible)
