"""How an engine divides a GPU's memory: how much is for weights and KV cache, and who shares it."""

from collections.abc import Iterator
from functools import cache

from components.rules.engine import LARGEST, Engine, whole
from components.rules.sglang_engine import SGLangEngine
from infra.facts.gpus import Gpu
from infra.facts.models import ModelFacts

ONE_POOL = "0.5.14"  # since then a draft model is within the fraction, and nothing reserved for it
# Below so many MiB: chunked prefill, the largest CUDA graph, the same from tp 4 on.
BY_MEMORY = (
    (20 * 1024, 2048, 8, 8),
    (35 * 1024, 2048, 24, 80),
    (60 * 1024, 4096, 32, 160),
    (160 * 1024, 8192, 256, 512),
    (10**9, 16384, 512, 512),
)
LATER = (BY_MEMORY[0], (35 * 1024, 4096, 48, 160), *BY_MEMORY[2:])  # since 0.5.20
# Sizes of a number in the KV cache, in 1/32 bytes: of FP4 and MXFP8 with their blocks' scales.
SIXTEEN_BITS = 64
SIZES = {
    "bf16": SIXTEEN_BITS,
    "bfloat16": SIXTEEN_BITS,
    "float16": SIXTEEN_BITS,
    "fp8": 32,
    "fp8_e4m3": 32,
    "fp8_e5m2": 32,
    "fp8_inc": 32,
    "mxfp8": 33,
    "fp4_e2m1": 18,
    "nvfp4": 18,
    "fp4_mx_block16": 18,
}
# Flags whose numbers are 1 at least.
COUNTS = {
    "sglang": (
        "--tp-size",
        "--pp-size",
        "--dp-size",
        "--attn-dp-size",
        "--max-running-requests",
        "--context-length",
    ),
    "vllm": (
        "--tensor-parallel-size",
        "--pipeline-parallel-size",
        "--data-parallel-size",
        "--prefill-context-parallel-size",
        "--max-num-seqs",
    ),
}
# Of what SGLang reserves, so much has to be left, and its own share can be exceeded by so much: its
# documentation leaves 0.303 and is 0.11 above (gpt-oss-120b on one H100 with 0.95).
LEAST, MARGIN = 0.3, 0.12
HIGH = 0.95  # documented for vLLM and that model
CACHE_BYTES = "--kv-cache-memory-bytes"
CACHE_TOKENS, CACHE_BLOCKS = "--max-total-tokens", "--num-gpu-blocks-override"
BLOCK = 16  # tokens of a block in vLLM, where neither the stack nor the kind of attention says it
UNCHUNKED = 16384  # tokens of a prefill where --chunked-prefill-size is -1


def own_share(engine: Engine, gpu: Gpu) -> float | None:
    """The share of a GPU's memory that the engine takes where the stack says none."""
    if isinstance(engine, SGLangEngine):
        return own_fraction(engine, gpu)
    found = engine.release.default(engine.share_flag) if engine.share_flag else None
    return found if isinstance(found, float) else None


def own_fraction(engine: SGLangEngine, gpu: Gpu) -> float | None:
    """
    The fraction that SGLang would take itself for weights and KV cache.

    It reserves memory for the activations of a prefill chunk, for CUDA graphs and, up to 0.5.13,
    for a draft model. None: the GPU's memory is not known.
    """
    if gpu.memory_mib is None:
        return None
    return (gpu.memory_mib - reserved(engine, gpu.memory_mib) - for_draft(engine)) / gpu.memory_mib


def highest_share(engine: Engine, gpu: Gpu) -> float:
    """The largest share that the engine's documentation lets one expect to hold."""
    if not isinstance(engine, SGLangEngine) or gpu.memory_mib is None:
        return HIGH
    needed, draft = reserved(engine, gpu.memory_mib), for_draft(engine)
    least = max(LEAST * needed, needed - MARGIN * gpu.memory_mib) + draft
    return 1 - least / gpu.memory_mib


def reserved(engine: SGLangEngine, memory: int) -> float:
    """
    MiB that SGLang leaves for activations and CUDA graphs on a GPU with so many MiB.

    As in server_args.py of 0.5.6.post2 to 0.5.18, arg_groups/memory_hook.py of 0.5.19 to 0.5.23.
    """
    chunk, graph, graph_tp = _usual(memory, is_later=engine.since("0.5.20"))
    prefill = engine.number("--chunked-prefill-size") or chunk
    largest = engine.graphs or (graph_tp if engine.tp >= 4 else graph)
    found = 512 + 1.5 * max(prefill if prefill > 0 else UNCHUNKED, 2048)
    found += 2 * largest + engine.tp * engine.pp / 8 * 1024
    if (copies := engine.attention_copies) > 1:
        found += largest * copies * (4.5 if largest > 300 else 3)
    return max(found, 10 * 1024) if memory > 60 * 1024 else found


@cache  # services have few kinds of GPUs
def _usual(memory: int, *, is_later: bool) -> tuple[int, int, int]:
    """Chunked prefill and the largest CUDA graphs of SGLang on a GPU with so many MiB."""
    rows = LATER if is_later else BY_MEMORY
    return next(row[1:] for row in rows if memory < row[0])


