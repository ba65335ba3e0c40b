"""Whether weights, KV cache and the rest fit into the GPUs' memory."""

from collections.abc import Iterator

from components.rules.budget import fraction, out_of_range, own_fraction, resident_bytes
from components.rules.engine import Engine, SGLangEngine
from infra.figures import gigabytes
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
    given = engine.share
    if own is not None and given is not None and own + MARGIN < given < 1:
        yield Fault(
            what=f"--mem-fraction-static: {given:g}; with this chunked prefill, tensor parallelism "
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
    size, share = resident_bytes(engine), fraction(engine)
    capacity = engine.gpu.capacity if engine.gpu else None
    if size is None or share is None or capacity is None:
        return
    if size > share * capacity and not any(out_of_range(engine)):
        yield Fault(
            field="gpu",
            what=f"{engine.service.model} is {gigabytes(size)} GB per GPU, and {share:.2f} of "
            f"{gigabytes(capacity)} GB are for weights and KV cache",
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


@rule(
    "INF073",
    severity="error",
    source="the engines' command lines: SGLang 0.5.6.post2 to 0.5.23, vLLM 0.11.2 to 0.33.0",
    view=Engine.of,
)
def division_impossible(engine: Engine) -> Iterator[Fault]:
    """
    A share of the memory, or a number of GPUs, copies or requests, that can't be.

    The parsers take any number; the engine ends later, with an error that names something else.
    """
    for flag, allowed in out_of_range(engine):
        yield Fault(
            what=f"{flag}: is {engine.text(flag)}; {allowed} is allowed",
            fix="write one, or take it out",
        )


RULES: tuple[Rule, ...] = (
    fraction_too_high,
    weights_do_not_fit,
    heads_not_divisible,
    division_impossible,
)
