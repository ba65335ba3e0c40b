"""Points the modal SDK at Modal or at the local control plane, for the length of one command."""

import os
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import urlsplit

from infra import local
from infra.errors import TargetError, UsageError

LOCAL_ROOT = Path(".infra/local")
LOOPBACK = "127.0.0.1"


class PlaneStopped(TargetError):
    """The local control plane, which a command has talked to, answers no more."""


def stopped() -> PlaneStopped | None:
    """What to say in the place of a call's own error, if that is why it has failed."""
    address = urlsplit(os.environ.get("MODAL_SERVER_URL", ""))
    if address.hostname != LOOPBACK or not address.port:
        return None
    try:
        socket.create_connection((LOOPBACK, address.port), timeout=1).close()
    except OSError:
        return PlaneStopped(
            f"{LOCAL_ROOT}: the local control plane has stopped; one that runs is needed; run "
            "`infra local up -d`"
        )
    return None


def has_credentials() -> bool:
    """Whether the SDK finds a token: in the environment or in the user's Modal profile."""
    from modal.config import config

    return bool(config.get("token_id") or config.get("oauth_refresh_token"))


def default_target(root: Path = LOCAL_ROOT) -> str:
    """
    ``modal`` where there are credentials, else ``local``.

    The variables of `infra local env` are credentials for this folder's own control plane.
    """
    server = os.environ.get("MODAL_SERVER_URL")
    if server and server == (local.running(root) or {}).get("MODAL_SERVER_URL"):
        return "local"
    return "modal" if has_credentials() else "local"


@contextmanager
def connected(target: str, root: Path = LOCAL_ROOT) -> Iterator[None]:
    """
    Make the SDK talk to the target until the block ends.

    A local control plane that runs already is used; otherwise one is started within this process
    and stopped behind the block. What is deployed there is kept under `root`.

    Raises:
        UsageError: Modal is the target and there are no credentials for it.
    """
    if target == "modal":
        if not has_credentials():
            raise UsageError(
                "--target modal: there are no Modal credentials; a token is needed; "
                "run `modal setup`, or use --target local"
            )
        yield
        return
    environ = local.running(root)
    if environ is not None:
        with _environment(environ):
            yield
        return
    plane = local.ControlPlane(root)
    try:
        plane.start()
    except OSError as error:
        raise TargetError(f"{root}: the local control plane can't start: {error}") from error
    try:
        with _environment(plane.environ()):
            yield
    finally:
        plane.stop()


@contextmanager
def _environment(variables: dict[str, str]) -> Iterator[None]:
    before = {name: os.environ.get(name) for name in variables}
    os.environ.update(variables)
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                os.environ.pop(name, None)
            else:
                os.environ[name] = value
