"""Why a request came to nothing: a word to count it by, and a line for whoever reads it."""

import errno
import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from http import HTTPStatus

import aiohttp

from infra.text import harmless

_SHOWN = 200  # characters of what a server says; it may be a page of HTML
_LOG = "read its log with `infra local logs` or `modal app logs`"
_TOKEN = (
    "a caller with a proxy token is allowed; set MODAL_PROXY_TOKEN_ID and "
    "MODAL_PROXY_TOKEN_SECRET to one of the workspace"
)
_BY_STATUS: dict[int, str] = {
    HTTPStatus.NOT_FOUND: (
        "the address of an OpenAI API is allowed; see `infra status` for what is deployed"
    ),
    HTTPStatus.TOO_MANY_REQUESTS: (
        "fewer requests at once are allowed; ask for fewer, or give it more containers"
    ),
    HTTPStatus.SERVICE_UNAVAILABLE: f"a service that is up is allowed; wait, or {_LOG}",
}
# What a replica that is just starting or ending causes.
_PASSING = {
    HTTPStatus.TOO_MANY_REQUESTS,
    HTTPStatus.BAD_GATEWAY,
    HTTPStatus.SERVICE_UNAVAILABLE,
    HTTPStatus.GATEWAY_TIMEOUT,
}


class Failed(Exception):
    """
    A request without a whole answer.

    Attributes:
        kind: One of few words, to count it by.
        so: What is so.
        advice: ``what is allowed; what to do``.
        passes: Whether it may pass if one waits.
    """

    def __init__(self, kind: str, so: str, advice: str, *, passes: bool = False) -> None:
        super().__init__(so)
        self.kind = kind
        self.so = so
        self.advice = advice
        self.passes = passes


def refused(status: int, text: str) -> Failed:
    """An answer with another status than 200."""
    said = _message(text)
    try:
        kind = f"{status} {HTTPStatus(status).phrase}"
    except ValueError:
        kind = str(status)
    advice = _BY_STATUS.get(status, f"an answer with status 200 is allowed; {_LOG}")
    if status == HTTPStatus.UNAUTHORIZED:
        # The engine may want a key of its own; the proxy in front of it says who it is.
        door = said.startswith("modal-http")
        advice = _TOKEN if door else "an engine without a key of its own is allowed; take it out"
    return Failed(
        kind,
        f"it answers {status}: {said}" if said else f"it answers {kind}",
        advice,
        passes=status in _PASSING,
    )


def engine_failed(said: str) -> Failed:
    """An error in the midst of an answer."""
    return Failed(
        "engine error",
        f"the engine failed within its answer: {_shown(said)}",
        f"a whole answer is allowed; {_LOG}",
    )


def cut_off(why: str) -> Failed:
    """An answer that began, and has no end."""
    return Failed(
        "cut off",
        f"the answer was cut off: {why}",
        f"an answer with finish_reason or [DONE] is allowed; {_LOG}",
    )


def not_openai(what: str) -> Failed:
    """An answer that is none of OpenAI's API."""
    return Failed(
        "another API",
        f"its answer is not of OpenAI's API: {what}",
        "an engine such as SGLang is allowed; see `infra status` for what is deployed",
    )


@contextmanager
def told(silence: float) -> Iterator[None]:
    """
    Turn what aiohttp raises into `Failed`.

    Nothing is shown of the request: its headers hold the caller's token.

    Args:
        silence: Seconds after which the block gives up, for the text.
    """
    try:
        yield
    except TimeoutError as error:
        raise Failed(
            "silent",
            f"it says nothing for {silence:g} s",
            f"a service that answers is allowed; {_LOG}",
            passes=True,
        ) from error
    except aiohttp.ClientConnectorCertificateError as error:
        raise _tls(error.certificate_error) from error
    except aiohttp.ClientConnectorSSLError as error:
        raise _tls(error.os_error) from error
    except aiohttp.ClientConnectorDNSError as error:
        raise Failed(
            "no such host",
            f"there is no host {error.host}",
            "the address of a deployed service is allowed; see `infra status`",
        ) from error
    except aiohttp.ClientConnectorError as error:
        raise Failed(
            "no connection",
            f"no connection: {os.strerror(error.os_error.errno or errno.EHOSTUNREACH)}",
            "a service can be called while it is up; see `infra status`, or run `infra local up`",
        ) from error
    except aiohttp.ClientPayloadError as error:
        raise cut_off("the connection was closed") from error
    except (aiohttp.ClientConnectionError, OSError) as error:
        raise Failed(
            "connection lost",
            "the connection was closed before an answer",
            f"a service that is up is allowed; {_LOG}",
            passes=True,
        ) from error
    except aiohttp.ClientError as error:
        raise not_openai(type(error).__name__) from error


def _message(text: str) -> str:
    """What the text says, be it one of the forms in which engines spell errors or not."""
    try:
        said = json.loads(text)
    except (ValueError, RecursionError):
        return _shown(text)
    for key in ("error", "message", "detail"):
        if isinstance(said, dict) and said.get(key):
            said = said[key]
    return _shown(said if isinstance(said, str) else text)


def _shown(text: str) -> str:
    """The beginning of what a server says, on one line that does nothing to a terminal."""
    return harmless(" ".join(text.split()))[:_SHOWN]


def _tls(error: Exception) -> Failed:
    why = getattr(error, "verify_message", "") or getattr(error, "reason", "") or str(error)
    return Failed(
        "TLS",
        f"no TLS connection: {why}",
        "https:// with a certificate that this machine trusts is allowed; look at the proxy in "
        "between, at the clock and at SSL_CERT_FILE",
    )
