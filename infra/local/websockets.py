"""A websocket through the router: each message goes on as it comes."""

import asyncio
from collections.abc import Collection
from pathlib import Path

import aiohttp
from aiohttp import web
from multidict import CIMultiDict
from yarl import URL

from infra.local import cutting, forwarding
from infra.local.pool import Unreachable

_Socket = web.WebSocketResponse | aiohttp.ClientWebSocketResponse
_HANDSHAKE = frozenset(
    {
        b"sec-websocket-accept",
        b"sec-websocket-extensions",
        b"sec-websocket-key",
        b"sec-websocket-protocol",
        b"sec-websocket-version",
    }
)
_NORMAL = aiohttp.WSCloseCode.OK
# For the other side's farewell, when one side has said its own.
_CLOSE_SECONDS = 5.0


def is_websocket(request: web.BaseRequest) -> bool:
    """Whether the caller asks for a websocket."""
    upgrade = request.headers.get("Upgrade", "")
    return request.method == "GET" and upgrade.lower() == "websocket"


async def relay(
    request: web.BaseRequest, socket: Path, but_not: Collection[bytes]
) -> web.StreamResponse:
    """
    Open a websocket to the engine, then pass messages on both ways until one side closes it.

    Raises:
        Unreachable: The engine does not take the connection.
    """
    given = forwarding.headers(request, {*but_not, *_HANDSHAKE})
    headers = CIMultiDict((name.decode(), value.decode(errors="replace")) for name, value in given)
    words = request.headers.get("Sec-WebSocket-Protocol", "")
    async with aiohttp.ClientSession(
        connector=aiohttp.UnixConnector(str(socket)),
        cookie_jar=aiohttp.DummyCookieJar(),
        timeout=aiohttp.ClientTimeout(total=None),
        # What the caller does not say is not said for it.
        skip_auto_headers=("User-Agent", "Accept", "Accept-Encoding"),
        middlewares=[_once],
    ) as session:
        try:
            engine = await session.ws_connect(
                URL(f"http://engine{forwarding.target(request)}", encoded=True),
                headers=headers,
                protocols=[word.strip() for word in words.split(",") if word.strip()],
                timeout=aiohttp.ClientWSTimeout(ws_close=_CLOSE_SECONDS),
                autoclose=False,
                autoping=False,
                max_msg_size=0,
            )
        except aiohttp.ClientConnectorError as error:
            raise Unreachable from error
        except aiohttp.WSServerHandshakeError as error:
            # It may have answered like any server, as with 403.
            status = max(error.status, web.HTTPBadRequest.status_code)
            return web.Response(status=status, text=f"modal-http: {error.message}")
        except aiohttp.ClientPayloadError as error:
            return web.Response(status=502, text=f"modal-http: the container failed: {error}")
        caller = web.WebSocketResponse(
            protocols=[engine.protocol] if engine.protocol else (),
            timeout=_CLOSE_SECONDS,
            autoclose=False,
            autoping=False,
            max_msg_size=0,
        )
        await caller.prepare(request)
        await _exchange(request, caller, engine)
        return caller


async def _once(
    request: aiohttp.ClientRequest, send: aiohttp.ClientHandlerType
) -> aiohttp.ClientResponse:
    """Keep the client from trying again what an engine may have begun already."""
    try:
        return await send(request)
    except (aiohttp.ServerDisconnectedError, aiohttp.ClientOSError) as error:
        if isinstance(error, aiohttp.ClientConnectorError):
            raise
        raise aiohttp.ClientPayloadError(str(error)) from error


async def _exchange(
    request: web.BaseRequest,
    caller: web.WebSocketResponse,
    engine: aiohttp.ClientWebSocketResponse,
) -> None:
    to_engine = asyncio.create_task(_pump(caller, engine))
    to_caller = asyncio.create_task(_pump(engine, caller))
    try:
        await asyncio.wait((to_engine, to_caller), return_when=asyncio.FIRST_COMPLETED)
    finally:
        for task in (to_engine, to_caller):
            task.cancel()
        ends = await asyncio.gather(to_engine, to_caller, return_exceptions=True)
    farewell = next((end for end in ends if isinstance(end, aiohttp.WSMessage)), None)
    if farewell is None:
        # One side vanished: the other must not take that for an end.
        cutting.cut(request)
        return
    code = farewell.data or _NORMAL
    message = (farewell.extra or "").encode()
    await asyncio.gather(
        engine.close(code=code, message=message), caller.close(code=code, message=message)
    )


async def _pump(source: _Socket, sink: _Socket) -> aiohttp.WSMessage | None:
    """Pass messages on until the source says farewell, which is returned; None if it vanished."""
    while True:
        message = await source.receive()
        match message.type:
            case aiohttp.WSMsgType.TEXT:
                await sink.send_str(message.data)
            case aiohttp.WSMsgType.BINARY:
                await sink.send_bytes(message.data)
            case aiohttp.WSMsgType.PING:
                await sink.ping(message.data)
            case aiohttp.WSMsgType.PONG:
                await sink.pong(message.data)
            case aiohttp.WSMsgType.CLOSE:
                return message
            case _:
                return None
