"""Listening sockets that only this machine can reach."""

import socket


def listen(port: int) -> socket.socket:
    """A listener on this port of 127.0.0.1; 0 takes a free one."""
    # The protocol is named because asyncio turns Nagle's algorithm off only for sockets that do:
    # with it, each answer takes 40 ms.
    listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind(("127.0.0.1", port))
        listener.listen()
        listener.setblocking(False)
    except OSError:
        listener.close()
        raise
    return listener
