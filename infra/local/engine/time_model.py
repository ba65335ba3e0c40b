"""
How long a real engine would take, from sizes and published figures.

Every duration is in seconds and a function of its arguments alone; docs/stand_in.md explains the
formulas. Figures marked *estimate* have no published source: read what follows from them as an
order of magnitude.
"""

import math

import attrs

from infra.local.engine.weights import Weights


@attrs.frozen(kw_only=True)
class Gpu:
    """
    One GPU, as its maker's data sheet has it.

    Attributes:
        memory: Bytes.
        bandwidth: Bytes per second from memory.
        flops: Dense BF16 (FP16 before Ampere) operations per second.
        capability: Compute capability, 90 for Hopper.
    """

    memory: float
    bandwidth: float
    flops: float
    capability: int


def _gpu(gigabytes: float, terabytes: float, teraflops: float, capability: int) -> Gpu:
    return Gpu(
        memory=gigabytes * 1e9,
        bandwidth=terabytes * 1e12,
        flops=teraflops * 1e12,
        capability=capability,
    )


# NVIDIA's data sheets, SXM versions; names are Modal's.
GPUS = {
    "T4": _gpu(16, 0.32, 65, 75),
    "L4": _gpu(24, 0.30, 121, 89),
    "A10": _gpu(24, 0.60, 125, 86),
    "L40S": _gpu(48, 0.864, 362, 89),
    "A100": _gpu(40, 1.555, 312, 80),
    "A100-40GB": _gpu(40, 1.555, 312, 80),
    "A100-80GB": _gpu(80, 2.039, 312, 80),
    "RTX-PRO-6000": _gpu(96, 1.597, 500, 120),
    "H100": _gpu(80, 3.35, 989, 90),
    "H200": _gpu(141, 4.8, 989, 90),
    "B200": _gpu(180, 8.0, 2250, 100),
    "B300": _gpu(288, 8.0, 2250, 103),
}

# Loading.
PROCESS_START = 10.0  # estimate: imports, process groups, tokenizer
VOLUME_BYTES = 1.5e9  # Modal's documentation: a Volume typically gives 1 to 2 GB/s
GRAPH_CAPTURE = 0.1  # estimate: one batch size; vLLM's logs show 0.05 s for small models
KERNELS_COLD = 600.0  # SGLang's log: DeepGEMM takes "typically 10-20 mins" without its cache
KERNELS_FAST = 180.0  # SGLang pull request 18823: under 3 minutes with the fast warm-up
KERNELS_WARM = 5.0  # SGLang's log: about 1 s for each of a few shapes that the cache has
SERVER_WARMUP = 1.0  # SGLang's own warm-up sleeps 1 s before its one request of 8 tokens
WARMUP_TOKENS = 8
HEALTH_CHECK = 1.0  # SGLang's /health sleeps 1 s before it looks for the token it asked for

# Running.
BANDWIDTH_SHARE = 0.80  # so that Llama-3.1-8B on one H100 gives the 158 token/s of SGLang's docs
COMPUTE_SHARE = 0.45  # estimate: of the dense peak, in prefill
TP_SHARE = 0.90  # estimate: kept at each doubling of the GPUs that share a layer
GRAPH_LAUNCH = 0.0004  # estimate: one forward pass as a CUDA graph
EAGER_LAUNCH = 0.012  # estimate: the same without, bound by the CPU
DRAFT_LAUNCH = 0.00025  # estimate: one pass of a draft head
PREFILL_LAUNCH = 0.010  # estimate: HTTP, tokenizer, scheduler, an eager pass
KV_BYTES = 131072.0  # Llama-3.1-8B: 32 layers x 8 heads x 128 x 2 (K, V) x 2 bytes
KV_MODEL = 8e9  # the parameters of that model; others are scaled by the square root of theirs
LEAST_KV_TOKENS = 16384  # what is taken where guesses, or weights that are too large, leave less

# Speculation: the chance that the first candidate for a position is right, the cost of the draft
# as a share of the target's weights. EAGLE and EAGLE3 are set so that the 244 and 373 token/s of
# SGLang's docs come out; MTP so that three steps accept 2.95 (a public model card reports 3.28).
ACCEPTANCE = {"EAGLE": 0.50, "EAGLE3": 0.70, "MTP": 0.80, "STANDALONE": 0.60, "NGRAM": 0.40}
OTHER_ACCEPTANCE = 0.75  # estimate: block drafts (DFLASH, DSPARK)
DRAFT_SHARE = 0.03  # the EAGLE paper: a head of 0.24 B for a model of 7 B
TREE_GAIN = 0.25  # estimate: what further candidates save of the misses


@attrs.frozen(kw_only=True)
class Speculation:
    """
    Drafted tokens that one pass of the model verifies.

    Attributes:
        method: A key of `ACCEPTANCE`, or another algorithm.
        steps: Tokens drafted in a row.
        passes: Runs of the draft for them; 0 where no model drafts.
        topk: Candidates at each position.
        draft_tokens: Tokens verified, the first one included.
        weights: The draft's; None: a head of the target's, `DRAFT_SHARE` of it.
    """

    method: str
    steps: int
    passes: int
    topk: int
    draft_tokens: int
    weights: Weights | None = None

    @property
    def accepted_tokens(self) -> float:
        """
        The mean number of tokens that a pass yields, the model's own included.

        With p the chance that a position is right, 1 + p + p^2 + ... + p^steps (Leviathan et al.,
        2023), and never more than are verified nor less than the model's own.
        """
        first = ACCEPTANCE.get(self.method, OTHER_ACCEPTANCE)
        chance = first + (1 - first) * TREE_GAIN * (1 - 1 / self.topk)
        mean = sum(chance**step for step in range(self.steps + 1))
        return max(min(mean, float(self.draft_tokens)), 1.0)


