"""What SGLang refuses or switches off for models whose layers keep a state (Mamba and its kin)."""

from collections.abc import Iterator

from components.rules.engine import Engine
from infra.rules import Fault, Rule, rule

READ = "server_args.py of SGLang 0.5.8 to 0.5.23"
NEMOTRON = "NemotronHForCausalLM"


def strategy(engine: Engine) -> str:
    """How the radix cache keeps states; the flag was renamed in 0.5.14."""
    return (
        engine.text("--mamba-radix-cache-strategy")
        or engine.text("--mamba-scheduler-strategy")
        or "auto"
    )


@rule("INF035", severity="error", source=READ, view=Engine.of)
def prefix_cache_refused(engine: Engine) -> Iterator[Fault]:
    """
    Speculative decoding of a hybrid model together with the prefix cache.

    The cache needs states of a kind that guesses would spoil: up to 0.5.9 SGLang switches it off,
    from 0.5.10 to 0.5.13 it refuses to start, later it picks a strategy that has both.
    """
    if not (engine.model.is_hybrid and engine.algorithm) or engine.has("--disable-radix-cache"):
        return
    if strategy(engine).startswith("extra_buffer") or not engine.since("0.5.8"):
        return
    is_nemotron = engine.model.architecture == NEMOTRON
    instead = (
        "write disable_radix_cache=True"
        if is_nemotron
        else 'write disable_radix_cache=True, or mamba_scheduler_strategy="extra_buffer" with '
        "SGLANG_ENABLE_SPEC_V2=1"
    )
    if not engine.since("0.5.10"):
        if engine.since("0.5.9") or is_nemotron:
            yield Fault(
                field="speculative",
                what=f"{engine.version} switches the prefix cache off for this hybrid model",
                fix=instead,
                severity="warning",
            )
    elif not engine.since("0.5.14"):
        yield Fault(
            field="speculative",
            what=f"{engine.version} refuses {engine.algorithm} with the prefix cache for this "
            "hybrid model",
            fix=instead,
        )


@rule("INF036", severity="error", source=READ, view=Engine.of)
def strategy_refused(engine: Engine) -> Iterator[Fault]:
    """
    The strategy extra_buffer where it is not possible.

    It keeps spare states for the prefix cache, on CUDA, for the architectures that have it.
    """
    chosen = strategy(engine)
    if not chosen.startswith("extra_buffer"):
        return
    if engine.has("--disable-radix-cache") and engine.since("0.5.10"):
        yield Fault(
            what=f"{chosen}: is a strategy of the prefix cache, which --disable-radix-cache "
            "switches off",
            fix="take one of them out",
        )
    early = engine.since("0.5.9") and not engine.since("0.5.13")
    if engine.model.architecture == NEMOTRON and early:
        yield Fault(
            what=f"{chosen}: {engine.version} does not have it for {NEMOTRON}",
            fix='write mamba_scheduler_strategy="no_buffer"',
        )
    tokens = engine.number("--speculative-num-draft-tokens")
    interval = engine.number("--mamba-track-interval")
    if tokens and interval and interval < tokens:
        yield Fault(
            what=f"--mamba-track-interval: {interval} is less than the draft tokens, {tokens}",
            fix=f"write {tokens} or more",
        )
    page = engine.number("--page-size")
    if interval and page and interval % page:
        yield Fault(
            what=f"--mamba-track-interval: {interval} is no multiple of --page-size {page}",
            fix=f"write {-(-interval // page) * page}",
        )


@rule("INF037", severity="error", source="server_args.py of SGLang 0.5.7 to 0.5.19", view=Engine.of)
def attention_refused(engine: Engine) -> Iterator[Fault]:
    """
    A Nemotron hybrid on Triton's attention.

    SGLang asserts against it at its start, from 0.5.7 to 0.5.18.
    """
    early = engine.since("0.5.7") and not engine.since("0.5.19")
    if engine.model.architecture == NEMOTRON and early and "triton" in engine.attention:
        yield Fault(
            what="--attention-backend: triton is not for Nemotron hybrids",
            fix="take it out; SGLang picks one for the GPU",
        )


RULES: tuple[Rule, ...] = (prefix_cache_refused, strategy_refused, attention_refused)
