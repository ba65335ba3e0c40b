"""Runs requests in batches, step by step, as SGLang's scheduler does, in modelled time."""

import asyncio
import contextlib
from collections import deque
from collections.abc import AsyncIterator, Iterator

import attrs

from infra.local.engine.clock import Clock
from infra.local.engine.log import Log
from infra.local.engine.metrics import Metrics
from infra.local.engine.prefix_cache import PrefixCache
from infra.local.engine.settings import Settings

DECODE_LOG_INTERVAL = 40


@attrs.define(kw_only=True, eq=False)
class Request:
    """
    One answer in the making.

    Attributes:
        prompt: Its tokens.
        answer: The tokens that will have come when it is done.
        arrived: When, in modelled time.
        cached: Prompt tokens that the prefix cache had.
        pending: Prompt tokens still to compute.
        steps: Decode steps so far.
        done: Tokens of the answer so far.
        emitted: When the last of them came.
        progress: `done` after each step.
    """

    prompt: list[str]
    answer: list[str]
    arrived: float
    cached: int = 0
    pending: int = 0
    steps: int = 0
    done: int = 0
    emitted: float = 0.0
    progress: asyncio.Queue[int] = attrs.field(factory=asyncio.Queue)

    async def follow(self) -> AsyncIterator[int]:
        """How many tokens of the answer there are, after each step that brought some."""
        count = 0
        while count < len(self.answer):
            count = await self.progress.get()
            yield count

    @property
    def length(self) -> int:
        """Tokens in the KV cache."""
        return len(self.prompt) - self.pending + self.done


