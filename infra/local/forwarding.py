"""What of a caller's request goes on to the engine."""

from collections.abc import Collection

from aiohttp import web

from infra.local.answers import HOP_BY_HOP

_HOP_BY_HOP = frozenset(name.encode() for name in HOP_BY_HOP)
# The router answers the first itself; it states the others anew, for the body as it sends it.
_OURS = frozenset({b"expect", b"content-length"})


def target(request: web.BaseRequest) -> str:
    """The path and the query, byte for byte as the caller spelled them."""
    if request.raw_path.startswith(("/", "*")):
        return request.raw_path
    # A caller that takes us for a forward proxy names us in full.
    return request.rel_url.raw_path_qs


def headers(request: web.BaseRequest, but_not: Collection[bytes]) -> list[tuple[bytes, bytes]]:
    """The headers that are meant for the engine, spelled as the caller did."""
    named = ",".join(request.headers.getall("Connection", ())).lower().encode()
    dropped = {*_HOP_BY_HOP, *(word.strip() for word in named.split(b",")), *but_not}
    return [(name, value) for name, value in request.raw_headers if name.lower() not in dropped]


def head(request: web.BaseRequest, but_not: Collection[bytes], body: bytes | None) -> bytes:
    """
    The head of the request as the engine gets it.

    Args:
        request: Its body may still be on the way.
        but_not: Names of headers that stay here.
        body: All of it; None if there is more to come.
    """
    lines = [f"{request.method} {target(request)} HTTP/1.1".encode(errors="surrogateescape")]
    lines += [b"%b: %b" % pair for pair in headers(request, {*but_not, *_OURS}) if pair[0]]
    if "Host" not in request.headers:
        lines.append(b"Host: localhost")
    lines += _framing(request, body)
    return b"\r\n".join(lines) + b"\r\n\r\n"


def _framing(request: web.BaseRequest, body: bytes | None) -> list[bytes]:
    length = request.content_length
    if body is None and length is None:
        return [b"Transfer-Encoding: chunked"]
    if body:
        length = len(body)
    return [] if length is None else [b"Content-Length: %d" % length]
