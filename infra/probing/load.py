"""Chats with a service, so many at once for so long, and the tally of them."""

import asyncio
import itertools
import secrets
import time
from collections import Counter
from collections.abc import Callable

import attrs

from infra.probing.answer import Answer
from infra.probing.chat import Caller
from infra.probing.failures import Failed
from infra.probing.times import Times

# Callers that are refused do not come back at once; else they would be the load.
_PAUSE_SECONDS = 0.25
_TELL_SECONDS = 0.2


@attrs.define(kw_only=True)
class Tally:
    """
    What came of the requests.

    Attributes:
        answers: Whole ones.
        cut_short: Of these, such as the engine has ended for want of room.
        failures: Requests without a whole answer, by kind.
        tokens: Of whole answers, as far as the engine says.
        replicas: Whole answers by replica, as far as that is told.
        first: Times to the first token.
        gaps: Times between events.
        per_token: Of each answer, the mean time for a token after the first.
        total: Times of whole answers.
        seconds: From the first request to the last answer.
    """

    answers: int = 0
    cut_short: int = 0
    failures: Counter[str] = attrs.field(factory=Counter)
    tokens: int = 0
    replicas: Counter[str] = attrs.field(factory=Counter)
    first: Times = attrs.field(factory=Times)
    gaps: Times = attrs.field(factory=Times)
    per_token: Times = attrs.field(factory=Times)
    total: Times = attrs.field(factory=Times)
    seconds: float = 0.0

    def add(self, answer: Answer) -> None:
        """Count a whole answer."""
        self.answers += 1
        self.cut_short += answer.is_cut_short
        self.tokens += answer.completion_tokens or 0
        if answer.replica:
            self.replicas[answer.replica] += 1
        self.first.add(answer.first)
        for gap in answer.gaps:
            self.gaps.add(gap)
        if answer.per_token is not None:
            self.per_token.add(answer.per_token)
        self.total.add(answer.total)


async def load(
    caller: Caller,
    prompt: str,
    *,
    concurrency: int,
    duration: float,
    tally: Tally,
    tell: Callable[[Tally], None],
) -> None:
    """
    Keep so many requests going; what is under way when the time is over is waited for.

    Each request is a conversation of its own that begins with words of its own, so that no
    prefix cache answers in the model's place.

    Args:
        caller: Who asks.
        prompt: What each request asks.
        concurrency: Requests at once.
        duration: Seconds in which requests begin.
        tally: Is kept up to date, so that it holds when this is interrupted.
        tell: Is given the tally a few times a second.
    """
    run = secrets.token_hex(4)
    numbers = itertools.count(1)
    started = time.perf_counter()

    async def ask_on() -> None:
        while (left := duration - (time.perf_counter() - started)) > 0:
            name = f"probe-{run}-{next(numbers)}"
            message = {"role": "user", "content": f"{name}: {prompt}"}
            try:
                tally.add(await caller.ask([message], name))
            except Failed as failed:
                tally.failures[failed.kind] += 1
                await asyncio.sleep(min(_PAUSE_SECONDS, left))

    async def teller() -> None:
        while True:
            tally.seconds = time.perf_counter() - started
            tell(tally)
            await asyncio.sleep(_TELL_SECONDS)

    telling = asyncio.create_task(teller())
    try:
        async with asyncio.TaskGroup() as callers:
            for _ in range(concurrency):
                callers.create_task(ask_on())
    finally:
        tally.seconds = time.perf_counter() - started
        telling.cancel()
