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
        word = b""
        try:
            async with asyncio.timeout(_SECONDS):
                word = await reader.readline()
                if word in (b"status\n", b"stop\n"):
                    writer.write(status().to_json().encode())
                    await writer.drain()
        except (TimeoutError, ConnectionError, ValueError):
            return
        finally:
            if word == b"stop\n":  # also if there is nothing to tell, or nobody to hear it
                stop()
            writer.close()

    server = await asyncio.start_unix_server(answer, path)
    try:
        yield
    finally:
        server.close()
        path.unlink(missing_ok=True)


def status(endpoint: Endpoint) -> Status:
    """
    What goes on.

    Raises:
        InfraError: The daemon does not answer, or it is of another version of infra.
    """
    answer = _ask(endpoint, "status")
    try:
        return Status.from_json(answer)
    except ValueError as error:
        raise InfraError(
            f"{endpoint.control}: the daemon's answer can't be read ({error}); one of this version "
            "is needed; run `infra local down`, then `infra local up`"
        ) from error


def stop(endpoint: Endpoint) -> Status | None:
    """
    End the daemon, of whatever version it is: what went on until now, or None if it can't tell.

    Raises:
        InfraError: It does not answer.
    """
    answer = _ask(endpoint, "stop")
    try:
        return Status.from_json(answer)
    except ValueError:
        return None


def _ask(endpoint: Endpoint, word: str) -> str:
    try:
        with socket.socket(socket.AF_UNIX) as connection:
            connection.settimeout(_SECONDS)
            connection.connect(endpoint.control)
            connection.sendall(f"{word}\n".encode())
            with connection.makefile("r", encoding="utf-8") as answer:
                return answer.read()
    except (OSError, UnicodeError) as error:
        raise InfraError(
            f"{endpoint.control}: the daemon does not answer ({error}); an answer is needed; try "
            f"again, or end process {endpoint.pid}"
        ) from error
