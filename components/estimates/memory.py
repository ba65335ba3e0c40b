"""What a service takes of each GPU's memory, and what is left."""

from collections.abc import Iterator, Sequence

from components.estimates.draft import UNCOUNTED, Draft
from components.estimates.kv_cache import KVCache
from components.rules.budget import (
    CACHE_BLOCKS,
    CACHE_BYTES,
    bytes_per_gpu,
    cache_bytes,
    fraction,
    is_shrunk,
    out_of_range,
    resident_bytes,
    token_limit,
)
from components.rules.engine import Engine
from components.rules.sglang_engine import SGLangEngine
from components.rules.vllm_engine import VLLMEngine
from infra.estimates import MemoryFit, MemoryItem
from infra.facts.models import FIGURES, ModelFacts
from infra.figures import gigabytes


def memory_fit(engine: Engine) -> MemoryFit | None:
    """
    Whether weights, KV cache and the rest fit; None: not known, or divided as it can't be.

    Engines take their share of what is free when they start, which is a little less than all of
    the memory, as is reckoned with here.
    """
    gpu = engine.gpu
    share = fraction(engine, gpu) if gpu else None
    if gpu is None or gpu.capacity is None or share is None or any(out_of_range(engine)):
        return None
    facts, draft, cache = engine.model, Draft.of(engine), KVCache.of(engine)
    context, concurrency = engine.context, _concurrency(engine)
    held = [
        MemoryItem(name="weights", bytes=resident_bytes(engine), note=_weights_note(facts, engine)),
        *_draft_item(draft, engine),
    ]
    requests = [_cache_item(cache, context, concurrency, engine.gpu_count)]
    if facts.is_hybrid and isinstance(engine, SGLangEngine):
        requests.append(_states_item(cache, concurrency))
    states = 0 if cache.state_bytes == 0 else concurrency and cache.states(concurrency)
    outside, flag = _outside(engine, cache, held, states, gpu.capacity, share)
    given = cache_bytes(engine)
    if is_too_large := outside is not None and outside < 0:
        note = f"{CACHE_BYTES} {engine.text(CACHE_BYTES)}, whatever requests there are"
        requests, outside = [MemoryItem(name="KV cache", bytes=given, note=note)], 0
    reserve = MemoryItem(name="reserve", bytes=outside, note=_reserve_note(engine, draft, flag))
    left = _left(gpu.capacity, (*held, reserve))
    free = None if left is None else _left(left, requests)
    left = 0 if is_too_large else left
    largest_context = largest_concurrency = None
    if left is not None and concurrency is not None:
        tokens = cache.largest_context(left, concurrency)
        largest_context = _limited(tokens, engine.longest, engine.count(engine.context_flag))
    if left is not None and context is not None:
        running, limit = engine.requests[0], token_limit(engine)
        largest_concurrency = _limited(
            cache.largest_concurrency(left, context),
            running and running * engine.dp,
            limit and limit[0] // context * cache.copies,
            engine.service.routing.max_inputs,
        )
    return MemoryFit(
        gpu=gpu.name,
        gpu_count=engine.gpu_count,
        capacity=gpu.capacity,
        items=(*held, *requests, reserve),
        free=free,
        context=context,
        concurrency=concurrency,
        largest_context=largest_context,
        largest_concurrency=largest_concurrency,
        notes=tuple(_notes(engine, cache, left, free, flag)),
    )


def _outside(
    engine: Engine,
    cache: KVCache,
    held: Sequence[MemoryItem],
    states: int | None,
    capacity: int,
    share: float,
) -> tuple[int | None, str]:
    """
    Bytes that are neither for weights nor for requests, and the flag that leaves so many.

    Below 0: what the stack gives the KV cache is more than there is; None: not known.
    """
    if given := cache_bytes(engine):
        found, flag = _left(capacity - given, held), CACHE_BYTES
    else:
        found, flag = capacity - int(capacity * share), engine.share_flag
    limit = token_limit(engine)
    if limit and cache.token_bytes and states is not None and found is not None and found >= 0:
        unused = _left(capacity - cache.token_bytes * limit[0] - states, held)
        if unused is not None and unused > found:
            return unused, limit[1]
    return found, flag


