"""From a Unix socket, which any network namespace can reach, to a port of this one."""

import asyncio
import socket


class _Half(asyncio.Protocol):
    """
    One of the two connections of a pair: what it receives, the other one sends.

    Attributes:
        transport: None before the connection is made.
        other: None until there are two.
    """

    def __init__(self) -> None:
        self.transport: asyncio.Transport | None = None
        self.other: _Half | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self.transport = transport

    def data_received(self, data: bytes) -> None:
        if self.other and self.other.transport:
            self.other.transport.write(data)

    def pause_writing(self) -> None:
        # Whoever reads slowly slows the sender down; nothing piles up here.
        if self.other and self.other.transport:
            self.other.transport.pause_reading()

    def resume_writing(self) -> None:
        if self.other and self.other.transport:
            self.other.transport.resume_reading()

    def eof_received(self) -> bool:
        if self.other and self.other.transport and self.other.transport.can_write_eof():
            self.other.transport.write_eof()
        return True

    def connection_lost(self, exc: Exception | None) -> None:
        if self.other and self.other.transport:
            # What was received before is still delivered, unless the peer crashed.
            self.other.transport.abort() if exc else self.other.transport.close()


class _Entrance(_Half):
    """The side of the Unix socket, which waits for the port to accept."""

    def __init__(self, port: int) -> None:
        super().__init__()
        self._port = port
        # Some releases of Python read once more after a pause that comes this early.
        self._early: list[bytes] = []

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        super().connection_made(transport)
        assert self.transport is not None
        self.transport.pause_reading()
        self._connecting = asyncio.get_running_loop().create_task(self._connect())

    def data_received(self, data: bytes) -> None:
        if self.other is None:
            self._early.append(data)
        else:
            super().data_received(data)

    async def _connect(self) -> None:
        assert self.transport is not None
        way_out = _Half()
        way_out.other = self
        loop = asyncio.get_running_loop()
        try:
            transport, _ = await loop.create_connection(lambda: way_out, "127.0.0.1", self._port)
        except OSError:
            self.transport.abort()
            return
        if self.transport.is_closing():
            transport.abort()
            return
        self.other = way_out
        transport.writelines(self._early)
        self.transport.resume_reading()


async def start_relay(listener: socket.socket, port: int) -> None:
    """Relay each connection of the listener to the port, for as long as the loop runs."""
    await asyncio.get_running_loop().create_unix_server(lambda: _Entrance(port), sock=listener)


async def accepts(port: int) -> bool:
    """Whether somebody listens on the port."""
    try:
        _, writer = await asyncio.open_connection("127.0.0.1", port)
    except OSError:
        return False
    writer.transport.abort()
    return True