class Scheduler:
    """
    The loop of the modelled engine: prompts first, then one step of all that run.

    Attributes:
        waiting: Requests that have no place among the running ones yet.
        prefilling: Those whose prompt is not computed in full.
        running: Those that a decode step moves on.
    """

    def __init__(self, settings: Settings, clock: Clock, log: Log, metrics: Metrics) -> None:
        self._times = settings.times
        self._max_running = settings.max_running
        self._chunk = settings.chunk
        self._radix = not settings.flags.has("--disable-radix-cache")
        self._interval = settings.flags.number("--decode-log-interval") or DECODE_LOG_INTERVAL
        self._clock = clock
        self._log = log
        self._metrics = metrics
        self._cache = PrefixCache(settings.times.kv_tokens)
        self._work = asyncio.Event()
        self._time = 0.0
        self._decodes = 0
        self._tokens = 0  # since the last line of log
        self._logged = 0.0
        self.waiting: deque[Request] = deque()
        self.prefilling: dict[Request, None] = {}
        self.running: dict[Request, None] = {}

    @contextlib.contextmanager
    def serve(self, prompt: list[str], answer: list[str]) -> Iterator[Request]:
        """A new request; it is dropped at the end, done or not."""
        request = Request(prompt=prompt, answer=answer, arrived=self._clock.now())
        self.waiting.append(request)
        self._work.set()
        try:
            yield request
        finally:
            if request.done < len(answer):
                self._abort(request)

    async def run(self) -> None:
        """Serve until cancelled."""
        while True:
            if not (self.waiting or self.prefilling or self.running):
                self._work.clear()
                await self._work.wait()
                self._time = self._clock.now()
                continue  # the request may be gone already
            self._admit()
            if self.prefilling:
                await self._prefill()
            else:
                await self._decode()

    def _admit(self) -> None:
        while self.waiting and len(self.prefilling) + len(self.running) < self._max_running:
            request = self.waiting.popleft()
            request.cached = self._cache.match(request.prompt) if self._radix else 0
            request.pending = len(request.prompt) - request.cached
            self.prefilling[request] = None
            waited = self._clock.now() - request.arrived
            self._metrics.histograms["queue_time_seconds"].observe(max(waited, 0.0))

    async def _prefill(self) -> None:
        parts = dict(self._parts())
        computed = sum(parts.values())
        started = (request for request in parts if request.length == request.cached)
        self._report_prefill(len(parts), computed, sum(request.cached for request in started))
        context = sum(request.length for request in parts)
        await self._advance(self._times.prefill(computed, context))
        for request, part in parts.items():
            request.pending -= part
            if request.pending == 0 and request in self.prefilling:
                del self.prefilling[request]
                self.running[request] = None
                self._keep(request.prompt)
                self._emit(request, 1)

    def _parts(self) -> Iterator[tuple[Request, int]]:
        """Which prompt tokens the next pass computes."""
        room = self._chunk
        for request in self.prefilling:
            part = min(request.pending, room)
            if part == 0:
                return
            room -= part
            yield request, part

    async def _decode(self) -> None:
        batch = list(self.running)
        await self._advance(self._times.decode(len(batch), self._context()))
        mean = self._times.accepted_tokens
        tokens = 0
        for request in batch:
            if request in self.running:
                # The mean is no whole number: what is left of one step goes to the next.
                count = int((request.steps + 1) * mean) - int(request.steps * mean)
                request.steps += 1
                tokens += self._emit(request, count)
        self._decodes += 1
        self._tokens += tokens
        if self._decodes % self._interval == 0:
            self._report_decode(len(batch))

    async def _advance(self, seconds: float) -> None:
        self._time += seconds
        await self._clock.until(self._time)

    def _emit(self, request: Request, count: int) -> int:
        """Give a request its next tokens; the last ones end it."""
        now = self._clock.now()
        count = min(count, len(request.answer) - request.done)
        if request.done == 0:
            self._metrics.first_token(now - request.arrived)
        else:
            self._metrics.next_tokens(now - request.emitted, count)
        request.emitted = now
        request.done += count
        request.progress.put_nowait(request.done)
        if request.done == len(request.answer):
            del self.running[request]
            self._keep([*request.prompt, *request.answer])
            self._metrics.finished(
                now - request.arrived, len(request.prompt), request.done, request.cached
            )
            self._report()
        return count

    def _keep(self, sequence: list[str]) -> None:
        if self._radix:
            self._cache.insert(sequence)

    def _abort(self, request: Request) -> None:
        self._metrics.counters["num_aborted_requests_total"] += 1
        self.running.pop(request, None)
        self.prefilling.pop(request, None)
        with contextlib.suppress(ValueError):
            self.waiting.remove(request)
        self._report()

    def _context(self) -> int:
        """Tokens of the running requests."""
        return sum(request.length for request in self.running)

    def _report(self) -> float:
        """Show the present load in the metrics; return the share of the KV cache that is used."""
        used = self._context() + sum(request.length for request in self.prefilling)
        usage = min(used / self._times.kv_tokens, 1.0)
        self._metrics.gauges |= {
            "num_running_reqs": len(self.running),
            "num_queue_reqs": len(self.waiting),
            "num_used_tokens": used,
            "token_usage": usage,
        }
        return usage

    def _report_prefill(self, requests: int, computed: int, cached: int) -> None:
        usage = self._report()
        self._metrics.gauges["cache_hit_rate"] = cached / (cached + computed)
        self._log.scheduler(
            f"Prefill batch, #new-seq: {requests}, #new-token: {computed}, "
            f"#cached-token: {cached}, token usage: {usage:.2f}, "
            f"#running-req: {len(self.running)}, #queue-req: {len(self.waiting)}"
        )

    def _report_decode(self, batch: int) -> None:
        usage = self._report()
        now = self._clock.now()
        throughput = self._tokens / max(now - self._logged, 1e-9)
        self._tokens, self._logged = 0, now
        graph = batch <= max(self._times.graph_sizes, default=0)
        self._metrics.gauges |= {"gen_throughput": throughput, "is_cuda_graph": graph}
        accepted = ""
        if self._times.speculation is not None:
            length = self._times.accepted_tokens
            rate = (length - 1) / max(self._times.speculation.draft_tokens - 1, 1)
            self._metrics.gauges |= {"spec_accept_length": length, "spec_accept_rate": rate}
            accepted = f"accept len: {length:.2f}, accept rate: {rate:.2f}, "
        self._log.scheduler(
            f"Decode batch, #running-req: {batch}, #token: {self._context()}, "
            f"token usage: {usage:.2f}, {accepted}cuda graph: {graph}, "
            f"gen throughput (token/s): {throughput:.2f}, #queue-req: {len(self.waiting)}"
        )
