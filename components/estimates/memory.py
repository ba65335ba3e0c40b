"""What a service on SGLang takes of each GPU's memory, and what is left."""

from collections.abc import Iterator, Sequence

from components.estimates.draft import UNCOUNTED, Draft
from components.estimates.kv_cache import KVCache
from components.rules.budget import (
    CACHE_BYTES,
    attention_copies,
    bytes_per_gpu,
    fraction,
    is_shrunk,
    out_of_range,
    resident_bytes,
)
from components.rules.engine import Engine
from components.rules.sglang_engine import SGLangEngine
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
    reserve = gpu.capacity - int(gpu.capacity * share)
    given = engine.count(CACHE_BYTES)
    fixed = [
        *held,
        MemoryItem(
            name="reserve",
            bytes=_left(gpu.capacity - given, held) if given else reserve,
            note=_reserve_note(engine, draft),
        ),
    ]
    requests = [_cache_item(cache, context, concurrency, engine.gpu_count)]
    if facts.is_hybrid and isinstance(engine, SGLangEngine):
        requests.append(_states_item(cache, concurrency))
    left = _left(gpu.capacity, fixed)
    largest_context = largest_concurrency = None
    if left is not None and concurrency is not None:
        largest_context = cache.largest_context(left, concurrency)
    if left is not None and context is not None:
        largest_concurrency = cache.largest_concurrency(left, context)
    if largest_context is not None and engine.longest is not None:
        largest_context = min(largest_context, engine.longest)
    free = None if left is None else _left(left, requests)
    return MemoryFit(
        gpu=gpu.name,
        gpu_count=engine.gpu_count,
        capacity=gpu.capacity,
        items=(*fixed[:-1], *requests, fixed[-1]),
        free=free,
        context=context,
        concurrency=concurrency,
        largest_context=largest_context,
        largest_concurrency=largest_concurrency,
        notes=tuple(_notes(engine, cache, left, free)),
    )


def _left(capacity: int, items: Sequence[MemoryItem]) -> int | None:
    """What the items leave of so many bytes; None: the size of one is not known."""
    sizes = [item.bytes for item in items if item.bytes is not None]
    return capacity - sum(sizes) if len(sizes) == len(items) else None


def _concurrency(engine: Engine) -> int | None:
    """Requests at once: the engine's limit, else what Modal sends it, else SGLang's own limit."""
    routing = engine.service.routing
    given = engine.count(engine.requests_flag) or routing.target_inputs or routing.max_inputs
    return given or engine.requests[0]


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
    if attention_copies(engine) > 1 or on > parts:
        note += "; at least, as each GPU has its own copy of the attention's"
    if moved := engine.text("--cpu-offload-gb"):
        note += f", up to {moved} GiB of each in the container's memory"
    if group := engine.text("--offload-group-size"):
        note += f", some of each {group} layers in the container's memory"
    if is_shrunk(engine):
        note += "; at the most, as they are quantised while they are loaded"
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


def _reserve_note(engine: Engine, draft: Draft) -> str:
    flag = CACHE_BYTES if engine.text(CACHE_BYTES) else engine.share_flag
    given = engine.text(flag)
    note = f"outside {flag} {given}" if given else f"{engine.title}'s own"
    if not isinstance(engine, SGLangEngine):
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


def _notes(engine: Engine, cache: KVCache, room: int | None, free: int | None) -> Iterator[str]:
    is_sglang, context = isinstance(engine, SGLangEngine), engine.context
    if engine.service.gpu[1:]:
        yield f"for {engine.service.gpu[0]}, the first that is asked for"
    longest = cache.largest_context(room, 1) if room is not None else None
    if room is not None and room <= 0:
        yield f"{engine.title} does not start: there is no room for a KV cache"
    elif longest is not None and context is not None and longest < context:
        yield (
            f"the largest request has {longest:,} tokens: "
            + ("SGLang refuses longer ones" if is_sglang else f"{engine.title} does not start")
        )
    elif free is not None and free < 0:
        yield f"{engine.title} starts, and lets requests wait for which the KV cache has no room"
    if room is not None and room > 0:
        if cache.token_bytes is None or cache.state_bytes is None:
            is_figure = {*cache.unknown} <= {*FIGURES}
            hint = f"; `infra model pull {engine.path}` fetches it" if is_figure else ""
            yield f"{gigabytes(room)} GB per GPU are left for what is not known{hint}"
        elif not engine.model.is_hybrid:
            tokens = room // cache.token_bytes * cache.copies
            yield f"there is room for {tokens:,} tokens in all"
        if not is_sglang:
            yield (
                f"at the most: what activations and CUDA graphs take of this, {engine.title} "
                "finds out when it starts"
            )
    if engine.model.is_hybrid and not engine.no_prefix_cache and is_sglang:
        yield "SGLang divides this room by --mamba-full-memory-ratio between states and KV cache"
    if engine.model.sliding_layers:
        yield "layers that look back over a window only are reckoned whole: at the most"


def _gpus(count: int) -> str:
    return "one GPU" if count == 1 else f"{count} GPUs"
