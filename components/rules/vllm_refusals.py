"""What vLLM's parser takes and its configuration refuses."""

from collections.abc import Iterator

from components.rules.vllm_engine import VLLMEngine, counted
from infra.facts.vllm import COMPILATION, LARGEST, SHORT, SIZES, SPECULATIVE
from infra.rules import Fault, Rule, Severity, rule

READ = "vLLM 0.11.2, 0.15.1 and 0.33.0"
# Flags that need another one.
NEEDED = (
    ("--enable-auto-tool-choice", "--tool-call-parser"),
    ("--enable-log-outputs", "--enable-log-requests"),
)
# In what follows a release is the oldest whose source was read and says so; the flag is older.
# Flags that do not go with another one.
EXCLUDED = (("--enable-per-request-metrics", "--disable-log-stats", "0.33.0"),)
# Numbers within bounds that the parser does not know.
BOUNDS = (
    ("--optimization-level", 0, 3, "0 to 3", "0.15.1"),
    ("--sse-keep-alive-interval", 0, float("inf"), "0 or more", "0.33.0"),
)
# Flags that say what a key in another one's JSON says.
TWICE = {
    "--cudagraph-capture-sizes": (COMPILATION, SIZES, "0.11.2"),
    "--cuda-graph-sizes": (COMPILATION, SIZES, "0.11.2"),
    "--max-cudagraph-capture-size": (COMPILATION, LARGEST, "0.11.2"),
    **{flag: (SPECULATIVE, key, "0.33.0") for key, flag in SHORT.items()},
}
BATCH, CHUNKED = "--max-num-batched-tokens", "--enable-chunked-prefill"
LEAST_BATCH = 2048  # tokens, where nothing is said
COMPILED = (3, "3", "VLLM_COMPILE")  # names of the mode that has CUDA graphs
# The least compute capability of each quantisation in 0.11.2, 0.15.1 and 0.33.0. It only falls, so
# between two of them the later one's is the surer.
CAPABILITIES = ("0.11.3", "0.15.2")  # the first that are newer than the first two
LEAST = {
    "fp8": (80, 75, 75),
    "mxfp4": (80, 80, 80),
    "modelopt": (89, 89, 80),
    "modelopt_fp8": (89, 89, 80),
    "modelopt_fp4": (80, 75, 75),
    "fbgemm_fp8": (80, 80, 80),
    "experts_int8": (80, 80, 80),
    "awq_marlin": (80, 75, 75),
    "gptq_marlin": (80, 75, 60),
}
DRAFT_GPUS = "draft_tensor_parallel_size"
FROM_TEXT = ("ngram", "[ngram]", "ngram_gpu")
WITHOUT_DRAFT = (*FROM_TEXT, "suffix", "custom_class", "extract_hidden_states")
NOT_AHEAD = (*FROM_TEXT, "suffix", "draft_model", "medusa", "mlp_speculator")
WITHOUT_EAGLE3 = ("deepseek", "glm", "kimi")  # how architectures begin


def _level(engine: VLLMEngine, read: str) -> Severity | None:
    """A warning where only a newer release's source was read."""
    return None if engine.since(read) else "warning"


@rule(
    "INF115", severity="error", source=f"validate_parsed_serve_args of {READ}", view=VLLMEngine.of
)
def refused_together(engine: VLLMEngine) -> Iterator[Fault]:
    """
    Flags that vLLM's parser takes and its checks refuse.

    The server ends with an error before it loads the weights.
    """
    values = engine.parsed.values
    for flag, other in NEEDED:
        if flag in values and engine.has(flag) and not values.get(other):
            yield Fault(what=f"{flag}: needs {other}", fix=f"add {other}, or take {flag} out")
    for flag, other, read in EXCLUDED:
        if flag in values and engine.has(flag) and engine.has(other):
            yield Fault(
                what=f"{flag}: does not go with {other}",
                fix="take one of them out",
                severity=_level(engine, read),
            )
    for flag, least, most, allowed, read in BOUNDS:
        number = engine.real(flag) if flag in values else least
        if number is None or not least <= number <= most:
            yield Fault(
                what=f"{flag}: is {engine.text(flag)}; {allowed} is allowed",
                fix="write one, or take it out",
                severity=_level(engine, read),
            )
    length = engine.number(engine.context_flag)
    if length is not None and length < 1 and not engine.since("0.14.1"):
        yield Fault(
            what=f"{engine.context_flag}: is {length}, which {engine.version} does not take for "
            '"as many as there is room for"',
            fix="write a number, or use an image of 0.14.1 or newer",
            severity="warning" if engine.since("0.12.0") else None,
        )
    if engine.pp > 1 and engine.has("--async-scheduling") and not engine.since("0.12.0"):
        yield Fault(
            what="--async-scheduling: does not go with --pipeline-parallel-size",
            fix="take one of them out",
        )
    if engine.text("--model"):
        yield Fault(
            what="--model: is the model once more, which `vllm serve` is given as its first word",
            fix="take it out",
        )


