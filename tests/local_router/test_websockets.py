"""Websockets pass through the router in both directions, with their ends."""

import asyncio
from pathlib import Path

import aiohttp
import pytest
from aiohttp import WSMsgType, web
from engines import EngineProcess, engine, raw_engine, routed, scenario


async def mirror(request: web.BaseRequest) -> web.StreamResponse:
    """Say every message again, until told to leave."""
    websocket = web.WebSocketResponse(
        protocols=("chat", "other"), autoping=False, autoclose=False, max_msg_size=0
    )
    await websocket.prepare(request)
    while True:
        message = await websocket.receive()
        match message.type:
            case WSMsgType.TEXT if message.data == "leave":
                await websocket.close(code=4001, message=b"as you wish")
                return websocket
            case WSMsgType.TEXT if message.data.startswith("header "):
                name = message.data.removeprefix("header ")
                await websocket.send_str(request.headers.get(name, "none"))
            case WSMsgType.TEXT:
                await websocket.send_str(message.data)
            case WSMsgType.BINARY:
                await websocket.send_bytes(message.data)
            case WSMsgType.PING:
                await websocket.pong(message.data + b"!")
            case WSMsgType.CLOSE:
                await websocket.close(code=message.data)
                return websocket
            case _:
                return websocket


@scenario
async def test_messages_pass_both_ways(folder: Path) -> None:
    """Text, bytes, a large one; a ping is answered by the engine and not on the way."""
    async with engine(folder, "a", mirror) as backend, routed(backend) as (client, pool):
        async with client.ws_connect("/ws?q=1", autoping=False, max_msg_size=0) as websocket:
            await websocket.send_str("héllo")
            assert await websocket.receive_str() == "héllo"
            large = bytes(5_000_000)
            await websocket.send_bytes(large)
            assert await websocket.receive_bytes() == large
            await websocket.ping(b"here")
            pong = await websocket.receive()
            assert (pong.type, pong.data) == (WSMsgType.PONG, b"here!")
            assert pool.in_flight("a") == 1
        await pool.emptied("a")


@scenario
async def test_the_engine_chooses_the_protocol(folder: Path) -> None:
    """Among those that the caller offers."""
    async with engine(folder, "a", mirror) as backend, routed(backend) as (client, _):
        async with client.ws_connect("/", protocols=("unknown", "other")) as websocket:
            assert websocket.protocol == "other"
        async with client.ws_connect("/") as websocket:
            assert websocket.protocol is None


@scenario
async def test_the_callers_headers_reach_the_engine(folder: Path) -> None:
    """As with any other request, and none is invented."""
    headers = {"X-Mine": "1", "User-Agent": "test"}
    async with (
        engine(folder, "a", mirror) as backend,
        routed(backend) as (client, _),
        client.ws_connect("/", headers=headers) as websocket,
    ):
        for name, value in [*headers.items(), ("Cookie", "none"), ("Accept", "*/*")]:
            await websocket.send_str(f"header {name}")
            assert await websocket.receive_str() == value


@scenario
async def test_the_engine_says_farewell(folder: Path) -> None:
    """Its code and its words reach the caller."""
    async with engine(folder, "a", mirror) as backend, routed(backend) as (client, pool):
        async with client.ws_connect("/") as websocket:
            await websocket.send_str("leave")
            message = await websocket.receive()
            assert (message.type, message.data, message.extra) == (
                WSMsgType.CLOSE,
                4001,
                "as you wish",
            )
        await pool.emptied("a")


@scenario
async def test_the_caller_says_farewell(folder: Path) -> None:
    """Its code reaches the engine, which answers with the same."""
    async with engine(folder, "a", mirror) as backend, routed(backend) as (client, pool):
        websocket = await client.ws_connect("/")
        await websocket.close(code=4002)
        assert websocket.close_code == 4002
        await pool.emptied("a")


@scenario
async def test_an_engine_that_dies_is_no_farewell(folder: Path) -> None:
    """The caller's connection breaks, too."""
    accepted = asyncio.Event()

    async def vanish(request: web.BaseRequest) -> web.StreamResponse:
        websocket = web.WebSocketResponse()
        await websocket.prepare(request)
        await accepted.wait()
        assert request.transport
        request.transport.abort()
        return websocket

    async with (
        engine(folder, "a", vanish) as backend,
        routed(backend) as (client, _),
        client.ws_connect("/") as websocket,
    ):
        accepted.set()
        message = await websocket.receive()
        assert message.type in (WSMsgType.CLOSED, WSMsgType.ERROR)
        assert websocket.close_code == aiohttp.WSCloseCode.ABNORMAL_CLOSURE


@scenario
async def test_a_caller_that_vanishes_leaves_the_engine(folder: Path) -> None:
    """Without a farewell of either side."""
    ended = asyncio.Event()

    async def wait(request: web.BaseRequest) -> web.StreamResponse:
        websocket = web.WebSocketResponse()
        await websocket.prepare(request)
        try:
            await websocket.receive()
        finally:
            ended.set()
        return websocket

    async with engine(folder, "a", wait) as backend, routed(backend) as (client, pool):
        websocket = await client.ws_connect("/")
        connection = websocket._response.connection
        assert connection
        assert connection.transport
        connection.transport.abort()
        await ended.wait()
        await pool.emptied("a")


@scenario
async def test_an_engine_may_refuse(folder: Path) -> None:
    """The caller sees its status."""

    async def refuse(request: web.BaseRequest) -> web.StreamResponse:
        return web.Response(status=403)

    async with engine(folder, "a", refuse) as backend, routed(backend) as (client, _):
        with pytest.raises(aiohttp.WSServerHandshakeError) as caught:
            await client.ws_connect("/")
        assert caught.value.status == 403


@scenario
async def test_a_handshake_is_not_sent_twice(folder: Path) -> None:
    """An engine that took it and hung up may have begun."""
    taken = []

    async def take(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        taken.append(await reader.readuntil(b"\r\n\r\n"))

    async with raw_engine(folder, "a", take) as backend, routed(backend) as (client, _):
        with pytest.raises(aiohttp.WSServerHandshakeError) as caught:
            await client.ws_connect("/")
        assert caught.value.status == 502
    assert len(taken) == 1


@scenario
async def test_no_engine_takes_the_connection(folder: Path) -> None:
    """503, as for any other request; another engine is tried first."""
    dead = EngineProcess(folder, "dead").backend
    async with engine(folder, "a", mirror) as backend, routed(dead, backend) as (client, pool):
        for _ in range(2):
            async with client.ws_connect("/") as websocket:
                await websocket.send_str("leave")
        pool.remove("a")
        with pytest.raises(aiohttp.WSServerHandshakeError) as caught:
            await client.ws_connect("/")
        assert caught.value.status == 503
