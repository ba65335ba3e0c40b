"""What a caller sees through the router is what the engine says, as it says it."""

import asyncio
import gzip
import json
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from pathlib import Path
from urllib.parse import urlsplit

import aiohttp
import pytest
from aiohttp import web
from engines import EngineProcess, engine, raw_engine, routed, scenario

from infra.local.door import Door
from infra.local.pool import Backend, Pool
from infra.local.router import Router

TOKEN = ("wk-1", "ws-2")
LISTENS = "0A"  # in the fourth column of /proc/net/tcp


async def describe(request: web.BaseRequest) -> web.Response:
    """Answer with what has arrived."""
    body = await request.read()
    return web.json_response(
        {
            "line": f"{request.method} {request.raw_path}",
            "headers": [[name.decode(), value.decode()] for name, value in request.raw_headers],
            "body": body.hex(),
        }
    )


async def exchange(url: str, data: bytes) -> bytes:
    """What a router sends for these bytes until it hangs up."""
    address = urlsplit(url)
    reader, writer = await asyncio.open_connection(address.hostname, address.port)
    writer.write(data)
    try:
        return await reader.read()
    finally:
        writer.close()
        await writer.wait_closed()


@scenario
async def test_the_first_event_passes_before_the_second_exists(folder: Path) -> None:
    """Events are not held back: the engine says the second only when the first was received."""
    received = asyncio.Event()

    async def stream(request: web.BaseRequest) -> web.StreamResponse:
        response = web.StreamResponse(headers={"Content-Type": "text/event-stream"})
        await response.prepare(request)
        await response.write(b"data: first\n\n")
        await received.wait()
        await response.write(b"data: second\n\n")
        return response

    async with (
        engine(folder, "a", stream) as backend,
        routed(backend) as (client, _),
        client.post("/", json={"stream": True}) as response,
    ):
        assert response.headers["Content-Type"] == "text/event-stream"
        assert await response.content.readany() == b"data: first\n\n"
        received.set()
        assert await response.content.read() == b"data: second\n\n"


@scenario
async def test_the_head_of_a_stream_passes_before_its_first_event(folder: Path) -> None:
    """A caller sees that it was accepted while the engine still thinks."""
    seen = asyncio.Event()

    async def stream(request: web.BaseRequest) -> web.StreamResponse:
        response = web.StreamResponse(status=202)
        await response.prepare(request)
        await seen.wait()
        await response.write(b"event")
        return response

    async with (
        engine(folder, "a", stream) as backend,
        routed(backend) as (client, _),
        client.get("/") as response,
    ):
        assert response.status == 202
        seen.set()
        assert await response.read() == b"event"


@pytest.mark.parametrize("length", [None, 10])
@scenario
async def test_an_upload_passes_piece_by_piece(folder: Path, length: int | None) -> None:
    """The caller sends the second piece only when the engine has the first."""
    arrived = asyncio.Event()

    async def collect(request: web.BaseRequest) -> web.StreamResponse:
        first = await request.content.readany()
        arrived.set()
        rest = await request.content.read()
        return web.Response(text=f"{first.decode()}|{rest.decode()}|{request.content_length}")

    async def pieces() -> AsyncIterator[bytes]:
        yield b"first"
        await arrived.wait()
        yield b"other"

    headers = {} if length is None else {"Content-Length": str(length)}
    async with (
        engine(folder, "a", collect) as backend,
        routed(backend) as (client, _),
        client.post("/", data=pieces(), headers=headers) as response,
    ):
        assert await response.text() == f"first|other|{length}"


@scenario
async def test_the_engine_may_answer_before_it_has_all(folder: Path) -> None:
    """A refusal of a large upload reaches the caller, who is still sending."""
    answered = asyncio.Event()

    async def refuse(request: web.BaseRequest) -> web.StreamResponse:
        await request.content.readany()
        return web.Response(status=413, text="too large")

    async def pieces() -> AsyncIterator[bytes]:
        yield b"first"
        await answered.wait()

    async with (
        engine(folder, "a", refuse) as backend,
        routed(backend) as (client, _),
        client.post("/", data=pieces()) as response,
    ):
        assert (response.status, await response.text()) == (413, "too large")
        answered.set()


