"""The Hugging Face Hub, asked for the two small files that a model's figures are in."""

from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager
from typing import Any
from urllib.parse import quote, urlsplit

import attrs
import requests

from infra.errors import InfraError
from infra.model_files import INDEX, LARGEST, parse, total_size

ENDPOINT = "https://huggingface.co"
LOOPBACK = ("127.0.0.1", "::1", "localhost")
PATIENCE = 30  # seconds until an answer begins, and between its parts
COMMIT, SIZE = "X-Repo-Commit", "X-Linked-Size"  # headers of the Hub's answers
# Weights in one file have no index; the Hub is asked for its size.
SINGLE = ("model.safetensors", "pytorch_model.bin")


@attrs.frozen(kw_only=True)
class Found:
    """
    What the Hub has of a model.

    Attributes:
        commit: The revision's commit.
        config: Its ``config.json``.
        weight_bytes: Bytes of its weights; None: the Hub does not say it.
    """

    commit: str
    config: Mapping[str, Any]
    weight_bytes: int | None


def fetch(name: str, revision: str, environ: Mapping[str, str]) -> Found:
    """
    Ask the Hub for a model.

    Args:
        name: Its repository.
        revision: A commit, branch or tag.
        environ: The environment: HF_ENDPOINT, and HF_TOKEN, which is shown nowhere.

    Raises:
        InfraError: There is no network, no such model, or a token is needed.
    """
    with _hub(environ) as hub:
        config, commit = hub.read(name, revision, "config.json")
        if config is None:
            raise InfraError(
                f"{name}: the Hub has no config.json of it at {revision}; a repository of a model "
                "with its commit, branch or tag is allowed; look at its page"
            )
        index, _ = hub.read(name, commit, INDEX)
        if index is not None:
            size = total_size(index)
        else:
            sizes = (hub.size(name, commit, file) for file in SINGLE)
            size = next((found for found in sizes if found), None)
    return Found(commit=commit, config=config, weight_bytes=size)


@attrs.frozen
class _Token(requests.auth.AuthBase):
    """The token, if there is one; with it, requests does not look for a password in .netrc."""

    token: str

    def __call__(self, request: requests.PreparedRequest) -> requests.PreparedRequest:
        if self.token:
            request.headers["Authorization"] = f"Bearer {self.token}"
        return request


@attrs.frozen
class _Hub:
    endpoint: str
    session: requests.Session

    def read(self, name: str, revision: str, file: str) -> tuple[dict[str, Any] | None, str]:
        """A JSON file of a repository, or None, with the revision's commit."""
        with self._answer("GET", name, revision, file) as answer:
            if answer.status_code == requests.codes.not_found:
                return None, revision
            text = b""
            for part in answer.iter_content(2**16):
                text += part
                if len(text) > LARGEST:
                    raise _refused(name, f"{file} has more than {LARGEST} bytes")
            try:
                return parse(text), _header(answer, COMMIT) or revision
            except ValueError as error:
                raise _refused(name, f"{file} can't be read ({error})") from error

    def size(self, name: str, revision: str, file: str) -> int | None:
        """Bytes of a file of a repository; None: it is not there."""
        with self._answer("HEAD", name, revision, file) as answer:
            # where the Hub sends for it, the Hub itself says the size
            found = answer.headers.get(SIZE) or answer.headers.get("Content-Length", "")
            is_there = SIZE in answer.headers or answer.status_code == requests.codes.ok
            return int(found) if is_there and found.isdecimal() else None

    @contextmanager
    def _answer(
        self, method: str, name: str, revision: str, file: str
    ) -> Iterator[requests.Response]:
        url = f"{self.endpoint}/{quote(name)}/resolve/{quote(revision, safe='')}/{file}"
        try:
            follow = method == "GET"
            answer = self.session.request(
                method, url, stream=True, timeout=PATIENCE, allow_redirects=follow
            )
            with closing(answer):
                if answer.status_code in (401, 403):
                    raise InfraError(
                        f"{name}: the Hub wants a token for it (HTTP {answer.status_code}), or "
                        "there is no such model; the environment variable HF_TOKEN is allowed; "
                        "set it to a token of somebody who may read the model"
                    )
                if answer.status_code != requests.codes.not_found and not answer.ok:
                    raise _refused(name, f"HTTP {answer.status_code} for {file}")
                yield answer
        except requests.RequestException as error:  # its text may have the proxy's password
            raise InfraError(
                f"{self.endpoint}: can't be reached ({type(error).__name__}); a network is needed; "
                "run this where there is one, and commit the file that it writes"
            ) from None


@contextmanager
def _hub(environ: Mapping[str, str]) -> Iterator[_Hub]:
    endpoint = (environ.get("HF_ENDPOINT") or ENDPOINT).rstrip("/")
    if not _is_safe(endpoint):
        raise InfraError(
            "HF_ENDPOINT: is no https address of a host; https, or http on this machine, both "
            f"without a name and password, is allowed; unset it to use {ENDPOINT}"
        )
    token = environ.get("HF_TOKEN", "").strip()
    if not (token.isascii() and token.isprintable()):
        raise InfraError(
            "HF_TOKEN: is no token; letters, digits and signs are allowed; set it anew"
        )
    with requests.Session() as session:
        session.auth = _Token(token)
        yield _Hub(endpoint, session)


def _is_safe(endpoint: str) -> bool:
    """Whether an address is encrypted or this machine's, and may be shown."""
    try:
        parts = urlsplit(endpoint)
    except ValueError:  # such as http://[
        return False
    is_here = parts.scheme == "http" and parts.hostname in LOOPBACK
    is_host = parts.hostname is not None and "@" not in endpoint
    return is_host and (parts.scheme == "https" or is_here)


def _header(answer: requests.Response, name: str) -> str:
    """A header of the Hub's own answer, which may have been a redirection to where the file is."""
    return next(
        (each.headers[name] for each in (*answer.history, answer) if name in each.headers), ""
    )


def _refused(name: str, so: str) -> InfraError:
    return InfraError(
        f"{name}: the Hub's answer is of no use: {so}; a model's config.json is needed; try again, "
        "or write facts=ModelFacts(...) in the stack"
    )
