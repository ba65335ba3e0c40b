"""The words of `infra probe` in, the service to call out."""

import shlex
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from infra.commands.options import last_if_none
from infra.errors import InfraError, UsageError

if TYPE_CHECKING:
    from infra.live import Live
    from infra.probing.services import Service
    from infra.project import Project

Named = tuple["Service", dict[str, str]]  # with the headers that its proxy wants to see


def deployed(
    words: tuple[str, ...], target: str | None, environment: str | None, *, quiet: bool
) -> Named:
    """The service that the stack and its deployment name."""
    from infra import local
    from infra.connection import LOCAL_ROOT
    from infra.probing.services import find
    from infra.project import open_project
    from infra.session import session

    stack_word, name = _split(words)
    stack_file, target, environment = last_if_none(stack_word, target, environment)
    project = open_project(stack_file)
    with session(target, environment or project.environment, quiet=quiet) as there:
        live = there.read_project(project)
        if live.target == "local" and local.running(LOCAL_ROOT) is None:
            raise InfraError(
                f"{LOCAL_ROOT}: no rehearsal is running here; one is needed to call a service; "
                "run `infra local up`"
            )
        arguments = _arguments(project, live, target)
        found = find(live, stack=project.stack.name, arguments=arguments, name=name)
        # A running rehearsal puts its own token into the environment for as long as this lasts.
        return found, _token() if found.wants_token else {}


def at(url: str, words: tuple[str, ...], target: str | None, environment: str | None) -> Named:
    """The service at an address, whoever has deployed it."""
    from infra.probing.services import Service

    if words or target or environment:
        raise UsageError(
            "--url: an address says all; it is allowed without a stack, a service, --target and "
            "--env; take these out"
        )
    scheme, host = _checked(url)
    # A secret does not travel in the clear.
    is_private = scheme == "https" or host in ("127.0.0.1", "::1", "localhost")
    return Service(url=url), _token() if is_private else {}


def _arguments(project: "Project", live: "Live", target: str | None) -> str:
    """What names the same stack to other commands, which may have other defaults."""
    given = [str(project.path)]
    if target or live.target == "local":  # an apply takes only Modal by itself
        given += ["--target", live.target]
    if live.environment != (project.environment or ""):
        given += ["--env", live.environment]
    return shlex.join(given)


def _split(words: tuple[str, ...]) -> tuple[Path | None, str | None]:
    """The stack file and the service's name, of which each may be missing."""
    match words:
        case ():
            return None, None
        case (word,):
            return (Path(word), None) if word.endswith(".py") else (None, word)
        case (stack_file, name):
            return Path(stack_file), name
    raise UsageError(
        f"infra probe {' '.join(words)}: there are {len(words)} names; a stack file and one "
        "service are allowed; probe one service after the other"
    )


def _checked(url: str) -> tuple[str, str]:
    """Scheme and host of an address that has nothing else than perhaps a port."""
    try:
        parts = urlsplit(url)
        whole = f"{parts.scheme}://{parts.netloc}"
        # Whatever was left out of these two is something that an address must not have.
        is_whole = url.rstrip("/").lower() == whole.lower() and not set(whole) & set("@ \\")
        host = parts.hostname or ""
        host.encode("idna")
        if is_whole and parts.scheme in ("http", "https") and host and parts.port != 0:
            return parts.scheme, host
    except ValueError:  # brackets without an end, no name of a host, a port above 65535
        pass
    shown = "that" if "@" in url else repr(url)  # before an @ there may be a password
    raise UsageError(
        f"--url: {shown} is no address of a service; http://HOST:PORT and https://HOST are "
        "allowed, without a user, a path or a query; mend it"
    )


def _token() -> dict[str, str]:
    """
    The headers that Modal's proxy asks for; empty: no token is set.

    Raises:
        UsageError: What is set can't be one.
    """
    from infra.runtime.client import proxy_headers

    headers = proxy_headers()
    if not all(each.isascii() and each.isprintable() for each in headers.values()):
        raise UsageError(
            "MODAL_PROXY_TOKEN_ID, MODAL_PROXY_TOKEN_SECRET: they are no token; letters, digits "
            "and signs on one line are allowed; set them anew"
        )
    return headers