def for_draft(engine: SGLangEngine) -> int:
    """MiB that SGLang leaves for a draft model beside that."""
    if engine.algorithm in (None, "NGRAM") or engine.since(ONE_POOL):
        return 0
    if engine.algorithm == "STANDALONE":
        return 6 * 1024
    return (4 if engine.since("0.5.10") else 2) * 1024


def fraction(engine: Engine, gpu: Gpu) -> float | None:
    """The share for weights and KV cache, as asked for or the engine's own; None: not known."""
    if cache_bytes(engine):
        return 1.0  # vLLM then asks for no share of the memory
    if engine.share is None:
        return own_share(engine, gpu)
    return engine.share if 0 < engine.share <= 1 else None


def bytes_per_gpu(facts: ModelFacts, engine: Engine) -> int | None:
    """
    Bytes of a model's weights for each GPU of an engine; None: not known.

    vLLM divides experts among all its copies and those that share a prompt, with or without expert
    parallelism (FusedMoEParallelConfig), and each has the rest; then it is so many bytes at least.
    """
    size, parts = facts.weight_bytes, engine.tp * engine.pp
    copies = engine.dp * engine.pcp
    if copies > 1 and engine.package == "vllm":
        if facts.expert_size is None and facts.mlp_size is None:
            return None
        parts *= copies if facts.expert_size else 1
    return None if size is None else -(-size // parts)


def resident_bytes(engine: Engine) -> int | None:
    """
    Bytes of the model's weights that stay on each GPU; None: not known.

    The rest is in the container's memory: of each GPU so many GiB at the most (utils/offloader.py
    of SGLang 0.5.6.post2 to 0.5.23; vLLM's --cpu-offload-gb), or some layers of each group.
    """
    size = bytes_per_gpu(engine.model, engine)
    if size is None or engine.count("--offload-group-size"):
        return None
    moved = engine.real("--cpu-offload-gb") or 0
    return max(size - int(moved * 2**30), 0) if 0 < moved < LARGEST else size


def is_shrunk(engine: Engine) -> bool:
    """Whether weights are quantised while they are loaded, to less than their files have."""
    return engine.model.quantization is None and engine.text("--quantization") is not None


def cache_bytes(engine: Engine) -> int | None:
    """Bytes of each GPU that the stack gives the KV cache, however many; None: it does not say."""
    found = whole(engine.text(CACHE_BYTES) or "", engine.package)
    return found if found and found > 0 else None


def token_limit(engine: Engine) -> tuple[int, str] | None:
    """
    Tokens that the stack lets the KV cache of one copy have, and the flag; None: it does not say.

    The memory may have room for fewer. Latent attention in vLLM has blocks of other sizes.
    """
    if tokens := engine.count(CACHE_TOKENS):
        return tokens, CACHE_TOKENS
    blocks, size = engine.count(CACHE_BLOCKS), engine.count("--block-size")
    if blocks is None or (size is None and engine.model.latent_size):
        return None
    return blocks * (size or BLOCK), CACHE_BLOCKS


def room(engine: Engine, gpu: Gpu) -> int | None:
    """Bytes of each GPU that weights leave for the KV cache, at the most; None: not known."""
    if given := cache_bytes(engine):
        return given
    size, share, capacity = resident_bytes(engine), fraction(engine, gpu), gpu.capacity
    if size is None or share is None or capacity is None:
        return None
    return int(capacity * share) - size


def number_size(engine: Engine) -> int | None:
    """Size of a number in the KV cache, in 1/32 bytes; None: not known."""
    given = engine.text("--kv-cache-dtype") or "auto"
    if given == "auto":
        return SIZES.get(engine.kv_dtype or "", SIXTEEN_BITS)
    return SIZES.get(given)


def token_bytes(engine: Engine, layers: int | None) -> int | None:
    """Bytes that so many layers of the model keep of a token on one GPU; None: not known."""
    facts, size = engine.model, number_size(engine)
    is_cut = (engine.count("--decode-context-parallel-size") or 1) * engine.pcp > 1
    if layers is None or size is None or is_cut:
        return None
    numbers = facts.latent_size  # each GPU has all of it
    if numbers is None:
        if facts.kv_heads is None or facts.head_size is None:
            return None
        here = max(facts.kv_heads // engine.attention_ranks, 1)
        numbers = here * (facts.head_size + (facts.value_size or facts.head_size))
    return numbers * layers * size // 32


def out_of_range(engine: Engine) -> Iterator[tuple[str, str]]:
    """Flags that divide memory and GPUs in a way that can't be, and what is allowed."""
    for flag in COUNTS.get(engine.package, ()):
        if engine.text(flag) and engine.count(flag) is None:
            yield flag, "a whole number, 1 or more,"
    share = engine.share if isinstance(engine, SGLangEngine) else None
    if share is not None and not 0 < share < 1:
        yield "--mem-fraction-static", "a number above 0 and below 1"
    window = engine.real("--swa-full-tokens-ratio")
    if window is not None and not 0 < window <= 1 and engine.since("0.5.7"):
        yield "--swa-full-tokens-ratio", "a number above 0, and 1 at the most,"
