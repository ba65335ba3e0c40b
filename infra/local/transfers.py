"""Contents too large for a call, up and down over loopback HTTP."""

import asyncio
import secrets
from typing import TYPE_CHECKING

import attrs

from infra.local import loopback
from infra.local.blobs import Blobs, Mismatch

if TYPE_CHECKING:
    from aiohttp import web

_CHUNK = 1 << 20


@attrs.frozen(kw_only=True)
class Links:
    """
    URLs of contents.

    Attributes:
        root: Ends in a secret: whoever has a link got it from an authenticated call.
    """

    root: str

    def whole(self, sha256_hex: str) -> str:
        return f"{self.root}/{sha256_hex}"

    def part(self, sha256_hex: str, *, offset: int, length: int) -> str:
        return f"{self.root}/{sha256_hex}?offset={offset}&length={length}"


class Transfers:
    """
    The HTTP side of a plane.

    Its port is open from the start, but the server behind it is imported and started by the
    first connection: most commands transfer nothing, and aiohttp takes a quarter of a second.
    """

    def __init__(self, blobs: Blobs) -> None:
        self._blobs = blobs
        self._secret = secrets.token_urlsafe(24)
        self._socket = loopback.listen(0)
        self.links = Links(root=f"http://127.0.0.1:{self._socket.getsockname()[1]}/{self._secret}")
        self._starting: asyncio.Task[web.AppRunner] | None = None

    def listen(self) -> None:
        asyncio.get_running_loop().add_reader(self._socket, self._first_connection)

    def _first_connection(self) -> None:
        loop = asyncio.get_running_loop()
        loop.remove_reader(self._socket)
        self._starting = loop.create_task(self._start())

    async def _start(self) -> "web.AppRunner":
        from aiohttp import web

        app = web.Application()
        app.router.add_put(f"/{self._secret}/{{sha256}}", self._receive)
        app.router.add_get(f"/{self._secret}/{{sha256}}", self._send)
        runner = web.AppRunner(app, access_log=None, shutdown_timeout=1)
        await runner.setup()
        await web.SockSite(runner, self._socket).start()
        return runner

    async def close(self) -> None:
        if self._starting is None:
            asyncio.get_running_loop().remove_reader(self._socket)
        else:
            await (await self._starting).cleanup()
        self._socket.close()

    async def _receive(self, request: "web.Request") -> "web.Response":
        from aiohttp import web

        with self._blobs.incoming() as incoming:
            async for chunk in request.content.iter_chunked(_CHUNK):
                incoming.write(chunk)
            try:
                md5_hex = incoming.keep(request.match_info["sha256"])
            except (Mismatch, ValueError) as error:
                raise web.HTTPBadRequest(text=str(error)) from error
        return web.Response(headers={"ETag": f'"{md5_hex}"'})

    async def _send(self, request: "web.Request") -> "web.StreamResponse":
        from aiohttp import web

        try:
            path = self._blobs.path(request.match_info["sha256"])
            offset = int(request.query.get("offset", "0"))
            length = int(request.query.get("length", "-1"))
        except ValueError as error:
            raise web.HTTPBadRequest(text=str(error)) from error
        if not path.exists():
            raise web.HTTPNotFound
        if length < 0:
            return web.FileResponse(path)
        with path.open("rb") as file:
            file.seek(offset)
            return web.Response(body=file.read(length))
