"""Whether weights, KV cache and the rest fit into the GPUs' memory."""

from collections.abc import Iterator

from components.rules.budget import (
    BLOCK,
    CACHE_BYTES,
    cache_bytes,
    fraction,
    highest_share,
    is_shrunk,
    out_of_range,
    own_fraction,
    own_share,
    resident_bytes,
    room,
    token_bytes,
    token_limit,
)
from components.rules.engine import Engine
from components.rules.sglang_engine import SGLangEngine
from infra.facts.gpus import Gpu
from infra.figures import gigabytes
from infra.rules import Fault, Rule, rule

BUDGET = "server_args.py, arg_groups/memory_hook.py of SGLang 0.5.6.post2 to 0.5.23"
# What lets a context be longer than the model's: a variable, and flags that change the model's.
LONGER = {
    "sglang": (
        "SGLANG_ALLOW_OVERWRITE_LONGER_CONTEXT_LEN",
        ("1", "true", "yes", "y"),
        ("--json-model-override-args",),
    ),
    "vllm": (
        "VLLM_ALLOW_LONG_MAX_MODEL_LEN",
        ("1", "true"),
        ("--hf-overrides", "--hf-config-path", "--rope-scaling", "--rope-theta"),
    ),
}
MOST_GPUS = 8  # in a container of Modal's


@rule("INF070", severity="warning", source=BUDGET, view=SGLangEngine.of)
def fraction_too_high(engine: SGLangEngine) -> Iterator[Fault]:
    """
    A share of the memory for weights and KV cache that leaves far less than SGLang would.

    What is left has to hold the activations of a prefill chunk, the CUDA graphs and the draft
    model; where it does not, the engine runs out of memory, at its start or under load.
    """
    given = engine.share
    if given is None or not 0 < given < 1:
        return
    for gpu in engine.gpus:
        if given <= highest_share(engine, gpu):
            continue
        own, capacity = own_fraction(engine, gpu), gpu.capacity
        if own is not None and own > 0 and capacity is not None:
            left, wanted = (gigabytes(int((1 - each) * capacity)) for each in (given, own))
            yield Fault(
                what=f"{engine.share_flag}: {given:g} leaves {left} GB of {gpu.name}'s memory; "
                f"with this chunked prefill, tensor parallelism and draft SGLang would take "
                f"{own:.2f} and leave {wanted}",
                fix=f"write {own:.2f}, or lower --chunked-prefill-size, or accept it with the "
                "load test that shows it holds",
            )


@rule(
    "INF071",
    severity="error",
    source="pool_configurator.py of SGLang 0.5.11; gpu_worker.py of vLLM 0.11.2",
    view=Engine.of,
)
def weights_do_not_fit(engine: Engine) -> Iterator[Fault]:
    """
    Weights that are larger than the share of the GPUs' memory that is theirs.

    The engine ends with "Not enough memory" or "No available memory for the cache blocks", and
    says to raise the share; that helps only where the GPUs are large enough. A KV cache of so many
    bytes, with which vLLM asks for no share, has to fit beside the weights.
    """
    size = None if is_shrunk(engine) else resident_bytes(engine)
    if given := cache_bytes(engine):
        yield from _cache_does_not_fit(engine, given, size or 0)
    if size is None:
        return
    for gpu in engine.gpus:
        share = fraction(engine, gpu)
        if share is None or gpu.capacity is None or size <= share * gpu.capacity:
            continue
        if any(out_of_range(engine)):
            return
        own = own_share(engine, gpu)
        highest = int(highest_share(engine, gpu) * 100) / 100
        if own is not None and size < own * gpu.capacity:
            fix = f"take {engine.share_flag} out: {engine.title} would take {own:.2f}"
        elif size < highest * gpu.capacity:
            left = gigabytes(int(highest * gpu.capacity) - size)
            fix = (
                f"write {_keyword(engine.share_flag)}={highest:.2f}, which leaves {left} GB for "
                "the KV cache, or use more or larger GPUs"
            )
        else:
            fix = "use more or larger GPUs, or weights in fewer bits"
        yield Fault(
            field="gpu",
            what=f"{engine.service.model} is {gigabytes(size)} GB per GPU, and {share:.2f} of "
            f"{gpu.name}'s {gigabytes(gpu.capacity)} GB are for weights and KV cache",
            fix=fix,
        )


def _cache_does_not_fit(engine: Engine, given: int, size: int) -> Iterator[Fault]:
    """KV caches of so many bytes for which weights leave no room, where they have room alone."""
    for gpu in engine.gpus:
        if gpu.capacity is None or not size <= gpu.capacity < size + given:
            continue
        own = int((own_share(engine, gpu) or 0) * gpu.capacity) - size
        beside = f" beside {gigabytes(size)} GB of weights" if size else ""
        yield Fault(
            what=f"{CACHE_BYTES}: {gigabytes(given)} GB for the KV cache{beside} are more than "
            f"{gpu.name}'s {gigabytes(gpu.capacity)} GB",
            fix=f"take it out: {engine.title} would take {gigabytes(own)} GB at the most"
            if own > 0
            else "use more or larger GPUs",
        )


