"""What `/metrics` shows: SGLang's names, values of the modelled engine."""

from bisect import bisect_left
from collections.abc import Iterator

from infra.local.engine.flags import at_least

TO_400 = (0.1, 0.2, 0.4, 0.6, 0.8, 1, 2, 4, 6, 8, 10, 20, 40, 60, 80, 100, 200, 400)
FIRST_TOKEN = TO_400
WHOLE_REQUEST = (*TO_400, 600, 1200, 1800, 2400)
BETWEEN_TOKENS = (
    *(0.002, 0.004, 0.006, 0.008, 0.01, 0.015, 0.02, 0.025, 0.03, 0.035, 0.04, 0.06, 0.08),
    *(0.1, 0.2, 0.4, 0.6, 0.8, 1, 2, 4, 6, 8),
)
QUEUE = (
    *(0, 0.1, 0.2, 0.5, 1, 2, 3, 4, 5, 10, 15, 20, 30, 40, 50, 60, 70, 80, 90, 100, 200, 300),
    *(400, 500, 600, 700, 800, 900, 1000, 1200, 1400, 1600, 1800, 2000, 2500, 3000),
)
LABELS = 'engine_type="unified",model_name="{model}",pp_rank="0",tp_rank="0"'
GAUGES = {
    "num_running_reqs": "The number of running requests.",
    "num_queue_reqs": "The number of requests that wait.",
    "num_used_tokens": "The number of used tokens.",
    "token_usage": "The share of the KV cache that is used.",
    "mamba_usage": "The share of the Mamba states that is used; not modelled.",
    "gen_throughput": "Generated tokens per second.",
    "cache_hit_rate": "The share of the last prompts that the prefix cache had.",
    "spec_accept_length": "Tokens that a pass yields with speculative decoding.",
    "spec_accept_rate": "The share of drafted tokens that is accepted.",
    "utilization": "The share of the requests that may run; not modelled.",
    "is_cuda_graph": "Whether the last batch ran as a CUDA graph.",
    "max_total_num_tokens": "The number of tokens that the KV cache holds.",
}
COUNTERS = {
    "prompt_tokens_total": "Prompt tokens of finished requests.",
    "generation_tokens_total": "Generated tokens of finished requests.",
    "cached_tokens_total": "Prompt tokens that the prefix cache had.",
    "num_requests_total": "Finished requests.",
    "num_aborted_requests_total": "Requests whose client went away.",
}
HISTOGRAMS = {
    "queue_time_seconds": QUEUE,
    "time_to_first_token_seconds": FIRST_TOKEN,
    "inter_token_latency_seconds": BETWEEN_TOKENS,
    "e2e_request_latency_seconds": WHOLE_REQUEST,
}


class Histogram:
    """Observations, counted by the first bound that is not below them."""

    def __init__(self, bounds: tuple[float, ...]) -> None:
        self.bounds = bounds
        self.counts = [0] * (len(bounds) + 1)
        self.total = 0.0

    def observe(self, value: float, times: int = 1) -> None:
        """Count a value as often as that."""
        self.counts[bisect_left(self.bounds, value)] += times
        self.total += value * times


class Metrics:
    """All of them, as numbers that the engine sets; times are modelled seconds."""

    def __init__(self) -> None:
        self.gauges: dict[str, float] = dict.fromkeys(GAUGES, 0.0)
        self.counters: dict[str, float] = dict.fromkeys(COUNTERS, 0.0)
        self.histograms = {name: Histogram(bounds) for name, bounds in HISTOGRAMS.items()}
        self.startup: dict[str, float] = {}

    def started(self, version: str, startup: float, loading: float) -> None:
        """Tell how long the start took, by the names of that release."""
        if not at_least(version, "0.5.20"):
            self.startup = {"engine_startup_time": startup, "engine_load_weights_time": loading}
        if at_least(version, "0.5.14"):
            self.startup["weight_load_duration_seconds"] = loading
        if at_least(version, "0.5.23"):
            self.startup["startup_time_seconds"] = startup

    def first_token(self, seconds: float) -> None:
        """Count the time from a request to its first token."""
        self.histograms["time_to_first_token_seconds"].observe(seconds)

    def next_tokens(self, seconds: float, count: int) -> None:
        """Count the time from some tokens to the next ones, for each of these."""
        self.histograms["inter_token_latency_seconds"].observe(seconds / count, count)

    def finished(self, seconds: float, prompt: int, generated: int, cached: int) -> None:
        """Count a request that is done."""
        self.histograms["e2e_request_latency_seconds"].observe(seconds)
        self.counters["prompt_tokens_total"] += prompt
        self.counters["generation_tokens_total"] += generated
        self.counters["cached_tokens_total"] += cached
        self.counters["num_requests_total"] += 1

    def text(self, model: str) -> str:
        """Everything in the text format of Prometheus."""
        return "\n".join(self._lines(LABELS.format(model=_quoted(model)))) + "\n"

    def _lines(self, words: str) -> Iterator[str]:
        for name, value in {**self.gauges, **self.startup}.items():
            yield from _head(name, "gauge", GAUGES.get(name, "Seconds that the start took."))
            yield f"sglang:{name}{{{words}}} {float(value)}"
        for name, value in self.counters.items():
            yield from _head(name, "counter", COUNTERS[name])
            yield f"sglang:{name}{{{words}}} {float(value)}"
        for name, histogram in self.histograms.items():
            yield from _head(name, "histogram", "Modelled seconds.")
            count = 0
            for bound, more in zip((*histogram.bounds, None), histogram.counts, strict=True):
                count += more
                limit = "+Inf" if bound is None else float(bound)
                yield f'sglang:{name}_bucket{{{words},le="{limit}"}} {float(count)}'
            yield f"sglang:{name}_sum{{{words}}} {histogram.total}"
            yield f"sglang:{name}_count{{{words}}} {float(count)}"


def _head(name: str, kind: str, text: str) -> Iterator[str]:
    yield f"# HELP sglang:{name} {text}"
    yield f"# TYPE sglang:{name} {kind}"


def _quoted(value: str) -> str:
    return value.replace("\\", r"\\").replace('"', r"\"").replace("\n", r"\n")
