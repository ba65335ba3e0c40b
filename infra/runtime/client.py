"""One streamed chat with a service, from the caller's machine."""

import asyncio
import collections.abc
import contextlib
import json
import os
import time

import aiohttp


async def probe(
    url: str,
    messages: list[dict[str, object]],
    timeout: float,
    headers: dict[str, str] | None = None,
    max_silence: float = 120,
) -> None:
    """Chat with the service once; while no replica is up, try again each second."""
    deadline = time.monotonic() + timeout
    obstacle = ""
    async with aiohttp.ClientSession(
        base_url=url,
        headers=headers,
        timeout=aiohttp.ClientTimeout(sock_connect=20, sock_read=max_silence),
    ) as session:
        while (remaining := deadline - time.monotonic()) > 0:
            try:
                await asyncio.wait_for(stream_chat(session, messages), remaining)
                return
            except Exception as error:
                if not may_come_up(error):
                    raise
                # Not its repr, which would show the headers and so the caller's token.
                reason = str(error) or "the answer was not complete in time"
                if reason != obstacle:
                    print(f"no answer yet: {reason}")
                obstacle = reason
            await asyncio.sleep(min(1, remaining))
    raise TimeoutError(f"no answer from {url} within {timeout:g} s: {obstacle}")


def may_come_up(error: Exception) -> bool:
    """Tell what a starting replica causes from what no further try can cure."""
    if isinstance(error, aiohttp.ClientResponseError):
        return error.status == 503  # what Modal answers while no replica is up
    return isinstance(error, (aiohttp.ClientConnectionError, asyncio.TimeoutError))


async def stream_chat(
    session: aiohttp.ClientSession, messages: list[dict[str, object]]
) -> str:
    """Send one chat; print its answer as it arrives and return it if it is complete."""
    async with session.post(
        "/v1/chat/completions",
        json={"messages": messages, "stream": True},
        headers={"Accept": "text/event-stream"},
    ) as response:
        if response.status != 200:
            raise aiohttp.ClientResponseError(
                response.request_info,
                response.history,
                status=response.status,
                message=(await response.content.read(500)).decode(errors="replace"),
            )
        try:
            # Iterating over lines would refuse any of more than 64 KiB.
            return await print_answer(response.content.iter_any())
        except aiohttp.ClientError as error:
            # Not to be taken for a replica that is not up yet: it has answered in part.
            raise RuntimeError(f"the answer was cut off: {error!r}") from error
        finally:
            print()


async def print_answer(stream: collections.abc.AsyncIterator[bytes]) -> str:
    """Print the text of a stream of chat events as it arrives, and return all of it."""
    answer = ""
    finished = False
    async with contextlib.aclosing(event_data(stream)) as events:
        async for data in events:
            if data == "[DONE]":
                finished = True
                break
            text, finish_reason = read_event(data)
            print(text, end="", flush=True)
            answer += text
            finished = finished or finish_reason is not None
    if not finished:
        raise RuntimeError("the answer was cut off: no finish_reason and no [DONE]")
    return answer


async def event_data(
    stream: collections.abc.AsyncIterator[bytes],
) -> collections.abc.AsyncGenerator[str, None]:
    """Yield the data of each server-sent event, however the stream is cut in chunks."""
    rest = b""
    async for chunk in stream:
        *lines, rest = (rest + chunk).split(b"\n")
        for line in lines:
            if line.startswith(b"data:"):
                yield line.removeprefix(b"data:").strip().decode(errors="replace")
    if rest.startswith(b"data:"):  # some servers end without a newline
        yield rest.removeprefix(b"data:").strip().decode(errors="replace")


def read_event(data: str) -> tuple[str, str | None]:
    """Return the text in one event of a chat stream, and why the answer ended there."""
    try:
        event = json.loads(data)
    except json.JSONDecodeError:
        return "", None  # some servers keep the connection alive with plain words
    if not isinstance(event, dict):
        return "", None
    if event.get("error"):
        raise RuntimeError(f"the engine failed within its answer: {event['error']}")
    choice = (event.get("choices") or [{}])[0]
    delta = choice.get("delta") or {}
    # Engines call what the model thinks one or the other.
    thought = delta.get("reasoning_content") or delta.get("reasoning") or ""
    text = thought + (delta.get("content") or "")
    finish_reason = choice.get("finish_reason")
    if finish_reason == "abort":
        # Engines end the requests that they drop with this word, as if complete.
        raise RuntimeError("the engine aborted the request before its answer was done")
    return text, finish_reason


def proxy_headers() -> dict[str, str]:
    """The token that Modal asks for in front of a server; none where it is not set."""
    token = os.environ.get("MODAL_PROXY_TOKEN_ID")
    secret = os.environ.get("MODAL_PROXY_TOKEN_SECRET")
    return {"Modal-Key": token, "Modal-Secret": secret} if token and secret else {}