@rule(
    "INF072",
    severity="error",
    source="models/qwen3.py of SGLang 0.5.11; config/model.py of vLLM 0.11.2",
    view=Engine.of,
)
def heads_not_divisible(engine: Engine) -> Iterator[Fault]:
    """
    Tensor parallelism that does not divide the model's attention heads.

    The engine asserts against it while it builds the model. With data-parallel attention only the
    GPUs of one copy of attention share them.
    """
    heads, kv_heads, ranks = engine.model.heads, engine.model.kv_heads, engine.attention_ranks
    if ranks == 1 or heads is None or engine.tp % engine.attention_copies:
        return

    def is_good(count: int) -> bool:
        return not (heads % count or (kv_heads and kv_heads % count and count % kv_heads))

    if not is_good(ranks):
        beside = engine.gpu_count // ranks or 1  # stages, and copies
        good = [str(each * beside) for each in range(1, MOST_GPUS // beside + 1) if is_good(each)]
        kind = f"{kv_heads} KV heads" if heads % ranks == 0 else f"{heads} heads"
        share = "" if ranks == engine.tp else f" leaves {ranks} GPUs for a copy of attention, which"
        yield Fault(
            field="gpu",
            what=f"{engine.tp_flag}: {engine.tp}{share} does not divide the {kind} of "
            f"{engine.service.model}",
            fix=f"use {' or '.join(filter(None, (', '.join(good[:-1]), good[-1])))} GPUs"
            if good
            else "use another number of GPUs",
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


@rule(
    "INF074",
    severity="error",
    source="model_config.py of SGLang 0.5.6.post2 to 0.5.23; config/model.py of vLLM",
    view=Engine.of,
)
def context_too_long(engine: Engine) -> Iterator[Fault]:
    """
    Longer requests than the model has positions for.

    The engine raises an error at its start; with the variable that it names it starts, and what
    the model says beyond its positions is wrong, unless they are scaled.
    """
    asked, known = engine.count(engine.context_flag), engine.longest
    if asked is None or known is None or asked <= known or engine.package not in LONGER:
        return
    variable, true, scaling = LONGER[engine.package]
    is_allowed = engine.env.get(variable, "").strip().lower() in true
    if is_allowed or any(engine.text(flag) for flag in scaling):
        return
    yield Fault(
        what=f"{engine.context_flag}: {asked:,} tokens, and {engine.path} has {known:,}",
        fix=f"write {known} or less, or take it out; or scale the positions with {scaling[0]} and "
        f"set {variable}=1",
    )


@rule(
    "INF075",
    severity="error",
    source="tp_worker.py of SGLang 0.5.6.post2 to 0.5.23; v1/core/kv_cache_utils.py of vLLM",
    view=Engine.of,
)
def longest_does_not_fit(engine: Engine) -> Iterator[Fault]:
    """
    A context of which not even one request fits into the KV cache.

    vLLM does not start ("larger than the available KV cache memory"); SGLang starts, and refuses
    the requests that are longer than the cache, each with an error.
    """
    context, facts, kept = engine.context, engine.model, engine.kv_layers
    if context is None:
        return
    context, each = min(context, engine.longest or context), None
    if kept is not None and not is_shrunk(engine):
        layers = -(-max(kept - (facts.sliding_layers or 0), 0) // engine.pp)
        each = token_bytes(engine, layers)
    for gpu in engine.gpus:
        tokens, flag = _largest(engine, gpu, each)
        if tokens is None or tokens >= context or any(out_of_range(engine)):
            continue
        has = f"{gpu.name} has at most {gigabytes(room(engine, gpu) or 0)} for it"
        takes, more = "", "use more or larger GPUs"
        if each:
            takes = f" takes {gigabytes(each * context)} GB of KV cache per GPU"
        if flag:
            has, more = f"{flag} is {engine.text(flag)}", f"raise {_keyword(flag)}"
        whole = max(tokens // BLOCK, 1) * BLOCK  # a request has whole blocks of the cache
        is_sure = flag == CACHE_BYTES or not (flag or facts.is_estimate("weight_bytes"))
        yield Fault(
            field="engine",
            what=f"one request of {context:,} tokens{takes}, and {has}: the largest has "
            f"{tokens:,} tokens",
            fix=f"write {_keyword(engine.context_flag)}={whole} or less, or {more}",
            severity=None if is_sure and engine.package == "vllm" else "warning",
        )


def _largest(engine: Engine, gpu: Gpu, each: int | None) -> tuple[int | None, str]:
    """
    Tokens of the largest request, and the flag that allows no more; empty: the memory does not.

    None: not known, or there is no room at all.
    """
    limit, left = token_limit(engine), room(engine, gpu) if each else None
    if not each or left is None:
        return limit or (None, "")
    if left <= 0:
        return None, ""
    found = left // each, CACHE_BYTES if cache_bytes(engine) else ""
    return min(found, limit) if limit else found


def _keyword(flag: str) -> str:
    """A flag as the engine's value in a stack has it."""
    return flag.removeprefix("--").replace("-", "_")


RULES: tuple[Rule, ...] = (
    fraction_too_high,
    weights_do_not_fit,
    heads_not_divisible,
    division_impossible,
    context_too_long,
    longest_does_not_fit,
)