@pytest.mark.parametrize("size", [0, 1, 100_000, 1_000_000])
@scenario
async def test_bodies_arrive_as_they_were(folder: Path, size: int) -> None:
    """Of any size, both ways."""

    async def mirror(request: web.BaseRequest) -> web.StreamResponse:
        body = b""
        async for chunk in request.content.iter_any():
            body += chunk
        return web.Response(body=body)

    content = bytes(range(256)) * (size // 256) + bytes(size % 256)
    async with (
        engine(folder, "a", mirror) as backend,
        routed(backend) as (client, _),
        client.put("/", data=content) as response,
    ):
        assert await response.read() == content
        assert response.content_length == size


@scenario
async def test_compressed_bodies_stay_compressed(folder: Path) -> None:
    """The router neither unpacks nor packs."""
    packed = gzip.compress(b"content")

    async def mirror(request: web.BaseRequest) -> web.StreamResponse:
        assert await request.read() == packed
        return web.Response(body=packed, headers={"Content-Encoding": "gzip"})

    async with (
        engine(folder, "a", mirror) as backend,
        routed(backend) as (client, _),
        client.post("/", data=packed, headers={"Content-Encoding": "gzip"}) as response,
    ):
        assert await response.read() == packed


@scenario
async def test_the_request_arrives_as_it_was_spelled(folder: Path) -> None:
    """Path and headers byte for byte, but for the headers between caller and router."""
    request = (
        b"POST /a%2Fb//c/../d?q=%C3%A9&q HTTP/1.1\r\nHost: service.example\r\n"
        b"X-MiXed: 1\r\nx-mixed: 2\r\nConnection: close, X-Mine\r\nX-Mine: 3\r\n"
        b"TE: trailers\r\nModal-Session-ID: s\r\nContent-Length: 2\r\n\r\nhi"
    )
    async with engine(folder, "a", describe) as backend, routed(backend) as (client, _):
        answer = await exchange(str(client._base_url), request)
    seen = json.loads(answer.partition(b"\r\n\r\n")[2])
    assert seen == {
        "line": "POST /a%2Fb//c/../d?q=%C3%A9&q",
        "headers": [
            ["Host", "service.example"],
            ["X-MiXed", "1"],
            ["x-mixed", "2"],
            ["Modal-Session-ID", "s"],
            ["Content-Length", "2"],
        ],
        "body": b"hi".hex(),
    }


@pytest.mark.parametrize(
    ("line", "arrives"),
    [
        ("GET http://service.example/a?b HTTP/1.1", "GET /a?b"),
        ("OPTIONS * HTTP/1.1", "OPTIONS *"),
        ("GET /a HTTP/1.0", "GET /a"),
    ],
)
@scenario
async def test_unusual_request_lines(folder: Path, line: str, arrives: str) -> None:
    """A full address loses its host; old clients are served, too."""
    request = f"{line}\r\nConnection: close\r\n".encode()
    request += b"\r\n" if "1.0" in line else b"Host: x\r\n\r\n"
    async with engine(folder, "a", describe) as backend, routed(backend) as (client, _):
        answer = await exchange(str(client._base_url), request)
    assert json.loads(answer.partition(b"\r\n\r\n")[2])["line"] == arrives


@scenario
async def test_a_caller_that_asks_before_it_sends(folder: Path) -> None:
    """`Expect: 100-continue` is answered by the router, once a backend has the request."""
    async with engine(folder, "a", describe) as backend, routed(backend) as (client, pool):
        async with client.post("/", data=b"body", expect100=True) as response:
            assert (await response.json())["body"] == b"body".hex()
        pool.remove("a")
        async with client.post("/", data=b"body", expect100=True) as response:
            assert response.status == 503


@scenario
async def test_answers_keep_their_status_and_headers(folder: Path) -> None:
    """Doubles stay doubles, and the words of the status are the engine's."""

    async def answer(request: web.BaseRequest) -> web.StreamResponse:
        response = web.Response(status=418, reason="Teapot", text="short")
        response.headers.extend([("Set-Cookie", "a=1"), ("Set-Cookie", "b=2"), ("Server", "me")])
        return response

    async with engine(folder, "a", answer) as backend, routed(backend) as (client, _):
        async with client.get("/") as response:
            assert (response.status, response.reason) == (418, "Teapot")
            assert response.headers.getall("Set-Cookie") == ["a=1", "b=2"]
            assert response.headers["Server"] == "me"
        async with client.head("/") as response:
            assert (response.content_length, await response.read()) == (5, b"")


@scenario
async def test_connections_are_kept_on_both_sides(folder: Path) -> None:
    """Requests one after the other use one connection of the caller's and one to the engine."""
    engines = set()

    async def note(request: web.BaseRequest) -> web.StreamResponse:
        engines.add(request.transport)
        return web.Response(text=await request.text())

    async with engine(folder, "a", note) as backend, routed(backend) as (client, _):
        request = b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\n%b\r\n"
        more = [request % b"" + b"%d" % number for number in range(9)]
        answers = await exchange(
            str(client._base_url), b"".join(more) + request % b"Connection: close\r\n" + b"9"
        )
    bodies = [answer[-1:] for answer in answers.split(b"HTTP/1.1 200 OK")[1:]]
    assert b"".join(bodies) == b"0123456789"
    assert len(engines) == 1


@scenario
async def test_an_engine_that_hung_up_while_idle_costs_nothing(folder: Path) -> None:
    """The next request uses another connection instead of failing on the dead one."""

    async def once(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")

    async with raw_engine(folder, "a", once) as backend, routed(backend) as (client, _):
        for _ in range(10):
            async with client.post("/") as response:
                assert await response.text() == "ok"


@scenario
async def test_a_caller_that_leaves_is_not_worked_for(folder: Path) -> None:
    """The engine's handler is cancelled, whether it has begun to answer or not."""
    begun, cancelled = asyncio.Queue[str](), asyncio.Queue[str]()

    async def endless(request: web.BaseRequest) -> web.StreamResponse:
        try:
            if request.path == "/stream":
                await web.StreamResponse().prepare(request)
            begun.put_nowait(request.path)
            await asyncio.Event().wait()
        finally:
            cancelled.put_nowait(request.path)
        raise AssertionError

    async with engine(folder, "a", endless) as backend, routed(backend) as (client, pool):
        for path in ("/silent", "/stream"):
            call = asyncio.create_task(client.get(path))
            assert await begun.get() == path
            if path == "/stream":
                (await call).close()
            else:
                call.cancel()
            assert await cancelled.get() == path
            await pool.emptied("a")


@scenario
async def test_a_caller_that_does_not_read_stops_the_engine(folder: Path) -> None:
    """What lies between them is bounded: the engine stands still long before its end."""
    size, total = 65_536, 1_000
    stalled, written = asyncio.Event(), 0

    async def flood(request: web.BaseRequest) -> web.StreamResponse:
        nonlocal written
        response = web.StreamResponse()
        await response.prepare(request)
        for _ in range(total):
            writing = asyncio.create_task(response.write(bytes(size)))
            if not (await asyncio.wait((writing,), timeout=0.5))[0]:
                stalled.set()
            await writing
            written += 1
        stalled.set()
        return response

    async with (
        engine(folder, "a", flood) as backend,
        routed(backend) as (client, _),
        client.get("/") as response,
    ):
        await stalled.wait()
        assert written < total / 2
        received = 0
        async for chunk in response.content.iter_any():
            received += len(chunk)
        assert received == size * total


@scenario
async def test_an_engine_that_does_not_read_stops_the_caller(folder: Path) -> None:
    """An upload waits at the caller's until the engine takes it."""
    size, total = 65_536, 1_000
    reading, sent = asyncio.Event(), 0

    async def late(request: web.BaseRequest) -> web.StreamResponse:
        await reading.wait()
        received = 0
        async for chunk in request.content.iter_any():
            received += len(chunk)
        return web.Response(text=str(received))

    async def pieces() -> AsyncIterator[bytes]:
        nonlocal sent
        while sent < total:
            sent += 1
            yield bytes(size)

    async def stand_still() -> int:
        before = -1
        while sent != before:
            before = sent
            await asyncio.sleep(0.5)
        reading.set()
        return before

    async with engine(folder, "a", late) as backend, routed(backend) as (client, _):
        standing_still = asyncio.create_task(stand_still())
        async with client.post("/", data=pieces()) as response:
            assert await response.text() == str(size * total)
        assert await standing_still < total / 2


@pytest.mark.parametrize(
    ("path", "outcome"), [("/die", 502), ("/half", "cut"), ("/half-known", "cut")]
)
@scenario
async def test_an_engine_that_dies_is_an_error(folder: Path, path: str, outcome: int | str) -> None:
    """502 if it had said nothing yet; else the answer breaks off and does not look complete."""
    mortal = EngineProcess(folder, "mortal")
    await mortal.start()
    try:
        async with routed(mortal.backend) as (client, _):
            async with client.post(path) as response:
                if outcome == 502:
                    assert response.status == 502
                    assert (await response.text()).startswith("modal-http: the container failed")
                else:
                    assert response.status == 200
                    with pytest.raises(aiohttp.ClientPayloadError):
                        await response.read()
            mortal.end()
            async with client.post(path) as response:
                assert response.status == 503
    finally:
        mortal.end()


@scenario
async def test_an_old_client_sees_the_cut_as_well(folder: Path) -> None:
    """In HTTP/1.0 the connection's end is the answer's, so a cut must be a reset."""

    async def half(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nhalf\r\n")

    async with raw_engine(folder, "a", half) as backend, routed(backend) as (client, _):
        with pytest.raises(ConnectionResetError):
            await exchange(str(client._base_url), b"GET / HTTP/1.0\r\n\r\n")


@pytest.mark.parametrize("method", ["GET", "POST"])
@scenario
async def test_no_request_is_sent_twice(folder: Path, method: str) -> None:
    """An engine that took it and hung up may have done it, so nobody else gets it."""
    taken = []

    async def take(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        taken.append(await reader.readuntil(b"\r\n\r\n"))

    async with (
        raw_engine(folder, "a", take) as one,
        raw_engine(folder, "b", take) as other,
        routed(one, other) as (client, _),
        client.request(method, "/") as response,
    ):
        assert response.status == 502
    assert len(taken) == 1


@scenario
async def test_a_backend_that_takes_no_connection_is_passed_over(folder: Path) -> None:
    """Nothing was sent to it, so the next one may have the request, body and all."""
    gone = Backend(id="gone", socket=folder / "gone.sock")
    async with engine(folder, "a", describe) as backend, routed(gone, backend) as (client, _):
        for _ in range(4):
            async with client.post("/", data=b"body") as response:
                assert (await response.json())["body"] == b"body".hex()


@scenario
async def test_what_an_engine_may_not_say_is_a_bad_gateway(folder: Path) -> None:
    """Bytes that are not HTTP do not reach the caller."""

    async def babble(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"220 smtp.example ready\r\n\r\n")

    async with (
        raw_engine(folder, "a", babble) as backend,
        routed(backend) as (client, _),
        client.get("/") as response,
    ):
        assert response.status == 502
        assert "smtp" not in await response.text()


@scenario
async def test_nobody_is_ready(folder: Path) -> None:
    """503, and one request of demand, so that the first replica starts."""
    async with routed() as (client, pool):
        async with client.get("/") as response:
            assert (response.status, await response.text()) == (
                503,
                "modal-http: no container is ready",
            )
        assert pool.demand() == 1


@scenario
async def test_the_door_asks_for_the_token(folder: Path) -> None:
    """Without it 401, which is no demand; with it the engine answers and does not see it."""
    headers = {"Modal-Key": TOKEN[0], "Modal-Secret": TOKEN[1], "X-Mine": "1"}
    async with (
        engine(folder, "a", describe) as backend,
        routed(backend, door=Door(token=TOKEN)) as (client, pool),
    ):
        async with client.post("/", data=b"body") as response:
            assert response.status == 401
            assert "missing credentials" in await response.text()
        assert pool.demand() == 0
        async with client.get("/", headers=headers) as response:
            names = {name.lower() for name, _ in (await response.json())["headers"]}
    assert "x-mine" in names
    assert not {"modal-key", "modal-secret"} & names


@scenario
async def test_more_than_all_may_have_is_too_many(folder: Path) -> None:
    """With two backends of one request each, the third gets 429, and again 200 when one is done."""
    begun, done = asyncio.Semaphore(0), asyncio.Event()

    async def wait(request: web.BaseRequest) -> web.StreamResponse:
        begun.release()
        await done.wait()
        return web.Response()

    async with AsyncExitStack() as stack:
        backends = [await stack.enter_async_context(engine(folder, x, wait)) for x in "ab"]
        client, _ = await stack.enter_async_context(routed(*backends, max_concurrency=1))
        calls = [asyncio.create_task(client.get("/")) for _ in backends]
        for _ in backends:
            await begun.acquire()
        async with client.get("/") as response:
            assert (response.status, await response.text()) == (
                429,
                "modal-http: all containers are busy",
            )
        done.set()
        for call in calls:
            async with await call as response:
                assert response.status == 200
        async with client.get("/") as response:
            assert response.status == 200


@scenario
async def test_sessions_keep_their_backend(folder: Path) -> None:
    """While the set is fixed, always; one more takes some over and disturbs no other."""
    sessions = [f"session-{number}" for number in range(60)]

    async def homes(client: aiohttp.ClientSession) -> dict[str, str]:
        found = {}
        for session in sessions:
            async with client.get("/", headers={"Modal-Session-ID": session}) as response:
                found[session] = await response.text()
        return found

    def named(name: str):  # type: ignore[no-untyped-def]
        async def answer(request: web.BaseRequest) -> web.StreamResponse:
            return web.Response(text=name)

        return answer

    async with AsyncExitStack() as stack:
        backends = [
            await stack.enter_async_context(engine(folder, name, named(name))) for name in "abcde"
        ]
        client, pool = await stack.enter_async_context(routed(*backends[:4]))
        before = await homes(client)
        assert set(before.values()) == set("abcd")
        assert await homes(client) == before
        pool.add(backends[4])
        after = await homes(client)
        moved = {session for session in sessions if after[session] != before[session]}
        assert moved
        assert {after[session] for session in moved} == {"e"}
        pool.close("e")
        assert await homes(client) == before


@scenario
async def test_the_router_listens_on_loopback_only() -> None:
    """Nobody else on the network reaches it."""
    async with routed() as (client, _):
        assert client._base_url
        port = f"{client._base_url.port:04X}"
        tables = Path("/proc/net/tcp").read_text() + Path("/proc/net/tcp6").read_text()
    rows = [line.split() for line in tables.splitlines()]
    listening = [local.split(":") for _, local, _, state, *_ in rows if state == LISTENS]
    assert [address for address, its in listening if its == port] == ["0100007F"]


@scenario
async def test_a_router_that_stops_cuts_what_is_left(folder: Path) -> None:
    """The caller sees an error, and no request is left."""

    async def endless(request: web.BaseRequest) -> web.StreamResponse:
        response = web.StreamResponse()
        await response.prepare(request)
        await response.write(b"begun")
        await asyncio.Event().wait()
        return response

    async with engine(folder, "a", endless) as backend:
        pool = Pool()
        pool.add(backend)
        router = Router(pool=pool, door=Door())
        await router.start()
        async with aiohttp.ClientSession() as client, client.get(router.url) as response:
            assert await response.content.readany() == b"begun"
            await router.stop()
            with pytest.raises(aiohttp.ClientError):
                await response.read()
        await pool.emptied("a")