@rule("INF123", severity="error", source=f"engine/arg_utils.py of {READ}", view=VLLMEngine.of)
def said_twice(engine: VLLMEngine) -> Iterator[Fault]:
    """
    A setting in a flag of its own and in another flag's JSON.

    vLLM calls them mutually exclusive and ends, even where both say the same.
    """
    if TWICE.keys().isdisjoint(engine.parsed.values):
        return
    for flag, (whole, key, read) in TWICE.items():
        if flag in engine.parsed.values and engine.settings(whole).get(key) is not None:
            yield Fault(
                field="speculative" if whole == SPECULATIVE else "",
                what=f"{flag}: is in {whole}, too, as {key}",
                fix="take one of them out",
                severity=_level(engine, read),
            )


@rule(
    "INF124",
    severity="error",
    source=f"config/scheduler.py and _set_cudagraph_sizes of {READ}",
    view=VLLMEngine.of,
)
def sizes_do_not_match(engine: VLLMEngine) -> Iterator[Fault]:
    """
    Sizes of batches that contradict each other.

    A ValueError comes when the engine is configured.
    """
    batch = engine.number(BATCH)
    if batch:
        requests, context = engine.number(engine.requests_flag), engine.number(engine.context_flag)
        if requests and batch < requests:
            yield Fault(
                what=f"{BATCH}: {batch} is less than {engine.requests_flag}, {requests}",
                fix=f"write max_num_batched_tokens={requests} or more, or fewer requests",
            )
        if context and batch < context and engine.parsed.values.get(CHUNKED) is False:
            yield Fault(
                what=f"{BATCH}: {batch} is less than {engine.context_flag}, {context}, and "
                "prompts are not cut into chunks",
                fix=f"write max_num_batched_tokens={context} or more, or take "
                "enable_chunked_prefill=False out",
            )
    largest, given = counted(engine.graph_sizes[LARGEST]), engine.graph_sizes[SIZES]
    if largest is None or not isinstance(given, list) or not _has_graphs(engine):
        return
    sizes = [size for size in map(counted, given) if size and size <= (batch or LEAST_BATCH)]
    if largest != max(sizes, default=0) and None not in map(counted, given):
        yield Fault(
            what=f"{LARGEST}: is {largest}, and the largest of {SIZES} is {max(sizes, default=0)}",
            fix=f"take {LARGEST} out",
        )


def _has_graphs(engine: VLLMEngine) -> bool:
    """Whether CUDA graphs are captured for sure, and all of the sizes that are given."""
    found = engine.settings(COMPILATION)
    return (
        not engine.has("--enforce-eager")
        and engine.text("--optimization-level") in (None, "1", "2", "3")
        and str(found.get("cudagraph_mode", "")).upper() not in ("NONE", "0")
        and all(found.get(name, 3) in COMPILED for name in ("mode", "level"))
        and "pass_config" not in found  # which may divide them
    )


@rule("INF125", severity="error", source=f"config/model.py of {READ}", view=VLLMEngine.of)
def no_experts(engine: VLLMEngine) -> Iterator[Fault]:
    """
    Expert parallelism for a model without experts.

    vLLM raises "Number of experts in the model must be greater than 0" at its start.
    """
    flag, model = "--enable-expert-parallel", engine.model
    if not engine.has(flag) or engine.text("--hf-overrides"):
        return
    if model.mlp_size and not model.expert_size:
        yield Fault(what=f"{flag}: {engine.path} has no experts", fix="take it out")