@attrs.frozen(kw_only=True)
class TimeModel:
    """
    An engine whose durations are asked for.

    Attributes:
        gpu: What each of them is.
        tp: How many share every layer.
        weights: The model's.
        speculation: None: each pass yields one token.
        graph_sizes: Batch sizes that are captured as CUDA graphs.
        kernels: Seconds that kernels need at the start.
        kv_width: Bytes of a number in the KV cache.
        kv_stated: Bytes of a token in the KV cache on all GPUs together, as the model's figures
            say; None: they don't.
        memory_fraction: Of the GPU's memory, for weights and KV cache.
    """

    gpu: Gpu
    tp: int
    weights: Weights
    speculation: Speculation | None = None
    graph_sizes: tuple[int, ...] = ()
    kernels: float = 0.0
    kv_width: float = 2.0
    kv_stated: float | None = None
    memory_fraction: float = 0.85

    @property
    def sharing(self) -> float:
        """GPUs' worth of speed: each doubling keeps `TP_SHARE`."""
        return self.tp * math.pow(TP_SHARE, math.log2(self.tp))

    @property
    def bandwidth(self) -> float:
        """Bytes per second that all GPUs together read."""
        return self.gpu.bandwidth * BANDWIDTH_SHARE * self.sharing

    @property
    def flops(self) -> float:
        """Operations per second; 8-bit and 4-bit tensor cores double the rate, each."""
        faster = 1
        if self.weights.width <= 1 and self.gpu.capability >= 89:
            faster = 2
        if self.weights.width < 1 and self.gpu.capability >= 100:
            faster = 4
        return self.gpu.flops * faster * COMPUTE_SHARE * self.sharing

    @property
    def kv_bytes(self) -> float:
        """Bytes of one token in the KV cache."""
        if self.kv_stated is not None:
            return self.kv_stated
        return KV_BYTES * self.kv_width / 2 * math.sqrt(self.weights.active / KV_MODEL)

    @property
    def free_tokens(self) -> int:
        """Tokens for which the weights leave room; below 1: there is none."""
        free = self.gpu.memory * self.memory_fraction * self.tp - self.weights.size
        return int(free / self.kv_bytes)

    @property
    def kv_tokens(self) -> int:
        """
        Tokens that the KV cache holds.

        A short cache throttles answers, as in a real engine, only where it follows from figures.
        """
        is_known = self.weights.stated is not None and self.kv_stated is not None
        if is_known and self.free_tokens > 0:
            return self.free_tokens
        return max(self.free_tokens, LEAST_KV_TOKENS)

    @property
    def draft_size(self) -> float:
        """Bytes of the draft's weights."""
        if self.speculation is None or self.speculation.passes == 0:
            return 0.0
        draft = self.speculation.weights
        return draft.size if draft is not None else self.weights.size * DRAFT_SHARE

    def load(self) -> float:
        """Read the weights, the draft's too, from the Volume."""
        return (self.weights.size + self.draft_size) / VOLUME_BYTES

    def capture(self) -> float:
        """Capture the CUDA graphs, with speculation those of the draft, too."""
        models = 1 if self.speculation is None else 2
        return GRAPH_CAPTURE * len(self.graph_sizes) * models

    def forward(self, tokens: int, context: int) -> float:
        """
        One pass of the model over some tokens: read weights and KV cache, then compute.

        Of a mixture of experts, more are read the more tokens there are: with a share s of the
        weights active, n tokens reach 1 - (1 - s)^n of them. Dense models have s = 1.
        """
        share = self.weights.active / self.weights.total
        reached = 1 - (1 - share) ** tokens
        read = self.weights.size * reached + context * self.kv_bytes
        return read / self.bandwidth + 2 * self.weights.active * tokens / self.flops

    def prefill(self, tokens: int, context: int = 0) -> float:
        """Compute the prompts of one batch; what the prefix cache holds is not among the tokens."""
        return PREFILL_LAUNCH + self.forward(tokens, context)

    def decode(self, batch: int, context: int = 0) -> float:
        """One step of all running requests; it yields `accepted_tokens` for each."""
        graphs = batch <= max(self.graph_sizes, default=0)
        launch = GRAPH_LAUNCH if graphs else EAGER_LAUNCH
        if self.speculation is None:
            return launch + self.forward(batch, context)
        drafting = self.speculation.passes * (DRAFT_LAUNCH + self.draft_size / self.bandwidth)
        return launch + self.forward(batch * self.speculation.draft_tokens, context) + drafting

    @property
    def accepted_tokens(self) -> float:
        """Tokens that a decode step yields for one request."""
        return 1.0 if self.speculation is None else self.speculation.accepted_tokens

    def warm_up(self) -> float:
        """SGLang's own first request, before it calls itself ready."""
        return SERVER_WARMUP + self.prefill(WARMUP_TOKENS) + WARMUP_TOKENS * self.decode(1)
