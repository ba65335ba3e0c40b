"""An engine's answer, read strictly from HTTP/1.1 as its bytes arrive."""

import asyncio
import contextlib
import re
from collections.abc import Iterator

import attrs
from multidict import CIMultiDict

# A head or a chunk's line longer than this is not HTTP any more; StreamReader holds it to that.
LONGEST_HEAD = 65536
_PIECE = 65536
_STATUS = re.compile(rb"HTTP/1\.([01]) ([1-5]\d\d)(?: ([^\r\n\0]*))?", re.ASCII)
_FIELD = re.compile(rb"([!#$%&'*+.^_`|~0-9A-Za-z-]+):[ \t]*([^\r\n\0]*?)[ \t]*")
_CHUNK = re.compile(rb"([0-9a-fA-F]{1,15})[ \t]*(?:;[^\r\n]*)?\r\n")
_SWITCHING = 101
_FIRST_FINAL = 200
_WITHOUT_BODY = (204, 304)
# Between two neighbours only, never from one end to the other.
HOP_BY_HOP = frozenset(
    {
        "connection",
        "keep-alive",
        "proxy-authenticate",
        "proxy-authorization",
        "proxy-connection",
        "te",
        "trailer",
        "transfer-encoding",
        "upgrade",
    }
)


class BrokenAnswer(Exception):
    """The answer ended too early, or it is not HTTP."""


@attrs.define(kw_only=True, eq=False)
class Answer:
    """
    A status, its headers, and a body that is still coming.

    Attributes:
        headers: Those that are meant for the caller.
        length: Bytes of the body as announced; None: it shows when it ends.
        is_over: Whether all of the body has been read.
        keeps_alive: Whether the engine takes another request on the connection afterwards.
    """

    status: int
    reason: str
    headers: "CIMultiDict[str]"
    length: int | None
    is_over: bool
    keeps_alive: bool
    _reader: asyncio.StreamReader
    _is_chunked: bool
    _left: int | None
    _owes_line_end: bool = False

    async def read(self) -> bytes:
        """The next bytes of the body, as soon as there are any; none at its end."""
        with _breaks():
            if self._is_chunked and not self._left and not self.is_over:
                await self._next_chunk()
            if self.is_over:
                return b""
            data = await self._reader.read(
                _PIECE if self._left is None else min(_PIECE, self._left)
            )
            if not data and self._left is not None:
                raise BrokenAnswer("the body was cut off")
            if self._left is None:
                self.is_over = not data
            else:
                self._left -= len(data)
                self.is_over = not self._left and not self._is_chunked
            return data

    async def _next_chunk(self) -> None:
        if self._owes_line_end and await self._reader.readexactly(2) != b"\r\n":
            raise BrokenAnswer("a chunk is longer than it says")
        match = _CHUNK.fullmatch(await self._reader.readuntil(b"\n"))
        if not match:
            raise BrokenAnswer("a chunk has no length")
        self._left = int(match[1], 16)
        self._owes_line_end = True
        if not self._left:
            # Trailers may follow; they are for nobody.
            while await self._reader.readuntil(b"\r\n") != b"\r\n":
                pass
            self.is_over = True


async def read_answer(reader: asyncio.StreamReader, method: str) -> Answer:
    """Read up to the end of the headers of the final answer to a request with this method."""
    while True:
        with _breaks():
            lines = (await reader.readuntil(b"\r\n\r\n"))[:-4].split(b"\r\n")
        status = _STATUS.fullmatch(lines[0])
        if not status:
            raise BrokenAnswer("the status line is not HTTP/1.1's")
        code = int(status[2])
        if code == _SWITCHING:
            raise BrokenAnswer("it switches protocols without having been asked to")
        if code >= _FIRST_FINAL:
            return _answer(reader, method, status, lines[1:])


def _answer(
    reader: asyncio.StreamReader, method: str, status: re.Match[bytes], lines: list[bytes]
) -> Answer:
    headers: CIMultiDict[str] = CIMultiDict()
    for line in lines:
        field = _FIELD.fullmatch(line)
        if not field:
            raise BrokenAnswer("a header is malformed")
        headers.add(field[1].decode("ascii"), field[2].decode(errors="replace"))
    connection = _words(headers, "Connection")
    codings = _words(headers, "Transfer-Encoding")
    if codings not in ([], ["chunked"]):
        raise BrokenAnswer(f"its transfer coding is {codings!r}; only 'chunked' is known")
    lengths = set(headers.getall("Content-Length", ()))
    if len(lengths) > 1 or any(not re.fullmatch(r"[0-9]{1,18}", each) for each in lengths):
        raise BrokenAnswer("its length is not one number")
    code = int(status[2])
    is_empty = method == "HEAD" or code in _WITHOUT_BODY
    is_chunked = bool(codings) and not is_empty
    length = int(lengths.pop()) if lengths and not codings else None
    for name in {*HOP_BY_HOP, *connection, *(("content-length",) if codings else ())}:
        headers.popall(name, None)
    has_end = is_empty or is_chunked or length is not None
    return Answer(
        status=code,
        reason=(status[3] or b"").decode(errors="replace"),
        headers=headers,
        length=length,
        is_over=is_empty or length == 0,
        keeps_alive=status[1] == b"1" and has_end and "close" not in connection,
        reader=reader,
        is_chunked=is_chunked,
        left=0 if is_chunked else length,
    )


def _words(headers: "CIMultiDict[str]", name: str) -> list[str]:
    joined = ",".join(headers.getall(name, ()))
    return [word.strip().lower() for word in joined.split(",") if word.strip()]


@contextlib.contextmanager
def _breaks() -> Iterator[None]:
    """The engine's side has failed, whatever the socket calls it."""
    try:
        yield
    except (OSError, EOFError, asyncio.LimitOverrunError) as error:
        raise BrokenAnswer(str(error) or type(error).__name__) from error
