"""The suite's own promise: a test reaches nothing but this machine."""

import socket

import pytest


@pytest.mark.parametrize("address", [("192.0.2.1", 9), ("example.invalid", 443)])
def test_only_loopback_is_reachable(address: tuple[str, int]) -> None:
    """A connection or a look-up of a name elsewhere is refused before it starts."""
    with pytest.raises(PermissionError, match="only loopback is allowed"):
        socket.create_connection(address)