@rule("INF126", severity="error", source=f"get_min_capability of {READ}", view=VLLMEngine.of)
def no_kernels_for_weights(engine: VLLMEngine) -> Iterator[Fault]:
    """
    Weights in a format that vLLM does not run on the GPU.

    It raises "Minimum capability" at its start.
    """
    method = engine.model.quantization or engine.text("--quantization")
    levels = LEAST.get(method or "")
    if levels is None:
        return
    least = levels[sum(map(engine.since, CAPABILITIES))]
    for each in engine.gpus:
        if each.sm < least:
            yield Fault(
                field="gpu",
                what=f"{method} needs compute capability {least / 10:.1f}, and {each.name} has "
                f"{each.sm / 10:.1f}",
                fix="use a newer GPU, or other weights",
                severity=_by_name(engine),
            )


@rule(
    "INF127",
    severity="error",
    source=f"attention/layer.py, later layers/attention/attention.py, of {READ}",
    view=VLLMEngine.of,
)
def cache_of_another_fp8(engine: VLLMEngine) -> Iterator[Fault]:
    """
    A KV cache in FP8 E5M2 beside weights whose files may hold its scales in FP8 E4M3.

    vLLM raises "fp8_e5m2 kv-cache is not supported with fp8 checkpoints" while it builds the model.
    """
    flag, model = "--kv-cache-dtype", engine.model
    if engine.text(flag) != "fp8_e5m2":
        return
    method = model.quantization or ""
    is_fp8 = method == "fp8" or (method == "compressed-tensors" and not engine.since("0.16.0"))
    if method.startswith("modelopt_fp") or (is_fp8 and not model.latent_size):
        yield Fault(
            what=f"{flag}: fp8_e5m2 does not go with weights in {method}",
            fix='write kv_cache_dtype="fp8_e4m3", or take it out',
            severity=_by_name(engine) if model.head_size else "warning",
        )


@rule("INF128", severity="error", source=f"config/speculative.py of {READ}", view=VLLMEngine.of)
def guessing_refused(engine: VLLMEngine) -> Iterator[Fault]:
    """
    Settings of speculative decoding that contradict the engine's, or each other.

    A ValueError comes when the engine is configured.
    """
    given, method = engine.speculative, engine.algorithm
    if method is None:
        return
    is_old = not engine.since("0.16.0")  # 0.33.0 says something else, and between is not known
    if given.get("tensor_parallel_size") is not None and engine.since("0.15.1"):
        yield Fault(
            field="speculative",
            what=f"tensor_parallel_size: is no setting of drafts to {engine.version}",
            fix=f"write {DRAFT_GPUS}, or take it out",
        )
    if method not in WITHOUT_DRAFT and given.get(DRAFT_GPUS) not in (None, 1, engine.tp):
        yield Fault(
            field="speculative",
            what=f"{DRAFT_GPUS}: is {given[DRAFT_GPUS]!r:.40}, and the model has {engine.tp}",
            fix=f"write 1 or {engine.tp}, or take it out",
        )
    shortest, longest = (counted(given.get(f"prompt_lookup_{end}")) for end in ("min", "max"))
    if method in FROM_TEXT and longest is not None and (shortest or 0) > longest:
        yield Fault(
            field="speculative",
            what=f"prompt_lookup_min: {shortest} is more than prompt_lookup_max, {longest}",
            fix="write one that is not, or take it out",
        )
    kind = (engine.model.architecture or "").lower()
    if is_old and method == "eagle3" and kind.startswith(WITHOUT_EAGLE3):
        yield Fault(
            field="speculative",
            what=f"eagle3: {engine.version} does not have it for {engine.model.architecture}",
            fix="use another method, or a newer image",
        )
    if is_old and method in NOT_AHEAD and engine.has("--async-scheduling"):
        yield Fault(
            field="speculative",
            what=f"--async-scheduling: {engine.version} does not have it with {method}",
            fix="take it out",
        )


def _by_name(engine: VLLMEngine) -> Severity | None:
    """A warning where only the model's name tells how its weights are quantised."""
    model = engine.model
    is_told = model.block_size or model.source("quantization") != "its name"
    return None if is_told else "warning"


RULES: tuple[Rule, ...] = (
    refused_together,
    said_twice,
    sizes_do_not_match,
    no_experts,
    no_kernels_for_weights,
    cache_of_another_fp8,
    guessing_refused,
)