def _limited(count: int | None, *limits: int | None) -> int | None:
    """So many, and no more than any limit that there is; None: not known."""
    return None if count is None else min([count, *(each for each in limits if each is not None)])


def _left(capacity: int, items: Sequence[MemoryItem]) -> int | None:
    """What the items leave of so many bytes; None: the size of one is not known."""
    sizes = [item.bytes for item in items if item.bytes is not None]
    return capacity - sum(sizes) if len(sizes) == len(items) else None


def _concurrency(engine: Engine) -> int | None:
    """Requests at once: the engine's limit, else what Modal sends it, else SGLang's own limit."""
    routing = engine.service.routing
    given = engine.count(engine.requests_flag) or routing.target_inputs or routing.max_inputs
    # vLLM's own is for any model, and no sign of what is expected
    return given or (engine.requests[0] if isinstance(engine, SGLangEngine) else None)


def _weights_note(facts: ModelFacts, engine: Engine) -> str:
    size, here, parts = facts.weight_bytes, bytes_per_gpu(facts, engine), engine.tp * engine.pp
    if size is None:
        return (
            f"the size of {engine.path} is not known; write ModelFacts(weight_bytes=...), or run "
            f"`infra model pull {engine.path}`"
        )
    mark = "~" if facts.is_estimate("weight_bytes") else ""
    if here is None:
        return (
            f"{mark}{gigabytes(size)} GB; whether it is of experts, which copies share, is not "
            f"known; write ModelFacts(expert_size=...), or run `infra model pull {engine.path}`"
        )
    on = round(size / here)
    note = f"{mark}{gigabytes(size)} GB on {_gpus(on)}"
    if engine.attention_copies > 1 or on > parts:
        note += "; at least, as each GPU has its own copy of the attention's"
    if moved := engine.text("--cpu-offload-gb"):
        note += f", up to {moved} GiB of each in the container's memory"
    if group := engine.text("--offload-group-size"):
        note += f", some of each {group} layers in the container's memory"
    if is_shrunk(engine):
        note += "; at the most, as they are quantised while they are loaded"
    if facts.draft_layers and engine.package == "vllm" and "mtp" not in (engine.algorithm or ""):
        note += "; with its draft layers, which vLLM loads only to guess with them"
    return note


def _draft_item(draft: Draft, engine: Engine) -> tuple[MemoryItem, ...]:
    """The draft, where it is a model of its own and within the share."""
    if not draft.name or not draft.is_counted:
        return ()
    size = bytes_per_gpu(draft.facts, engine)
    note = f"the size of {draft.name} is not known"
    if size is not None:
        is_estimate = draft.facts.is_estimate("weight_bytes")
        note = f"{draft.name}, an estimate" if is_estimate else draft.name
    return (MemoryItem(name="draft model", bytes=size, note=note),)


def _reserve_note(engine: Engine, draft: Draft, flag: str) -> str:
    """What the reserve is for, with the flag that leaves so much."""
    given = engine.text(flag)
    note = f"outside {flag} {given}" if given else f"{engine.title}'s own"
    if flag != engine.share_flag or not isinstance(engine, SGLangEngine):
        return note
    note += ": activations, CUDA graphs"
    if engine.algorithm in (None, *UNCOUNTED) or draft.is_counted:
        return note
    size = bytes_per_gpu(draft.facts, engine)
    return f"{note}, the draft model" + ("" if size is None else f" (~{gigabytes(size)} GB)")


