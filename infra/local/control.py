"""
How a command talks to the daemon: one word over a socket that only its user can reach.

Either word is answered with the status as JSON: `status` is all, `stop` also ends the daemon.
"""

import asyncio
import socket
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

from infra.errors import InfraError
from infra.local.endpoint import Endpoint
from infra.local.status import Status

# For the word and its answer; what the daemon does afterwards may take longer.
_SECONDS = 10


@asynccontextmanager
async def listening(
    path: Path, status: Callable[[], Status], stop: Callable[[], None]
) -> AsyncIterator[None]:
    """Answer for as long as the block lasts."""

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            async with asyncio.timeout(_SECONDS):
                word = await reader.readline()
                if word in (b"status\n", b"stop\n"):
                    writer.write(status().to_json().encode())
                    await writer.drain()
            if word == b"stop\n":
                stop()
        except (TimeoutError, ConnectionError, ValueError):
            return
        finally:
            writer.close()

    server = await asyncio.start_unix_server(answer, path)
    try:
        yield
    finally:
        server.close()
        path.unlink(missing_ok=True)


def ask(endpoint: Endpoint, word: str) -> Status:
    """
    The daemon's answer to a word.

    Raises:
        InfraError: It does not answer.
    """
    try:
        with socket.socket(socket.AF_UNIX) as connection:
            connection.settimeout(_SECONDS)
            connection.connect(endpoint.control)
            connection.sendall(f"{word}\n".encode())
            with connection.makefile("r", encoding="utf-8") as answer:
                return Status.from_json(answer.read())
    except (OSError, ValueError) as error:
        raise InfraError(
            f"{endpoint.control}: the daemon does not answer ({error}); try again, or end process "
            f"{endpoint.pid}"
        ) from error
