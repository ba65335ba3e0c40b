"""What SGLang refuses or switches off for models whose layers keep a state (Mamba and its kin)."""

from collections.abc import Iterator

from components.rules.engine import SGLangEngine, hybrid
from infra.rules import Fault, Rule, rule

READ = "server_args.py of SGLang 0.5.8 to 0.5.23"
NEMOTRON = "NemotronHForCausalLM"


def strategy(engine: SGLangEngine) -> str:
    """How the radix cache keeps states; the flag was renamed in 0.5.14."""
    return (
        engine.text("--mamba-radix-cache-strategy")
        or engine.text("--mamba-scheduler-strategy")
        or "auto"
    )


@rule("INF035", severity="error", source=READ, view=hybrid)
def prefix_cache_refused(engine: SGLangEngine) -> Iterator[Fault]:
    """
    Speculative decoding of a hybrid model together with the prefix cache.

    The cache needs states of a kind that guesses would spoil: up to 0.5.9 SGLang switches it off,
    from 0.5.10 to 0.5.13 it refuses to start, later it picks a strategy that has both.
    """
    if not engine.algorithm or engine.has("--disable-radix-cache"):
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


@rule("INF036", severity="error", source=READ, view=SGLangEngine.of)
def strategy_refused(engine: SGLangEngine) -> Iterator[Fault]:
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


@rule(
    "INF037",
    severity="error",
    source="server_args.py of SGLang 0.5.7 to 0.5.19",
    view=SGLangEngine.of,
)
def attention_refused(engine: SGLangEngine) -> Iterator[Fault]:
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


@rule(
    "INF038",
    severity="error",
    source="server_args.py and mamba_hook.py of SGLang 0.5.9 to 0.5.23",
    view=hybrid,
)
def prefix_cache_conflicts(engine: SGLangEngine) -> Iterator[Fault]:
    """
    A setting that does not go with a hybrid model's prefix cache.

    Without buffers the cache has pages of one token and no overlap of scheduling and computing. Up
    to 0.5.13 SGLang changes what contradicts that and logs it; from 0.5.14 on it asserts.
    """
    if engine.has("--disable-radix-cache"):
        return
    page, chosen = engine.number("--page-size") or 1, strategy(engine)
    if engine.since("0.5.14"):
        if chosen != "no_buffer":
            return
        if not engine.has("--disable-overlap-schedule"):
            yield Fault(
                what="no_buffer: needs --disable-overlap-schedule",
                fix='write mamba_radix_cache_strategy="auto", or disable_overlap_schedule=True',
            )
        if page > 1:
            yield Fault(
                what=f"--page-size: is {page}; no_buffer takes 1",
                fix='take it out, or write mamba_radix_cache_strategy="extra_buffer"',
            )
        if "trtllm_mha" in engine.attention:
            yield Fault(
                what="--attention-backend: trtllm_mha does not go with no_buffer",
                fix='take it out, or write mamba_radix_cache_strategy="extra_buffer"',
            )
    elif not chosen.startswith("extra_buffer") and not engine.algorithm:
        if page > 1 and engine.since("0.5.11"):
            yield Fault(
                what=f"--page-size: {page} runs as 1 with this hybrid model's prefix cache",
                fix="take it out",
                severity="warning",
            )
        if "trtllm_mha" in engine.attention and engine.since("0.5.9"):
            yield Fault(
                what="--attention-backend: with trtllm_mha this hybrid model has no prefix cache",
                fix='write attention_backend="flashinfer", or disable_radix_cache=True to say so',
                severity="warning",
            )


@rule("INF039", severity="info", source=READ, view=hybrid)
def overlap_lost_to_cache(engine: SGLangEngine) -> Iterator[Fault]:
    """
    A hybrid model whose prefix cache costs the overlap of scheduling and computing.

    Up to 0.5.13 SGLang keeps the cache without buffers by itself, and each step waits for the
    scheduler; from 0.5.14 on it takes buffers where the model has them.
    """
    is_cached = not engine.has("--disable-radix-cache")
    is_given_up = (
        strategy(engine).startswith("extra_buffer")
        or engine.has("--disable-overlap-schedule")
        or "trtllm_mha" in engine.attention
    )
    if is_cached and not is_given_up and not engine.algorithm and not engine.since("0.5.14"):
        yield Fault(
            field="engine",
            what=f"{engine.version} switches the overlap schedule off for this hybrid model's "
            "prefix cache",
            fix="use an image of 0.5.14 or newer, or write disable_radix_cache=True where prompts "
            "share no beginnings",
        )


RULES: tuple[Rule, ...] = (
    prefix_cache_refused,
    strategy_refused,
    attention_refused,
    prefix_cache_conflicts,
    overlap_lost_to_cache,
)
