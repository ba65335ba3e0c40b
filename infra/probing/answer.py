"""The events of one streamed chat in, a measured answer out."""

import json
import time
from collections.abc import Callable, Mapping
from itertools import pairwise
from typing import Any

import attrs

from infra.probing import failures
from infra.probing.failures import Failed

# Tokens of one chat: no model's window is near it, and what is above can only be nonsense.
_MOST = 10**9

Show = Callable[[str, bool], None]  # a piece of the answer, and whether it is reasoning


@attrs.frozen(kw_only=True)
class Answer:
    """
    A whole answer.

    Attributes:
        text: What it says.
        first: Seconds from sending the request to the first text, be it of reasoning.
        last: Seconds to the last text.
        total: Seconds to the end of the stream.
        gaps: Seconds between one event with text and the next. An engine sends what one step
            brings as one event; with speculative decoding that is several tokens.
        prompt_tokens: As the engine counts them, or None: it does not say.
        completion_tokens: Likewise; reasoning is counted, too.
        cached_tokens: Prompt tokens that the prefix cache had, or None: it does not say.
        replica: Which one answered, or None: only the router of a rehearsal says so.
        fingerprint: What the engine calls itself, or None.
        speed: Of a stand-in's modelled time: a factor, ``off``, or None: it is not told.
        doubts: What a stand-in has guessed of the model, or None.
        is_cut_short: Whether the engine has ended it for want of room, before the tokens that were
            allowed.
    """

    text: str
    first: float
    last: float
    total: float
    gaps: tuple[float, ...]
    prompt_tokens: int | None
    completion_tokens: int | None
    cached_tokens: int | None
    replica: str | None
    fingerprint: str | None
    speed: str | None
    doubts: str | None
    is_cut_short: bool

    @property
    def per_token(self) -> float | None:
        """Seconds for each token after the first, or None: that can't be told."""
        tokens = self.completion_tokens or 0
        return (self.last - self.first) / (tokens - 1) if tokens > 1 and self.gaps else None


class Reading:
    """
    One answer as its events come; the clock runs from when this is made.

    Args:
        show: Is given each piece of text.
        max_tokens: After so many the caller has let it end.
    """

    def __init__(self, show: Show | None, max_tokens: int) -> None:
        self._show = show
        self._max_tokens = max_tokens
        self._is_over = False
        self._is_limited = False
        self._started = time.perf_counter()
        self._texts: list[str] = []
        self._arrivals: list[float] = []
        self._usage: Mapping[str, Any] = {}
        self._fingerprint: str | None = None

    def take(self, data: str) -> None:
        """
        One event's data.

        Raises:
            Failed: It is no event of a chat, or the engine says in it that it has failed.
        """
        if data == "[DONE]":
            self._is_over = True
            return
        try:
            event = json.loads(data)
        except (ValueError, RecursionError) as error:
            raise failures.not_openai("an event is no JSON") from error
        if not isinstance(event, dict):
            raise failures.not_openai("an event is no object")
        if problem := event.get("error"):
            said = problem.get("message") if isinstance(problem, dict) else problem
            raise failures.engine_failed(str(said))
        self._usage = _object(event.get("usage")) or self._usage
        self._fingerprint = _text(event.get("system_fingerprint")) or self._fingerprint
        choices = event.get("choices")
        choice = _object(choices[0]) if isinstance(choices, list) and choices else {}
        reason = choice.get("finish_reason")
        if reason == "abort":
            # Engines end the requests that they drop with this word, as if complete.
            raise failures.cut_off("the engine has dropped the request")
        self._is_over = self._is_over or reason is not None
        self._is_limited = self._is_limited or reason == "length"
        self._take_text(_object(choice.get("delta")))

    def _take_text(self, delta: Mapping[str, Any]) -> None:
        # vLLM's newer releases leave out the `_content`.
        thought = _text(delta.get("reasoning_content")) or _text(delta.get("reasoning"))
        text = _text(delta.get("content"))
        if not thought and not text:
            return
        self._arrivals.append(time.perf_counter() - self._started)
        if text:
            self._texts.append(text)
        if self._show:
            for piece, is_reasoning in ((thought, True), (text, False)):
                if piece:
                    self._show(piece, is_reasoning)

    def answer(self, replica: str | None, speed: str | None, doubts: str | None) -> Answer:
        """
        All of it, when the stream has ended.

        Raises:
            Failed: It has no text, or it is not all.
        """
        if not self._is_over:
            raise failures.cut_off("it has neither finish_reason nor [DONE]")
        if not self._arrivals:
            raise Failed(
                "empty",
                "the answer has no text",
                "some text is allowed; try another --prompt, or read the engine's log",
            )
        arrivals = self._arrivals
        count = _count(self._usage.get("completion_tokens"))
        details = _object(self._usage.get("prompt_tokens_details"))
        return Answer(
            text="".join(self._texts),
            first=arrivals[0],
            last=arrivals[-1],
            total=time.perf_counter() - self._started,
            gaps=tuple(after - before for before, after in pairwise(arrivals)),
            prompt_tokens=_count(self._usage.get("prompt_tokens")),
            completion_tokens=count,
            cached_tokens=_count(details.get("cached_tokens")),
            replica=replica,
            fingerprint=self._fingerprint,
            speed=speed,
            doubts=doubts,
            is_cut_short=self._is_limited and count is not None and count < self._max_tokens,
        )


def _object(value: object) -> Mapping[str, Any]:
    return value if isinstance(value, dict) else {}


def _text(value: object) -> str | None:
    return value if isinstance(value, str) else None


def _count(value: object) -> int | None:
    return value if type(value) is int and 0 <= value <= _MOST else None
