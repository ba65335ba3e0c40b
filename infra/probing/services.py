"""Which deployed service is meant, and what its record says that a caller needs."""

from collections.abc import Mapping
from typing import Any

import attrs

from infra.errors import InfraError, UsageError
from infra.live import Live, outputs

_STARTUP_SECONDS = 300  # Modal's own limit for a container that names none


@attrs.frozen(kw_only=True)
class Service:
    """
    A service to call.

    Attributes:
        url: Where it answers.
        name: Its name in the stack, or None: it was named by its URL.
        stack: The stack's name, or None.
        target: ``modal``, ``local`` or None.
        model: What it should serve, or None: that is not recorded.
        wants_token: Whether Modal's proxy asks for a token; True where that is not recorded.
        is_sticky: Whether requests of one session should meet one replica.
        startup_timeout: Seconds that a replica has to get ready.
    """

    url: str
    name: str | None = None
    stack: str | None = None
    target: str | None = None
    model: str | None = None
    wants_token: bool = True
    is_sticky: bool = True
    startup_timeout: float = _STARTUP_SECONDS


def find(live: Live, *, stack: str, arguments: str, name: str | None) -> Service:
    """
    The service of that name, or the only one.

    Args:
        live: What is deployed.
        stack: The stack's name.
        arguments: What names it to a command, such as ``stacks/dev.py --target local``.
        name: As the stack has it; None: there is one only.

    Raises:
        InfraError: It is not deployed.
        UsageError: There are several, and none is named.
    """
    urls = outputs(live)
    if not urls:
        raise InfraError(
            f"stack {stack}: nothing of it is deployed on {live.target}; a deployed service is "
            f"allowed; run `infra apply {arguments}`"
        )
    known = ", ".join(sorted(urls))
    if name is None and len(urls) > 1:
        raise UsageError(
            f"stack {stack}: {len(urls)} services are deployed, and a probe starts replicas of "
            f"the one that it calls; one of {known} is allowed; run `infra probe {arguments} NAME`"
        )
    name = name or next(iter(urls))
    if name not in urls:
        raise InfraError(
            f"service {name}: stack {stack} has no such service on {live.target}; {known} is "
            f"allowed; name one of these, or run `infra apply {arguments}`"
        )
    url = urls[name]
    if url is None:
        raise InfraError(
            f"service {name}: {live.target} tells no URL of it; a service with an HTTP front door "
            f"is allowed; see `infra status {arguments}`"
        )
    return _recorded(live, Service(url=url, name=name, stack=stack, target=live.target))


def _recorded(live: Live, service: Service) -> Service:
    """With what it was deployed with, as far as there is a record."""
    plain: Mapping[str, Any] | None = None
    for deployment in live.deployments.values():
        if deployment.manifest:
            plain = deployment.manifest.resources.get(f"service.{service.name}", plain)
    if plain is None:
        return service
    routing = plain["routing"]
    return attrs.evolve(
        service,
        model=plain["model"],
        wants_token=routing["front_door"] == "server" and not routing.get("unauthenticated"),
        is_sticky=routing.get("session_affinity", True),
        startup_timeout=plain.get("startup_timeout") or _STARTUP_SECONDS,
    )
