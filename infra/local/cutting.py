"""How a caller is told that its answer is not complete."""

import socket
import struct

from aiohttp import web

# Close by a reset that does not wait for what is still to be sent.
_LINGER = struct.pack("ii", 1, 0)


def cut(request: web.BaseRequest) -> None:
    """
    Reset the caller's connection.

    A plain close would end an answer of unknown length as if it were complete.
    """
    if request.transport is not None:
        connection = request.transport.get_extra_info("socket")
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _LINGER)
        request.transport.abort()
