"""What a target says is deployed, as values."""

from collections.abc import Mapping

import attrs

from infra.manifest import Manifest


@attrs.frozen(kw_only=True)
class Endpoint:
    """
    One deployed service.

    Attributes:
        name: The Python class, as Modal knows it.
        function_id: Modal's id.
        url: Where it answers, or None.
        containers: How many run now, or None where Modal does not say.
    """

    name: str
    function_id: str
    url: str | None
    containers: int | None


@attrs.frozen(kw_only=True)
class Deployment:
    """
    One deployed App.

    Attributes:
        app: Its name.
        app_id: Modal's id.
        version: Modal's count of its deployments.
        deployed_at: Seconds since 1970.
        deployed_by: Who deployed it, as Modal says.
        commit: Git commit of the deployer's checkout, or empty.
        dirty: Whether that checkout had changes beside the commit.
        stack: The stack that it belongs to, or None: not deployed by infra.
        fingerprint: Of its manifest, or None: not deployed by infra.
        manifest: What it was deployed with, or None where the record can't be had.
        record_problem: Why it can't be had.
        endpoints: Its services.
    """

    app: str
    app_id: str
    version: int
    deployed_at: float
    deployed_by: str
    commit: str
    dirty: bool
    stack: str | None
    fingerprint: str | None
    manifest: Manifest | None
    record_problem: str | None = None
    endpoints: tuple[Endpoint, ...] = ()


@attrs.frozen(kw_only=True)
class Live:
    """
    A target at one moment.

    Attributes:
        target: ``modal`` or ``local``.
        workspace: The workspace's name.
        environment: The Modal environment's name.
        deployments: By App; an App that is not deployed is missing.
        volumes: Whether a Volume of that name exists; one that was not asked for is missing.
        secrets: Whether a Secret of that name exists, likewise.
    """

    target: str
    workspace: str
    environment: str
    deployments: Mapping[str, Deployment]
    volumes: Mapping[str, bool]
    secrets: Mapping[str, bool]
