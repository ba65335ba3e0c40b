"""An engine's bytes become an answer, or the answer is broken; there is nothing in between."""

import asyncio
import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from infra.local.answers import Answer, BrokenAnswer, read_answer


async def receive(pieces: list[bytes], method: str = "GET") -> tuple[Answer, bytes]:
    """What becomes of bytes that arrive in these pieces, and then the connection's end."""
    reader = asyncio.StreamReader(limit=65536)

    async def arrive() -> None:
        for piece in pieces:
            reader.feed_data(piece)
            await asyncio.sleep(0)
        reader.feed_eof()

    arriving = asyncio.create_task(arrive())
    try:
        answer = await read_answer(reader, method)
        body = b""
        while data := await answer.read():
            body += data
        assert answer.is_over
        assert await answer.read() == b""
        return answer, body
    finally:
        await arriving


def cut(data: bytes, places: list[int]) -> list[bytes]:
    edges = [0, *sorted(place % (len(data) + 1) for place in places), len(data)]
    return [data[a:b] for a, b in itertools.pairwise(edges) if a < b]


places = st.lists(st.integers(0, 10_000), max_size=12)


@given(st.lists(st.binary(min_size=1, max_size=40), max_size=6), places, st.booleans())
def test_chunks_arrive_whole_however_they_are_cut(
    chunks: list[bytes], places: list[int], has_extras: bool
) -> None:
    """The body is the chunks' contents, without their lengths, extensions and trailers."""
    extension, trailer = (b"; a=b", b"X-Sum: 1\r\n") if has_extras else (b"", b"")
    wire = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
    for chunk in chunks:
        wire += b"%X%b\r\n%b\r\n" % (len(chunk), extension, chunk)
    wire += b"0%b\r\n%b\r\n" % (extension, trailer)
    answer, body = asyncio.run(receive(cut(wire, places)))
    assert body == b"".join(chunks)
    assert answer.keeps_alive
    assert "Transfer-Encoding" not in answer.headers


@given(st.binary(max_size=200), places)
def test_a_known_length_ends_the_body(content: bytes, places: list[int]) -> None:
    """What comes after it belongs to nobody."""
    wire = b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%b" % (len(content), content)
    answer, body = asyncio.run(receive(cut(wire + b"more", places)))
    assert (body, answer.length, answer.keeps_alive) == (content, len(content), True)


@given(st.binary(max_size=200), places)
def test_without_a_length_the_connection_ends_the_body(content: bytes, places: list[int]) -> None:
    """Such a connection serves no other request."""
    wire = b"HTTP/1.1 200 OK\r\n\r\n" + content
    answer, body = asyncio.run(receive(cut(wire, places)))
    assert (body, answer.length, answer.keeps_alive) == (content, None, False)


@given(st.data())
def test_an_answer_that_is_cut_off_is_broken(data: st.DataObject) -> None:
    """Wherever it ends before its end."""
    head = b"HTTP/1.1 200 OK\r\n"
    wire = data.draw(
        st.sampled_from(
            [
                head + b"Content-Length: 5\r\n\r\nhello",
                head + b"Transfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n",
                head + b"Transfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\nX: 1\r\n\r\n",
            ]
        )
    )
    end = data.draw(st.integers(0, len(wire) - 1))
    with pytest.raises(BrokenAnswer):
        asyncio.run(receive([wire[:end]]))


@pytest.mark.parametrize(
    "wire",
    [
        b"",
        b"hello\r\n\r\n",
        b"HTTP/2 200 OK\r\n\r\n",
        b"HTTP/1.1 200OK\r\n\r\n",
        b"HTTP/1.1 99 Low\r\n\r\n",
        b"HTTP/1.1 200 OK\nX: y\n\n",
        b"HTTP/1.1 101 Switching\r\nUpgrade: x\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nno colon\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nspace : x\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nA: b\r\n folded\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nA: b\0c\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nA: b\nC: d\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: 1_0\r\n\r\n0123456789",
        b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nxx",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n-1\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nxx0\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nA: " + 70_000 * b"b" + b"\r\n\r\n",
    ],
)
def test_what_is_not_http_is_broken(wire: bytes) -> None:
    """No guess is made about what was meant."""
    with pytest.raises(BrokenAnswer):
        asyncio.run(receive([wire]))


@pytest.mark.parametrize(("method", "status"), [("HEAD", 200), ("GET", 204), ("GET", 304)])
def test_some_answers_have_no_body(method: str, status: int) -> None:
    """Whatever length they announce."""
    wire = b"HTTP/1.1 %d X\r\nContent-Length: 7\r\n\r\n" % status
    answer, body = asyncio.run(receive([wire], method))
    assert (body, answer.headers["Content-Length"], answer.keeps_alive) == (b"", "7", True)


def test_interim_answers_are_passed_over() -> None:
    """Only the final one counts."""
    wire = (
        b"HTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\nHTTP/1.1 404 No\r\nContent-Length: 0\r\n\r\n"
    )
    answer, _ = asyncio.run(receive([wire]))
    assert (answer.status, answer.reason) == (404, "No")


def test_headers_between_neighbours_go_no_further() -> None:
    """Those that HTTP names so and those that Connection names; others stay, doubles too."""
    wire = (
        b"HTTP/1.1 200 \r\nConnection: close, X-Mine\r\nX-Mine: 1\r\nKeep-Alive: timeout=5\r\n"
        b"Set-Cookie: a\r\nset-cookie: b\r\nContent-Length: 0\r\n\r\n"
    )
    answer, _ = asyncio.run(receive([wire]))
    expected = [("Set-Cookie", "a"), ("set-cookie", "b"), ("Content-Length", "0")]
    assert list(answer.headers.items()) == expected
    assert not answer.keeps_alive