def _cache_item(
    cache: KVCache, context: int | None, concurrency: int | None, gpus: int
) -> MemoryItem:
    size, note = None, _missing(cache.unknown)
    if cache.token_bytes is not None:
        note = f"{cache.token_bytes:,} bytes a token{' on each GPU' if gpus > 1 else ''}"
        if context is None or concurrency is None:
            what = "context length" if context is None else "number of requests"
            note += f"; the {what} is not known"
        else:
            size = cache.tokens(context, concurrency)
            here = f"{cache.requests_here(concurrency)} of " if cache.copies > 1 else ""
            requests = " requests" if here else ""
            note = f"{here}{concurrency}{requests} x {context:,} tokens, {note}"
    return MemoryItem(name="KV cache", bytes=size, note=note)


def _states_item(cache: KVCache, concurrency: int | None) -> MemoryItem:
    if cache.state_bytes is None or concurrency is None:
        return MemoryItem(name="states", bytes=None, note=_missing(("state_bytes",)))
    count = cache.fixed_states + cache.states_per_request * cache.requests_here(concurrency)
    note = f"{count} of {cache.state_bytes:,} bytes, of the layers without attention"
    return MemoryItem(name="states", bytes=cache.states(concurrency), note=note)


def _missing(unknown: Sequence[str]) -> str:
    are = "is" if len(unknown) == 1 else "are"
    return f"{', '.join(unknown)} {are} not known"


def _notes(
    engine: Engine, cache: KVCache, room: int | None, free: int | None, flag: str
) -> Iterator[str]:
    is_sglang, context = isinstance(engine, SGLangEngine), engine.context
    if engine.service.gpu[1:]:
        yield f"for {engine.service.gpu[0]}, the first that is asked for"
    longest = cache.largest_context(room, 1) if room is not None else None
    longest = _limited(longest, *(token_limit(engine) or ())[:1])
    if room is not None and room <= 0:
        size = cache_bytes(engine)
        such = f" of {gigabytes(size)} GB" if size else ""
        yield f"{engine.title} does not start: there is no room for a KV cache{such}"
    elif longest is not None and context is not None and longest < context:
        then = "SGLang refuses longer ones" if is_sglang else f"{engine.title} does not start"
        if flag == CACHE_BLOCKS:  # not every release looks at it when it starts
            then = "longer ones wait for ever, if it starts"
        yield f"the largest request has {longest:,} tokens: {then}"
    elif free is not None and free < 0:
        yield f"{engine.title} starts, and lets requests wait for which the KV cache has no room"
    if room is not None and room > 0:
        if cache.token_bytes is None or cache.state_bytes is None:
            is_figure = {*cache.unknown} <= {*FIGURES}
            hint = f"; `infra model pull {engine.path}` fetches it" if is_figure else ""
            yield f"{gigabytes(room)} GB per GPU are left for what is not known{hint}"
        elif not engine.model.is_hybrid:
            tokens = room // cache.token_bytes * cache.copies
            if not cache.window:
                yield f"there is room for {tokens:,} tokens in all"
            elif context is not None:
                requests = cache.largest_concurrency(room, context) or 0
                yield f"there is room for {requests:,} requests of {context:,} tokens in all"
        if not is_sglang and flag == engine.share_flag:
            is_beside = isinstance(engine, VLLMEngine) and not engine.counts_graphs
            takers = "activations" if is_beside else "activations and CUDA graphs"
            yield (
                f"at the most: what {takers} take of this, {engine.title} finds out when it starts"
            )
    if engine.model.is_hybrid and not engine.no_prefix_cache and is_sglang:
        yield "SGLang divides this room by --mamba-full-memory-ratio between states and KV cache"
    if cache.window:
        yield (
            f"{engine.model.sliding_layers} of {engine.kv_layers} layers keep the last "
            f"{cache.window:,} tokens of each request only"
        )
    elif engine.model.sliding_layers:
        yield (
            "layers that look back over a window only are reckoned whole: the KV cache takes so "
            "much at the most, and at least so much fits"
        )


def _gpus(count: int) -> str:
    return "one GPU" if count == 1 else f"{count} GPUs"
