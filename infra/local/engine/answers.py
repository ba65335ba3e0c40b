"""Answers in the form of OpenAI's API, as SGLang spells them."""

import json
import time
import uuid
from collections.abc import Iterator
from typing import Any

from infra.local.engine.bodies import Ask

FINGERPRINT = "infra-stand-in"
# Headers, as the answers themselves are SGLang's.
SPEED = "Infra-Simulated-Speed"
DOUBTS = "Infra-Simulated-Doubts"
DONE = b"data: [DONE]\n\n"

Answer = dict[str, Any]


def error(message: str, status: int, kind: str) -> Answer:
    """An error, as SGLang spells it."""
    return {"object": "error", "message": message, "type": kind, "param": None, "code": status}


def event(answer: Answer) -> bytes:
    """One server-sent event."""
    return b"data: " + json.dumps(answer, separators=(",", ":")).encode() + b"\n\n"


class Chat:
    """The answer to a chat, whole or in chunks."""

    def __init__(self, ask: Ask) -> None:
        self.ask = ask
        self._head = _head(ask, "chat.completion")

    def whole(self, cached: int) -> Answer:
        """The answer at once."""
        ask = self.ask
        thought, text = ask.answer[: ask.reasoning], ask.answer[ask.reasoning :]
        message = {
            "role": "assistant",
            "content": "".join(text) or None,
            ask.thoughts: "".join(thought) or None,
            "tool_calls": None,
        }
        choice = {"index": 0, "message": message, **_end(ask)}
        return {
            **self._head,
            "choices": [choice],
            "usage": _usage(ask, cached),
            "metadata": {"weight_version": "default"},
        }

    def opening(self) -> list[Answer]:
        """What a stream begins with."""
        return [self._chunk({"role": "assistant", "content": ""})]

    def step(self, since: int, count: int) -> Iterator[Answer]:
        """The tokens that have come since."""
        ask = self.ask
        border = min(max(ask.reasoning, since), count)
        if thought := "".join(ask.answer[since:border]):
            yield self._chunk({ask.thoughts: thought})
        if text := "".join(ask.answer[border:count]):
            yield self._chunk({"content": text})

    def closing(self, cached: int) -> Iterator[Answer]:
        """What a stream ends with."""
        yield self._chunk({}, _end(self.ask))
        if self.ask.usage:
            yield {**self._chunk({}), "choices": [], "usage": _usage(self.ask, cached)}

    def _chunk(self, delta: dict[str, str], end: Answer | None = None) -> Answer:
        none = {"logprobs": None, "finish_reason": None, "matched_stop": None}
        choice = {"index": 0, "delta": {self.ask.thoughts: None, **delta}, **(end or none)}
        return {**self._head, "object": "chat.completion.chunk", "choices": [choice]}


class Completion:
    """The answer to a plain completion, whole or in chunks."""

    def __init__(self, ask: Ask) -> None:
        self.ask = ask
        self._head = _head(ask, "text_completion")

    def whole(self, cached: int) -> Answer:
        """The answer at once."""
        text = self.ask.echo + "".join(self.ask.answer)
        return {
            **self._head,
            "choices": [{"index": 0, "text": text, **_end(self.ask)}],
            "usage": _usage(self.ask, cached),
            "metadata": {"weight_version": "default"},
        }

    def opening(self) -> list[Answer]:
        """What a stream begins with."""
        return [self._chunk(self.ask.echo)] if self.ask.echo else []

    def step(self, since: int, count: int) -> Iterator[Answer]:
        """The tokens that have come since; the last ones say why they are the last."""
        end = _end(self.ask) if count == len(self.ask.answer) else None
        yield self._chunk("".join(self.ask.answer[since:count]), end)

    def closing(self, cached: int) -> Iterator[Answer]:
        """What a stream ends with."""
        if self.ask.usage:
            yield {**self._head, "choices": [], "usage": _usage(self.ask, cached)}

    def _chunk(self, text: str, end: Answer | None = None) -> Answer:
        none = {"logprobs": None, "finish_reason": None, "matched_stop": None}
        return {**self._head, "choices": [{"index": 0, "text": text, **(end or none)}]}


def _head(ask: Ask, kind: str) -> Answer:
    return {
        "id": uuid.uuid4().hex,
        "object": kind,
        "created": int(time.time()),
        "model": ask.model,
        "system_fingerprint": FINGERPRINT,
    }


def _end(ask: Ask) -> Answer:
    reason = "length" if ask.cut else "stop"
    return {"logprobs": None, "finish_reason": reason, "matched_stop": None}


def _usage(ask: Ask, cached: int) -> Answer:
    """Counts of tokens; of the cached ones only if they are asked for and there are any."""
    return {
        "prompt_tokens": len(ask.prompt),
        "total_tokens": len(ask.prompt) + len(ask.answer),
        "completion_tokens": len(ask.answer),
        "prompt_tokens_details": {"cached_tokens": cached} if cached else None,
        "reasoning_tokens": ask.reasoning,
    }
