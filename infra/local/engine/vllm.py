"""What a vLLM's flags are to the stand-in, in the words that it knows: SGLang's."""

import re
from collections.abc import Collection, Mapping
from typing import Any

from infra.facts.flags import release
from infra.facts.plain import Value
from infra.facts.vllm import (
    LARGEST,
    SIZES,
    SPECULATIVE,
    batch_defaults,
    graph_sizes,
    method_of,
    speculative,
)
from infra.local.engine.flags import Flags
from infra.local.engine.time_model import Gpu

VLLM = "vLLM"

SAME = (
    *("--model", "--served-model-name", "--host", "--port", "--api-key", "--tensor-parallel-size"),
    *("--kv-cache-dtype", "--reasoning-parser", "--stream-interval"),
    "--enable-prompt-tokens-details",
)
# With larger CUDA graphs, counted in tokens (vllm/config/vllm.py of vLLM 0.33.0).
BLACKWELL = (100, 103)
ALGORITHMS = {"draft_model": "STANDALONE"}
SUFFIXED = re.compile(r"([\d.]+)([kKmMgGtT])")
POWERS = "kmgt"


def heeded(version: str, flags: Flags, gpu: Gpu) -> Flags:
    """The flags that have an effect, with vLLM's defaults where they differ from SGLang's."""
    running, chunk = batch_defaults(gpu.capability, gpu.memory)
    running = _number(flags, "--max-num-seqs") or running
    known, model = release("vllm", version).known(SPECULATIVE), flags.text("--model") or ""
    drafts = _speculation(speculative(flags.values), model, known)
    each = drafts.get("--speculative-num-draft-tokens") or 1
    sizes = graph_sizes(flags.values)
    graph = int(sizes[LARGEST] or 0) or max(map(int, sizes[SIZES] or ()), default=0)
    graph = graph or min(2 * running * each, 1024 if gpu.capability in BLACKWELL else 512)
    share = release("vllm", version).default("--gpu-memory-utilization")
    values: dict[str, Value | int | None] = {
        "--port": "8000",
        **{name: flags.values[name] for name in SAME if name in flags.values},
        "--max-running-requests": running,
        "--chunked-prefill-size": _number(flags, "--max-num-batched-tokens") or chunk,
        "--context-length": _number(flags, "--max-model-len"),
        "--mem-fraction-static": flags.text("--gpu-memory-utilization") or str(share),
        "--cuda-graph-max-bs": max(graph // each, 1),
        "--disable-cuda-graph": flags.has("--enforce-eager"),
        "--disable-radix-cache": flags.values.get("--enable-prefix-caching") is False,
        "--skip-server-warmup": True,
        **drafts,
    }
    return Flags(
        {
            name: value if isinstance(value, str | bool | list) else str(value)
            for name, value in values.items()
            if value is not None
        }
    )


def _speculation(config: Mapping[str, Any], model: str, known: Collection[str]) -> dict[str, Any]:
    if not config:
        return {}
    method = method_of(config, model, known)
    count, draft = config.get("num_speculative_tokens"), config.get("model")
    steps = int(str(count)) if str(count).isdecimal() else None
    return {
        "--speculative-algorithm": "NEXTN" if "mtp" in method else ALGORITHMS.get(method, method),
        "--speculative-draft-model-path": draft if isinstance(draft, str) else None,
        "--speculative-num-steps": steps,
        "--speculative-num-draft-tokens": None if steps is None else steps + 1,
    }


def _number(flags: Flags, name: str) -> int | None:
    """``8k`` is 8000 and ``8K`` is 8192; None: nothing is said, or to find it out."""
    word = (flags.text(name) or "auto").strip()
    if match := SUFFIXED.fullmatch(word):
        base = 1000 if match[2].islower() else 1024
        return int(float(match[1]) * base ** (POWERS.index(match[2].lower()) + 1))
    return None if word.lower() in ("auto", "-1") else int(word)
