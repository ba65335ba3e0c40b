"""How SGLang's prefix cache keeps the states of hybrid models, by architecture and release."""

from components.rules.sglang_engine import SGLangEngine

# The first release whose prefix cache can keep spare states ("extra_buffer"); None: none can.
# server_args.py and arg_groups/overrides.py of SGLang 0.5.7 to 0.5.23.
BUFFERED = {
    "Qwen3NextForCausalLM": "0.5.7",
    "Qwen3_5ForConditionalGeneration": "0.5.9",
    "Qwen3_5MoeForConditionalGeneration": "0.5.9",
    "InternS2PreviewForConditionalGeneration": "0.5.12",
    "NemotronHForCausalLM": "0.5.13",
    "FalconH1ForCausalLM": "0.5.13",
    "GraniteMoeHybridForCausalLM": "0.5.13",
    "BailingMoeV2_5ForCausalLM": "0.5.13",
    "KimiLinearForCausalLM": "0.5.16",
    "Qwen3_5ForCausalLM": "0.5.19",
    "Qwen3_5MoeForCausalLM": "0.5.19",
    "Lfm2ForCausalLM": None,
}
# The first release that has a prefix cache; older ones switch it off.
CACHED = {"BailingMoeV2_5ForCausalLM": "0.5.13", "KimiLinearForCausalLM": "0.5.14"}


def is_cached(engine: SGLangEngine) -> bool:
    """Whether a hybrid model's beginnings are kept."""
    first = CACHED.get(engine.model.architecture or "")
    return engine.no_prefix_cache is None and (first is None or engine.since(first))


def is_buffered(engine: SGLangEngine) -> bool | None:
    """Whether the release can keep spare states of the model; None: it is not known of it."""
    name = engine.model.architecture
    if name not in BUFFERED:
        return None
    first, kernels = BUFFERED[name], engine.text("--linear-attn-backend") or "triton"
    is_late = engine.since("0.5.14")  # from then on it asks for Triton's kernels, too
    return first is not None and engine.since(first) and (kernels == "triton" or not is_late)


def given(engine: SGLangEngine) -> str:
    """The strategy as the stack has it; the flag was renamed in 0.5.14."""
    return (
        engine.text("--mamba-radix-cache-strategy")
        or engine.text("--mamba-scheduler-strategy")
        or "auto"
    )


def strategy(engine: SGLangEngine) -> str:
    """
    The strategy that runs; ``auto``: which one that becomes is not known.

    Up to 0.5.13 SGLang leaves ``auto`` without buffers. Later it takes buffers where the model has
    them, unless nothing is to overlap and pages have one token.
    """
    asked = given(engine)
    if asked != "auto":
        return asked
    if not engine.since("0.5.14"):
        return "no_buffer"
    has_buffers = is_buffered(engine)
    if has_buffers is None:
        return "auto"
    is_overlapping = not engine.has("--disable-overlap-schedule")
    is_wanted = is_overlapping or (engine.number("--page-size") or 1) > 1
    return "extra_buffer" if has_buffers and is_wanted else "no_buffer"
