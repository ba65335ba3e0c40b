"""Whether weights, KV cache and the rest fit into the GPUs' memory."""

from collections.abc import Iterator

from components.rules.budget import bytes_per_gpu, fraction, own_fraction
from components.rules.engine import Engine, SGLangEngine
from infra.rules import Fault, Rule, rule

BUDGET = "server_args.py of SGLang 0.5.11: the memory that it reserves itself"
# Above SGLang's own fraction; its documentation goes 0.11 above it (gpt-oss-120b on one H100).
MARGIN = 0.12


@rule("INF070", severity="warning", source=BUDGET, view=SGLangEngine.of)
def fraction_too_high(engine: SGLangEngine) -> Iterator[Fault]:
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
    size, share = bytes_per_gpu(engine.model, engine), fraction(engine)
    capacity = engine.gpu.capacity if engine.gpu else None
    if size is not None and share is not None and capacity is not None and size > share * capacity:
        yield Fault(
            field="gpu",
            what=f"{engine.service.model} is {size / 1e9:.0f} GB per GPU, and {share:.2f} of "
            f"{capacity / 1e9:.0f} GB are for weights and KV cache",
            fix="use more or larger GPUs, or weights in fewer bits",
        )


@rule("INF072", severity="error", source="models/qwen3.py of SGLang 0.5.11", view=Engine.of)
def heads_not_divisible(engine: Engine) -> Iterator[Fault]:
    """
    Tensor parallelism that does not divide the model's attention heads.

    The engine asserts against it while it builds the model.
    """
    heads, kv_heads, tp = engine.model.heads, engine.model.kv_heads, engine.tp
    if heads and heads % tp:
        yield Fault(
            field="gpu",
            what=f"{engine.tp_flag}: {tp} does not divide the {heads} heads of "
            f"{engine.service.model}",
            fix="use 1, 2, 4 or 8 GPUs",
        )
    elif kv_heads and kv_heads % tp and tp % kv_heads:
        yield Fault(
            field="gpu",
            what=f"{engine.tp_flag}: {tp} fits not to the {kv_heads} KV heads of "
            f"{engine.service.model}",
            fix="use 1, 2, 4 or 8 GPUs",
        )


RULES: tuple[Rule, ...] = (fraction_too_high, weights_do_not_fit, heads_not_divisible)
