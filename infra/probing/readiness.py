"""Waits until a service answers, and learns what it serves."""

import asyncio
import json
import time
from collections.abc import Callable
from http import HTTPStatus

import aiohttp
import attrs

from infra.probing import failures
from infra.probing.chat import beginning, limited
from infra.probing.failures import Failed

_PAUSE_SECONDS = 0.25
# A proxy may hold a request while it starts a replica; whoever waits wants to hear of it.
_TRY_SECONDS = 10.0
# Who waits for less than it takes to ask once would only hear that there was no time.
_LEAST_SECONDS = 1.0


@attrs.frozen(kw_only=True)
class Ready:
    """
    A service that answers.

    Attributes:
        seconds: How long that took.
        model: What chats ask for.
    """

    seconds: float
    model: str


async def wait_ready(
    client: aiohttp.ClientSession,
    model: str | None,
    *,
    timeout: float,
    tell: Callable[[str], None],
    check: Callable[[], None],
) -> Ready:
    """
    Ask for the list of models, which needs no GPU time, until there is one.

    Args:
        client: From `chat.client`.
        model: What the service should serve; None: the first that it does.
        timeout: Seconds to wait for what may pass.
        tell: Is given each new reason for waiting.
        check: Raises `Failed` when that is in vain.

    Raises:
        Failed: It did not get ready in time, it can't be waited for, or it serves other models.
    """
    started = time.perf_counter()
    told = ""
    while True:
        try:
            left = timeout - (time.perf_counter() - started)
            models = await _models(client, min(_TRY_SECONDS, max(_LEAST_SECONDS, left)))
            break
        except Failed as failed:
            if not failed.passes:
                raise
            if time.perf_counter() - started + _PAUSE_SECONDS > timeout:
                raise Failed(
                    failed.kind,
                    f"not ready after {timeout:g} s: {failed.so}",
                    f"{failed.advice}, or wait longer with --timeout",
                ) from failed
            if failed.so != told:
                told = failed.so
                tell(told)
            check()
        await asyncio.sleep(_PAUSE_SECONDS)
    if model is not None and model not in models:
        raise Failed(
            "unknown model",
            f"it does not serve {model!r}, with which it was deployed",
            f"{' or '.join(map(repr, models))} is allowed; look at --served-model-name",
        )
    return Ready(seconds=time.perf_counter() - started, model=model or models[0])


async def _models(client: aiohttp.ClientSession, seconds: float) -> list[str]:
    timeout = aiohttp.ClientTimeout(total=seconds)
    with failures.told(seconds):
        async with client.get("/v1/models", timeout=timeout, allow_redirects=False) as response:
            if response.status != HTTPStatus.OK:
                raise failures.refused(response.status, await beginning(response))
            try:
                text = b"".join([chunk async for chunk in limited(response)])
                names = [each["id"] for each in json.loads(text)["data"]]
            except (ValueError, KeyError, TypeError, RecursionError) as error:
                raise failures.not_openai("it lists no models") from error
    if not names or not all(isinstance(name, str) for name in names):
        raise failures.not_openai("it lists no models")
    return names
