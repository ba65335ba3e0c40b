"""Who may come in: the proxy token that Modal asks for in front of a server."""

import hmac
from collections.abc import Mapping

import attrs


@attrs.frozen(kw_only=True)
class Door:
    """
    What a caller must show.

    Attributes:
        token: (id, secret); None: anybody may come in.
    """

    token: tuple[str, str] | None = attrs.field(default=None, repr=False)

    def refusal(self, headers: Mapping[str, str]) -> str | None:
        """Why the caller must stay out; None: come in."""
        if self.token is None or self._is_bearer(headers):
            return None
        given = headers.get("Modal-Key"), headers.get("Modal-Secret")
        if None in given:
            return "modal-http: missing credentials for proxy authorization"
        if not _equal(".".join(map(str, given)), ".".join(self.token)):
            return "modal-http: invalid credentials for proxy authorization"
        return None

    def credentials(self, headers: Mapping[str, str]) -> set[bytes]:
        """The names of the headers that were meant for the door, not for the engine."""
        if self.token is None:
            return set()
        bearer = {b"authorization"} if self._is_bearer(headers) else set()
        return {b"modal-key", b"modal-secret"} | bearer

    def _is_bearer(self, headers: Mapping[str, str]) -> bool:
        scheme, _, given = headers.get("Authorization", "").partition(" ")
        assert self.token is not None
        return scheme.lower() == "bearer" and _equal(given.strip(), ".".join(self.token))


def _equal(given: str, expected: str) -> bool:
    return hmac.compare_digest(given.encode(errors="surrogateescape"), expected.encode())
