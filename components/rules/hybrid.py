"""What SGLang refuses or switches off for models whose layers keep a state (Mamba and its kin)."""

from collections.abc import Iterator

from components.rules.sglang_engine import SGLangEngine, hybrid
from components.rules.states import BUFFERED, given, is_buffered, is_cached, strategy
from infra.rules import Fault, Rule, rule

READ = "server_args.py of SGLang 0.5.8 to 0.5.23"
NEMOTRON = "NemotronHForCausalLM"
UNCACHED = "disable_radix_cache=True"


@rule("INF035", severity="error", source=READ, view=hybrid)
def prefix_cache_refused(engine: SGLangEngine) -> Iterator[Fault]:
    """
    Speculative decoding of a hybrid model together with the prefix cache.

    The cache needs states of a kind that guesses would spoil: up to 0.5.9 SGLang switches it off,
    from 0.5.10 to 0.5.13 it refuses to start, later it picks a strategy that has both.
    """
    if not engine.algorithm or engine.since("0.5.14") or not engine.since("0.5.8"):
        return
    if strategy(engine).startswith("extra_buffer") or not is_cached(engine):
        return
    instead = f"write {UNCACHED}"
    if is_buffered(engine):
        instead += ', or mamba_scheduler_strategy="extra_buffer"'
        instead += "" if engine.since("0.5.11") else " with SGLANG_ENABLE_SPEC_V2=1"
    if engine.since("0.5.10"):
        yield Fault(
            field="speculative",
            what=f"{engine.version} refuses {engine.algorithm} with the prefix cache for this "
            "hybrid model",
            fix=instead,
        )
    elif engine.since("0.5.9") or engine.model.architecture == NEMOTRON:
        yield Fault(
            field="speculative",
            what=f"{engine.version} switches the prefix cache off for this hybrid model",
            fix=instead,
            severity="warning",
        )


@rule("INF036", severity="error", source=READ, view=SGLangEngine.of)
def strategy_refused(engine: SGLangEngine) -> Iterator[Fault]:
    """
    The strategy extra_buffer where it is not possible.

    It keeps spare states for the prefix cache, on CUDA, for the architectures that have it.
    """
    chosen = given(engine)
    if not chosen.startswith("extra_buffer"):
        return
    is_off, is_late = engine.has("--disable-radix-cache"), engine.since("0.5.14")
    if is_off and engine.since("0.5.10"):
        yield Fault(
            what=f"{chosen}: is a strategy of the prefix cache, which --disable-radix-cache "
            "switches off",
            fix="take one of them out",
            severity="warning" if is_late else None,
        )
    if is_off and is_late:
        return  # and nothing else is looked at
    if is_buffered(engine) is False and is_cached(engine) and engine.since("0.5.9"):
        yield Fault(
            what=f"{chosen}: {engine.version} does not have it for {engine.model.architecture}",
            fix="take it out",
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
    if not is_cached(engine):
        return
    page, chosen = engine.number("--page-size") or 1, strategy(engine)
    if engine.since("0.5.14"):
        if chosen != "no_buffer":
            return
        has_buffers = is_buffered(engine) is not False
        buffers = ', or write mamba_radix_cache_strategy="extra_buffer"' if has_buffers else ""
        if given(engine) == chosen and not engine.has("--disable-overlap-schedule"):
            yield Fault(
                what="no_buffer: needs --disable-overlap-schedule",
                fix='write mamba_radix_cache_strategy="auto", or disable_overlap_schedule=True',
            )
        if page > 1:
            yield Fault(
                what=f"--page-size: is {page}; no_buffer takes 1",
                fix=f"take it out{buffers}",
            )
        if "trtllm_mha" in engine.attention:
            yield Fault(
                what="--attention-backend: trtllm_mha does not go with no_buffer",
                fix=f"take it out{buffers}",
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
    is_waiting = strategy(engine) == "no_buffer" and is_cached(engine)
    is_given_up = engine.has("--disable-overlap-schedule") or "trtllm_mha" in engine.attention
    is_old = not engine.since("0.5.14")
    if not is_waiting or is_given_up or engine.algorithm or not (is_old or given(engine) == "auto"):
        return
    instead = f"{UNCACHED} where prompts share no beginnings"
    if is_old and is_buffered(engine):
        instead = f'mamba_scheduler_strategy="extra_buffer", or {instead}'
    has_newer = is_old and BUFFERED.get(engine.model.architecture or "", "") is not None
    yield Fault(
        field="engine",
        what=f"{engine.version} switches the overlap schedule off for this hybrid model's prefix "
        "cache",
        fix=("use an image of 0.5.14 or newer, or " if has_newer else "") + f"write {instead}",
    )


RULES: tuple[Rule, ...] = (
    prefix_cache_refused,
    strategy_refused,
    attention_refused,
    prefix_cache_conflicts,
    overlap_lost_to_cache,
)
