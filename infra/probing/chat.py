"""One streamed chat with a service, measured where its caller stands."""

from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import aclosing
from http import HTTPStatus

import aiohttp
import attrs

from infra.local.engine.answers import DOUBTS, SPEED
from infra.local.engine.clock import read_speed
from infra.local.router import REPLICA
from infra.probing import failures
from infra.probing.answer import Answer, Reading, Show
from infra.runtime.client import event_data
from infra.text import harmless

SILENCE_SECONDS = 120.0
_CONNECT_SECONDS = 20.0
_LONGEST = 64 * 2**20  # bytes of an answer

Message = Mapping[str, str]


def client(url: str, headers: Mapping[str, str]) -> aiohttp.ClientSession:
    """A client of one service, for any number of requests at once."""
    return aiohttp.ClientSession(
        url,
        headers=headers,
        connector=aiohttp.TCPConnector(limit=0),
        timeout=aiohttp.ClientTimeout(sock_connect=_CONNECT_SECONDS, sock_read=SILENCE_SECONDS),
    )


@attrs.frozen(kw_only=True)
class Caller:
    """
    Whoever chats with one service.

    Attributes:
        client: From `client`.
        model: The name that the engine serves it under.
        max_tokens: After so many an answer ends.
        is_sticky: Whether requests name their session, so that it meets one replica.
    """

    client: aiohttp.ClientSession
    model: str
    max_tokens: int
    is_sticky: bool

    async def ask(
        self, messages: Sequence[Message], session: str, show: Show | None = None
    ) -> Answer:
        """
        The answer to a conversation.

        Args:
            messages: What was said so far.
            session: Its name.
            show: Is given each piece of text as it comes.

        Raises:
            Failed: There is no whole answer.
        """
        body = {
            "model": self.model,
            "messages": list(messages),
            "max_tokens": self.max_tokens,
            "stream": True,
            "stream_options": {"include_usage": True},
        }
        reading = Reading(show, self.max_tokens)
        with failures.told(SILENCE_SECONDS):
            async with self.client.post(
                "/v1/chat/completions",
                json=body,
                headers={"Modal-Session-ID": session} if self.is_sticky else {},
                # Headers go along to wherever a redirection leads, and the token is among them.
                allow_redirects=False,
            ) as response:
                if response.status != HTTPStatus.OK:
                    raise failures.refused(response.status, await beginning(response))
                await _read(response, reading)
        headers = response.headers
        replica, doubts = (each and harmless(each) for each in map(headers.get, (REPLICA, DOUBTS)))
        return reading.answer(replica, _speed(headers.get(SPEED)), doubts)


def _speed(word: str | None) -> str | None:
    """What a stand-in says of its time, if it is one, in our spelling."""
    try:
        speed = read_speed(word) if word else 0.0
    except ValueError:
        return None
    return "off" if speed is None else f"{speed:g}" if speed else None


async def beginning(response: aiohttp.ClientResponse) -> str:
    """The first bytes of an answer that is not the expected one."""
    return (await response.content.read(1000)).decode(errors="replace")


async def _read(response: aiohttp.ClientResponse, reading: Reading) -> None:
    try:
        async with aclosing(event_data(limited(response))) as events:
            # To the end of the stream, not of the answer: only then is the connection free.
            async for data in events:
                reading.take(data)
    except TimeoutError:
        raise
    except (aiohttp.ClientConnectionError, OSError) as error:
        raise failures.cut_off("the connection was lost") from error


async def limited(response: aiohttp.ClientResponse) -> AsyncIterator[bytes]:
    """The answer's bytes as they come; what has no end must not fill the memory."""
    size = 0
    async for chunk in response.content.iter_any():
        size += len(chunk)
        if size > _LONGEST:
            raise failures.not_openai(f"it is longer than {_LONGEST} bytes")
        yield chunk
