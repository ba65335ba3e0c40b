"""vLLM in a service, as rules see it."""

from collections.abc import Mapping
from typing import Any

from components.image import SERVING
from components.rules.engine import Engine, whole
from infra.facts import caches
from infra.facts.vllm import LARGEST, SIZES, graph_sizes, settings, speculative
from infra.lazy import lazy


def counted(value: Any) -> int | None:
    """The number that a value is, as a word or in JSON; None: it is none, or below 0."""
    number = whole(value, "vllm") if isinstance(value, str) else value
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
        """The method; with a draft model alone vLLM looks at its configuration."""
        if not self.speculative:
            return None
        return str(self.speculative.get("method") or "draft_model")

    @property
    def pp(self) -> int:
        """Groups of layers that GPUs share."""
        return self.count("--pipeline-parallel-size") or 1

    @property
    def dp(self) -> int:
        """Copies of the model."""
        return self.count("--data-parallel-size") or 1

    @property
    def no_prefix_cache(self) -> str | None:
        """The flag that switches the prefix cache off; it is on by default."""
        is_off = self.parsed.values.get("--enable-prefix-caching") is False
        return "--no-enable-prefix-caching" if is_off else None

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
