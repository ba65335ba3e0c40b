"""Waits for what a target answers, as a command does that changes nothing."""

import asyncio
import logging
from collections.abc import Coroutine
from functools import partial
from typing import Any, TypeVar

import click

from infra.errors import TargetError

PATIENCE = 5  # seconds
T = TypeVar("T")


def reading(answer: Coroutine[Any, Any, T]) -> T:
    """Wait for a target's answer; whoever waits longer than usual is told for what."""

    async def run() -> T:
        loop = asyncio.get_running_loop()
        notice = loop.call_later(
            PATIENCE, partial(click.echo, "Still waiting for the target to answer...", err=True)
        )
        try:
            return await answer
        finally:
            notice.cancel()

    try:
        return asyncio.run(run())
    except (TargetError, TimeoutError) as error:
        logging.getLogger("asyncio").addFilter(_is_news)
        so = str(error) or "the target does not answer"
        raise TargetError(f"{so}\nNothing was changed. Run the same command again.") from error


def _is_news(record: logging.LogRecord) -> bool:
    """Whether it is more than another failed call of the SDK, of which one was told already."""
    return not (record.exc_info and isinstance(record.exc_info[1], OSError))
