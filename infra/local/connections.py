"""Connections to backends, each kept for a moment in case another request comes."""

import asyncio
import select
from collections import deque

import attrs

from infra.local.answers import LONGEST_HEAD
from infra.local.pool import Backend, Unreachable

# Shorter than any engine's own patience (SGLang's is 5 s): a request must not cross the engine's
# farewell on the way, since it could not be told from one that was lost while being processed.
_KEPT_SECONDS = 2.0


@attrs.frozen(kw_only=True, eq=False)
class Connection:
    """One connection to a backend, for one request at a time."""

    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter

    def is_usable(self) -> bool:
        """Whether the backend has neither hung up nor spoken out of turn."""
        if self.writer.is_closing():
            return False
        # The kernel knows about a backend that died before the event loop does.
        poll = select.poll()
        poll.register(self.writer.get_extra_info("socket").fileno(), select.POLLIN)
        return not poll.poll(0)

    def abort(self) -> None:
        """Hang up at once; this is how an engine learns that nobody waits any more."""
        self.writer.transport.abort()


class Connections:
    """Those of one router that no request uses at the moment."""

    def __init__(self) -> None:
        # By backend: (when it was given back, connection), oldest first.
        self._idle: dict[str, deque[tuple[float, Connection]]] = {}
        self._sweep: asyncio.TimerHandle | None = None

    async def open(self, backend: Backend) -> Connection:
        """A connection that no other request uses; Unreachable if the backend takes none."""
        idle = self._idle.get(backend.id, ())
        while idle:
            # The one that was used last: the others may then grow old and be closed.
            _, connection = idle.pop()
            if connection.is_usable():
                return connection
            connection.abort()
        try:
            reader, writer = await asyncio.open_unix_connection(backend.socket, limit=LONGEST_HEAD)
        except OSError as error:
            raise Unreachable from error
        return Connection(reader=reader, writer=writer)

    def keep(self, backend: Backend, connection: Connection) -> None:
        """Take back a connection whose answer was read to its end."""
        loop = asyncio.get_running_loop()
        self._idle.setdefault(backend.id, deque()).append((loop.time(), connection))
        if self._sweep is None:
            self._sweep = loop.call_later(_KEPT_SECONDS, self._close_old, loop)

    def close(self) -> None:
        """Hang up all of them."""
        for idle in self._idle.values():
            for _, connection in idle:
                connection.abort()
        self._idle.clear()
        if self._sweep is not None:
            self._sweep.cancel()
            self._sweep = None

    def _close_old(self, loop: asyncio.AbstractEventLoop) -> None:
        oldest = loop.time() - _KEPT_SECONDS
        for backend_id, idle in list(self._idle.items()):
            while idle and idle[0][0] <= oldest:
                idle.popleft()[1].abort()
            if not idle:
                del self._idle[backend_id]
        self._sweep = (
            loop.call_later(_KEPT_SECONDS / 2, self._close_old, loop) if self._idle else None
        )
