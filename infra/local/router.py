"""The address of one service: every request goes to a backend of its pool, streaming both ways."""

import asyncio
import socket
from collections.abc import Collection

from aiohttp import web

from infra.local import cutting, forwarding, loopback, urls, websockets
from infra.local.answers import BrokenAnswer, read_answer
from infra.local.connections import Connection, Connections
from infra.local.door import Door
from infra.local.pool import AllBusy, Backend, NoneReady, Pool, Unreachable

# Modal tells no caller which container has answered; in a rehearsal one may know.
REPLICA = "Infra-Replica"
_CONTINUE = b"HTTP/1.1 100 Continue\r\n\r\n"
# Handlers still running when a router stops get this long, once to end and once to be cancelled.
_SHUTDOWN_SECONDS = 0.1


class Router:
    """
    A listener on loopback in front of a pool.

    A request is sent to one backend once. Only a backend that does not even take the connection
    is passed over for the next one.

    Attributes:
        door: Who may come in; it may be exchanged at any time.
        url: Where it listens, once it does.
    """

    def __init__(self, *, pool: Pool, door: Door) -> None:
        self.door = door
        self.url = ""
        self._pool = pool
        self._connections = Connections()
        self._runner: web.ServerRunner | None = None
        self._listener: socket.socket | None = None

    async def start(self, port: int = 0) -> None:
        """Listen; 0 takes a free port."""
        self._listener = loopback.listen(port)
        self.url = urls.service_url(self._listener.getsockname()[1])
        server = web.Server(
            self._answer,
            handler_cancellation=True,  # a caller that is gone must not keep an engine busy
            access_log=None,
            auto_decompress=False,
        )
        self._runner = web.ServerRunner(server, shutdown_timeout=_SHUTDOWN_SECONDS)
        await self._runner.setup()
        await web.SockSite(self._runner, self._listener).start()

    async def stop(self) -> None:
        """Hang up: what is still being answered is cut."""
        if self._runner is not None:
            await self._runner.cleanup()
        if self._listener is not None:
            self._listener.close()
        self._connections.close()

    async def _answer(self, request: web.BaseRequest) -> web.StreamResponse:
        refusal = self.door.refusal(request.headers)
        if refusal is not None:
            return web.Response(status=401, text=refusal)
        session = request.headers.get("Modal-Session-ID")
        dead: set[str] = set()
        while True:
            try:
                with self._pool.request(session, dead) as backend:
                    try:
                        return await self._forward(request, backend)
                    except Unreachable:
                        dead.add(backend.id)
            except NoneReady:
                return web.Response(status=503, text="modal-http: no container is ready")
            except AllBusy:
                return web.Response(status=429, text="modal-http: all containers are busy")

    async def _forward(self, request: web.BaseRequest, backend: Backend) -> web.StreamResponse:
        but_not = self.door.credentials(request.headers)
        if websockets.is_websocket(request):
            return await websockets.relay(request, backend.socket, but_not)
        connection = await self._connections.open(backend)
        exchange = _Exchange(request, connection, but_not, backend.id)
        try:
            response = await exchange.run()
        except BaseException:
            connection.abort()
            raise
        if exchange.is_complete:
            self._connections.keep(backend, connection)
        else:
            connection.abort()
        return response


class _Exchange:
    """
    One request and its answer on one connection to a backend.

    Attributes:
        is_complete: Whether both went through to their ends, so that the connection is free.
    """

    def __init__(
        self,
        request: web.BaseRequest,
        connection: Connection,
        but_not: Collection[bytes],
        replica: str,
    ) -> None:
        self.is_complete = False
        self._request = request
        self._connection = connection
        self._but_not = but_not
        self._replica = replica
        self._is_sent = False

    async def run(self) -> web.StreamResponse:
        if self._request.headers.get("Expect", "").lower() == "100-continue":
            await self._request.writer.write(_CONTINUE)
        content = self._request.content
        # Most bodies are here already; head and body are then one packet.
        body = content.read_nowait() if content.is_eof() else None
        head = forwarding.head(self._request, self._but_not, body)
        self._connection.writer.write(head + (body or b""))
        if body is not None:
            self._is_sent = True
            return await self._receive()
        # An engine may answer before it has the whole body, for example that it is too large.
        sending = asyncio.create_task(self._send())
        try:
            return await self._receive()
        finally:
            sending.cancel()
            await asyncio.wait((sending,))

    async def _send(self) -> None:
        writer = self._connection.writer
        is_chunked = self._request.content_length is None
        try:
            while data := await self._request.content.readany():
                writer.write(b"%x\r\n%b\r\n" % (len(data), data) if is_chunked else data)
                await writer.drain()
            if is_chunked:
                writer.write(b"0\r\n\r\n")
            self._is_sent = True
        except OSError:
            # The engine takes no more of it; its answer says why, or the want of one does.
            return

    async def _receive(self) -> web.StreamResponse:
        first = b""
        try:
            answer = await read_answer(self._connection.reader, self._request.method)
            answer.headers[REPLICA] = self._replica
            if answer.length is not None:
                # It is not a stream of events: its head may wait for the body, which mostly
                # comes with it, and go out in one packet.
                first = await answer.read()
        except BrokenAnswer as error:
            return web.Response(status=502, text=f"modal-http: the container failed: {error}")
        if first and answer.is_over:
            self.is_complete = self._is_sent and answer.keeps_alive
            return web.Response(
                status=answer.status, reason=answer.reason, headers=answer.headers, body=first
            )
        response = web.StreamResponse(
            status=answer.status, reason=answer.reason, headers=answer.headers
        )
        await response.prepare(self._request)
        try:
            if first:
                await response.write(first)
            while data := await answer.read():
                await response.write(data)
        except BrokenAnswer:
            cutting.cut(self._request)
        else:
            self.is_complete = self._is_sent and answer.keeps_alive
        return response
