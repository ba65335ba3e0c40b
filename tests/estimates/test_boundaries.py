"""What holds of every memory fit, whatever the model, the GPUs and the flags are."""

from typing import Any

import attrs
from estimate_samples import memory
from hypothesis import given
from hypothesis import strategies as st

from components import ModelFacts, SpeculativeDecoding

MTP = SpeculativeDecoding.mtp(num_steps=3, eagle_topk=1, num_draft_tokens=4)
dense = st.builds(
    ModelFacts,
    weight_bytes=st.integers(10**9, 200 * 10**9),
    layers=st.integers(1, 100),
    kv_heads=st.sampled_from([1, 2, 8, 64]),
    head_size=st.sampled_from([64, 128, 256]),
    is_hybrid=st.just(False),
)
latent = st.builds(
    ModelFacts,
    weight_bytes=st.integers(10**9, 700 * 10**9),
    layers=st.integers(1, 100),
    latent_size=st.just(576),
    is_hybrid=st.just(False),
)
hybrid = st.builds(
    ModelFacts,
    weight_bytes=st.integers(10**9, 200 * 10**9),
    layers=st.just(60),
    attention_layers=st.integers(1, 30),
    kv_heads=st.sampled_from([2, 8]),
    head_size=st.just(128),
    state_bytes=st.integers(10**6, 10**8),
    is_hybrid=st.just(True),
)
services = st.fixed_dictionaries(
    {
        "facts": dense | latent | hybrid,
        "gpu": st.sampled_from(["L4", "H100!:2", "H200:8", "B200:4", "B300:8"]),
        "version": st.sampled_from(["0.5.6.post2", "0.5.11", "0.5.14", "0.5.23"]),
        "speculative": st.sampled_from([None, MTP]),
    }
)
more_flags = st.fixed_dictionaries(
    {},
    optional={
        "mem_fraction_static": st.sampled_from([0.5, 0.8, 0.9]),
        "kv_cache_dtype": st.sampled_from(["auto", "fp8_e4m3"]),
        "disable_radix_cache": st.just(True),
    },
)
contexts = st.integers(1, 10**6)
requests = st.integers(1, 500)


def fit(service: dict[str, Any], flags: dict[str, Any], context: int, concurrency: int) -> Any:
    """The fit with so many requests of so many tokens."""
    asked = {**flags, "context_length": context, "max_running_requests": concurrency}
    return memory(**service, flags=asked)


@given(service=services, flags=more_flags, context=contexts, concurrency=requests)
def test_the_items_and_what_is_free_are_the_whole(
    service: dict[str, Any], flags: dict[str, Any], context: int, concurrency: int
) -> None:
    """Every byte of the GPU is in one item, or free, or missing."""
    found = fit(service, flags, context, concurrency)
    assert found.free is not None
    assert sum(item.bytes for item in found.items) + found.free == found.capacity


@given(
    service=services,
    flags=more_flags,
    context=contexts,
    concurrency=requests,
    missing=st.sampled_from(["weight_bytes", "layers", "kv_heads", "head_size", "state_bytes"]),
)
def test_what_is_missing_is_never_guessed(
    service: dict[str, Any], flags: dict[str, Any], context: int, concurrency: int, missing: str
) -> None:
    """What is free is known exactly when every item is."""
    partial = attrs.evolve(service["facts"], **{missing: None})
    found = fit({**service, "facts": partial}, flags, context, concurrency)
    assert (found.free is None) == any(item.bytes is None for item in found.items)
    if found.free is None:
        assert None in (found.largest_context, found.largest_concurrency)


@given(
    service=services,
    flags=more_flags,
    context=contexts,
    concurrency=requests,
    more=st.integers(1, 10**5),
)
def test_more_never_frees_memory(
    service: dict[str, Any], flags: dict[str, Any], context: int, concurrency: int, more: int
) -> None:
    """Longer contexts, and more requests, leave as much as before or less."""
    free = fit(service, flags, context, concurrency).free
    assert fit(service, flags, context + more, concurrency).free <= free
    assert fit(service, flags, context, concurrency + more).free <= free


@given(service=services, flags=more_flags, context=contexts, concurrency=requests)
def test_the_largest_is_the_boundary(
    service: dict[str, Any], flags: dict[str, Any], context: int, concurrency: int
) -> None:
    """It fits with the largest, and not with one more that the stack allows; or it is 0."""
    found = fit(service, flags, context, concurrency)
    tokens, count = found.largest_context, found.largest_concurrency
    if tokens:
        assert fit(service, flags, tokens, concurrency).free >= 0
    assert tokens <= context and count <= concurrency
    if tokens < context:
        assert fit(service, flags, tokens + 1, concurrency).free < 0
    if count:
        assert fit(service, flags, context, count).free >= 0
    if count < concurrency:
        assert fit(service, flags, context, count + 1).free < 0


@given(service=services, flags=more_flags, context=contexts, concurrency=requests)
def test_the_model_s_context_is_never_exceeded(
    service: dict[str, Any], flags: dict[str, Any], context: int, concurrency: int
) -> None:
    """However much memory there is, the largest context is one that the model has."""
    limited = attrs.evolve(service["facts"], context_length=4096)
    found = fit({**service, "facts": limited}, flags, context, concurrency)
    unlimited = fit(service, flags, context, concurrency)
    assert found.largest_context == min(unlimited.largest_context, 4096)
