"""What a service on SGLang takes of each GPU's memory, and what is left."""

from collections.abc import Iterator, Sequence

from components.estimates.draft import UNCOUNTED, Draft
from components.estimates.kv_cache import KVCache
from components.rules.budget import (
    attention_copies,
    bytes_per_gpu,
    fraction,
    out_of_range,
    resident_bytes,
)
from components.rules.engine import SGLangEngine
from infra.estimates import MemoryFit, MemoryItem
from infra.facts.models import ModelFacts
from infra.figures import gigabytes


def memory_fit(engine: SGLangEngine) -> MemoryFit | None:
    """
    Whether weights, KV cache and the rest fit; None: not known, or divided as it can't be.

    SGLang takes its fraction of what is free when it starts, which is a little less than all of
    the memory, as is reckoned with here.
    """
    capacity, share = engine.gpu.capacity if engine.gpu else None, fraction(engine)
    if engine.gpu is None or capacity is None or share is None or any(out_of_range(engine)):
        return None
    facts, draft, cache = engine.model, Draft.of(engine), KVCache.of(engine)
    context = engine.count("--context-length") or facts.context_length
    concurrency = _concurrency(engine)
    fixed = [
        MemoryItem(name="weights", bytes=resident_bytes(engine), note=_weights_note(facts, engine)),
        *_draft_item(draft, engine),
        MemoryItem(
            name="reserve",
            bytes=capacity - int(capacity * share),
            note=_reserve_note(engine, draft),
        ),
    ]
    requests = [_cache_item(cache, context, concurrency, engine.gpu_count)]
    if facts.is_hybrid:
        requests.append(_states_item(cache, concurrency))
    room = _left(capacity, fixed)
    largest_context = largest_concurrency = None
    if room is not None and concurrency is not None:
        largest_context = cache.largest_context(room, concurrency)
    if room is not None and context is not None:
        largest_concurrency = cache.largest_concurrency(room, context)
    if largest_context is not None and facts.context_length is not None:
        largest_context = min(largest_context, facts.context_length)
    free = None if room is None else _left(room, requests)
    return MemoryFit(
        gpu=engine.gpu.name,
        gpu_count=engine.gpu_count,
        capacity=capacity,
        items=(*fixed[:-1], *requests, fixed[-1]),
        free=free,
        context=context,
        concurrency=concurrency,
        largest_context=largest_context,
        largest_concurrency=largest_concurrency,
        notes=tuple(_notes(engine, cache, room, free)),
    )


def _left(capacity: int, items: Sequence[MemoryItem]) -> int | None:
    """What the items leave of so many bytes; None: the size of one is not known."""
    sizes = [item.bytes for item in items if item.bytes is not None]
    return capacity - sum(sizes) if len(sizes) == len(items) else None


def _concurrency(engine: SGLangEngine) -> int | None:
    """Requests at once: the engine's limit, else what Modal sends it, else SGLang's own limit."""
    routing = engine.service.routing
    given = engine.count(engine.requests_flag) or routing.target_inputs or routing.max_inputs
    return given or engine.requests[0]


def _weights_note(facts: ModelFacts, engine: SGLangEngine) -> str:
    size, parts = facts.weight_bytes, engine.tp * engine.pp
    if size is None:
        return f"the size of {engine.path} is not known; run `infra model pull {engine.path}`"
    mark = "~" if facts.is_estimate("weight_bytes") else ""
    note = f"{mark}{gigabytes(size)} GB on {_gpus(parts)}"
    if attention_copies(engine) > 1:
        note += "; at least, as each GPU has its own copy of the attention's"
    if moved := engine.text("--cpu-offload-gb"):
        note += f", up to {moved} GiB of each in the container's memory"
    if group := engine.text("--offload-group-size"):
        note += f", some of each {group} layers in the container's memory"
    if engine.text("--quantization") and facts.quantization is None:
        note += "; at the most, as they are quantised while they are loaded"
    return note


def _draft_item(draft: Draft, engine: SGLangEngine) -> tuple[MemoryItem, ...]:
    """The draft, where it is a model of its own and within the fraction."""
    if not draft.name or not draft.is_counted:
        return ()
    size = bytes_per_gpu(draft.facts, engine)
    mark = "~" if draft.facts.is_estimate("weight_bytes") else ""
    note = f"{mark}{draft.name}" if size is not None else f"the size of {draft.name} is not known"
    return (MemoryItem(name="draft model", bytes=size, note=note),)


def _reserve_note(engine: SGLangEngine, draft: Draft) -> str:
    given = engine.text("--mem-fraction-static")
    note = f"outside --mem-fraction-static {given}" if given else "SGLang's own"
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
            note = f"{concurrency} x {context:,} tokens, {note}"
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
    engine: SGLangEngine, cache: KVCache, room: int | None, free: int | None
) -> Iterator[str]:
    if engine.service.gpu[1:]:
        yield f"for {engine.service.gpu[0]}, the first that is asked for"
    if room is not None and room <= 0:
        yield "SGLang does not start: there is no room for a KV cache"
    elif free is not None and free < 0:
        yield "SGLang starts, and lets requests wait for which the KV cache has no room"
    if room is not None and room > 0:
        if cache.token_bytes is None or cache.state_bytes is None:
            yield (
                f"{gigabytes(room)} GB per GPU are left for what is not known; `infra model pull "
                f"{engine.path}` fetches it"
            )
        elif not engine.model.is_hybrid:
            tokens = room // cache.token_bytes * cache.copies
            yield f"there is room for {tokens:,} tokens in all"
    if engine.model.is_hybrid and not engine.no_prefix_cache:
        yield "SGLang divides this room by --mamba-full-memory-ratio between states and KV cache"
    if engine.model.sliding_layers:
        yield "layers that look back over a window only are reckoned whole: at the most"


def _gpus(count: int) -> str:
    return "one GPU" if count == 1 else f"{count} GPUs"
