"""vLLM in a service, as rules see it."""

from collections.abc import Mapping
from typing import Any

from components.image import SERVING
from components.rules.engine import Engine, whole
from infra.facts import caches
from infra.facts.vllm import (
    COMPILATION,
    LARGEST,
    SIZES,
    SPECULATIVE,
    batch_defaults,
    graph_sizes,
    method_of,
    settings,
    speculative,
)
from infra.lazy import lazy

# The first release that may take the KV cache's type from the weights' own configuration, by what
# quantised them (vllm-project/vllm#30785, #30141); 0.11.2 does not, and 0.33.0 does.
KV_TYPES = {"compressed-tensors": "0.14.0"}
KV_TYPES_ELSE = "0.13.0"
HYBRIDS_CACHED = "0.24.0"  # the first release that may keep their prefixes unasked, as 0.33.0 does
GRAPHS_COUNTED = "0.21.0"  # as gpu_worker.py of 0.33.0 says


def counted(value: Any) -> int | None:
    """The number that a value is, as a word or in JSON; None: it is none, or below 0."""
    number = whole(value, "vllm") if isinstance(value, str) else value
    if isinstance(number, float) and number.is_integer():
        number = int(number)
    return number if type(number) is int and number >= 0 else None


class VLLMEngine(Engine):
    """vLLM in a service."""

    package = "vllm"
    title = "vLLM"
    tp_flag = "--tensor-parallel-size"
    requests_flag = "--max-num-seqs"
    context_flag = "--max-model-len"
    share_flag = "--gpu-memory-utilization"
    image_name = SERVING

    @lazy
    def speculative(self) -> Mapping[str, Any]:
        """The configuration of speculative decoding; empty: there is none."""
        return speculative(self.parsed.values)

    def settings(self, flag: str) -> Mapping[str, Any]:
        """The JSON object behind a flag, with underscores in its keys as vLLM reads them."""
        return settings(self.parsed.values, flag)

    @property
    def draft(self) -> tuple[str | None, str | None]:
        """The draft model's repository and its commit."""
        name, revision = self.speculative.get("model"), self.speculative.get("revision")
        if not isinstance(name, str) or "/" not in name:
            return None, None
        return name, revision if isinstance(revision, str) else None

    @property
    def algorithm(self) -> str | None:
        """The method; with a draft model alone, as far as its name tells."""
        if not self.speculative:
            return None
        return method_of(self.speculative, self.path, self.release.known(SPECULATIVE))

    @property
    def pp(self) -> int:
        """Groups of layers that GPUs share."""
        return self.count("--pipeline-parallel-size") or 1

    @property
    def dp(self) -> int:
        """Copies of the model."""
        return self.count("--data-parallel-size") or 1

    @property
    def pcp(self) -> int:
        """GPUs that share a prompt's tokens."""
        return self.count("--prefill-context-parallel-size") or 1

    @property
    def no_prefix_cache(self) -> str | None:
        """What switches the prefix cache off; it is on by default, of hybrids in new releases."""
        given = self.parsed.values.get("--enable-prefix-caching")
        if given is None and self.model.is_hybrid and not self.since(HYBRIDS_CACHED):
            return f"{self.version} by itself"
        return "--no-enable-prefix-caching" if given is False else None

    @property
    def kv_layers(self) -> int | None:
        """Layers with a KV cache of their own."""
        known = self.model.kv_layers
        return known and max(known - (self.model.shared_layers or 0), 1)

    @property
    def kv_dtype(self) -> str | None:
        """The type of the KV cache that it takes from the model, where the release may do so."""
        known = self.model.kv_dtype
        if known is None:
            return None
        since = KV_TYPES.get(self.model.quantization or "", KV_TYPES_ELSE)
        return known if self.since(since) else None

    @property
    def requests(self) -> tuple[int | None, str]:
        """How many requests run at once; vLLM's own number depends on the GPU."""
        if self.text(self.requests_flag):
            return self.count(self.requests_flag), ""
        gpu, pass_tokens = self.gpu, self.count("--max-num-batched-tokens")
        if gpu is None or gpu.capacity is None:
            return None, ""
        running, _ = batch_defaults(gpu.sm, gpu.capacity)
        if self.text("--performance-mode") == "throughput":
            running *= 2
        return min(running, pass_tokens or running), f", vLLM's own number for {gpu.name}"

    @property
    def is_compiled(self) -> bool:
        """Whether vLLM compiles the model's graphs; it does unless it is told not to."""
        given = self.settings(COMPILATION)
        is_off = self.text("--optimization-level") == "0"
        is_off |= given.get("mode", given.get("level")) in (0, "NONE")
        return not (is_off or self.has("--enforce-eager"))

    @property
    def counts_graphs(self) -> bool:
        """Whether CUDA graphs are within the share of the memory that vLLM takes."""
        given = self.env.get("VLLM_MEMORY_PROFILER_ESTIMATE_CUDAGRAPHS", "1")
        return self.since(GRAPHS_COUNTED) and given != "0"

    @property
    def graphs(self) -> int | None:
        """
        The largest batch that CUDA graphs are captured for.

        vLLM counts tokens, and a request has as many as are guessed and one more.
        """
        given = self.graph_sizes
        sizes = given.get(SIZES)
        each = map(counted, sizes) if isinstance(sizes, list) else ()
        largest = counted(given.get(LARGEST)) or max(filter(None, each), default=0)
        guessed = counted(self.speculative.get("num_speculative_tokens")) or 0
        return largest // (1 + guessed) or None

    @lazy
    def graph_sizes(self) -> dict[str, Any]:
        """What is said of the batches that CUDA graphs are captured for, as it is written."""
        return graph_sizes(self.parsed.values)

    @lazy
    def share(self) -> float:
        """The part of each GPU's memory that vLLM takes."""
        return float(self.text(self.share_flag) or str(self.release.default(self.share_flag)))

    @property
    def longest(self) -> int | None:
        """Tokens of a request for which the model is made, by either way of counting them."""
        return max(filter(None, (self.model.vllm_length, self.model.context_length)), default=None)

    @property
    def context(self) -> int | None:
        """Tokens of a request at the most; None where vLLM is to find out what fits."""
        if self.text(self.context_flag):
            return self.count(self.context_flag)
        return self.model.vllm_length or self.model.context_length

    @property
    def cache_root(self) -> str:
        """Where it keeps what torch.compile makes."""
        cache, home = "torch.compile", self.env.get("XDG_CACHE_HOME")
        default = caches.default("vllm", cache, self.release.version) or ""
        moved = f"{home}/vllm" if home else default
        return self.env.get(caches.variable("vllm", cache)) or moved
