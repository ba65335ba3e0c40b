"""What a target says is deployed, as values."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import attrs

from infra.manifest import Manifest

if TYPE_CHECKING:
    from infra.rates import Rates
    from infra.records import Step
    from infra.stub import Deployed, Override


@attrs.frozen(kw_only=True)
class Endpoint:
    """
    One deployed service.

    Attributes:
        name: The Python class, as Modal knows it.
        function_id: Modal's id.
        url: Where it answers, or None.
        containers: How many run now, or None where Modal does not say.
        image_id: Of the image that it runs.
        configuration: What Modal reports of it, by the paths of the manifest.
        defaults: What Modal takes for what it does not report, by path.
        overrides: By path, where its autoscaler was changed while it ran.
    """

    name: str
    function_id: str
    url: str | None = None
    containers: int | None = None
    image_id: str | None = None
    configuration: Mapping[str, Any] = attrs.field(factory=dict)
    defaults: Mapping[str, Any] = attrs.field(factory=dict)
    overrides: Mapping[str, "Override"] = attrs.field(factory=dict)

    def beside(self, recorded: Mapping[str, Any]) -> dict[str, Any]:
        """Its configuration, with the defaults that a record spells out spelled out, too."""
        spelled = {path: value for path, value in self.defaults.items() if path in recorded}
        return {**spelled, **self.configuration}


@attrs.frozen(kw_only=True)
class Deployment:
    """
    One deployed App.

    Attributes:
        app: Its name.
        app_id: Modal's id.
        history: Its deployments, the newest first; never empty.
        stack: The stack that it belongs to, or None: not deployed by infra.
        fingerprint: Of its manifest, or None: not deployed by infra.
        manifest: What it was deployed with, or None where the record can't be had.
        record_problem: Why it can't be had.
        endpoints: Its services.
        images: What each class's image was right after infra deployed it, where that is known.
        has_receipts: Whether infra has deployed an App of that name and not destroyed it.
        applied: The last version that infra has deployed or scaled, or 0.
        records: Fingerprints of the manifests that are kept of an App of that name.
        steps: How infra left it each time, the oldest first.
    """

    app: str
    app_id: str
    history: tuple["Deployed", ...]
    stack: str | None
    fingerprint: str | None
    manifest: Manifest | None
    record_problem: str | None = None
    endpoints: tuple[Endpoint, ...] = ()
    images: Mapping[str, str] = attrs.field(factory=dict)
    has_receipts: bool = False
    applied: int = 0
    records: frozenset[str] = frozenset()
    steps: tuple["Step", ...] = ()

    @property
    def is_rolled_back(self) -> bool:
        """Whether somebody went back to an earlier version, and infra has done nothing since."""
        return self.newest.rolled_back_to is not None and self.version > self.applied

    @property
    def newest(self) -> "Deployed":
        """The deployment that is live."""
        return self.history[0]

    @property
    def version(self) -> int:
        """Modal's count of deployments."""
        return self.newest.version


@attrs.frozen(kw_only=True)
class Stopped:
    """
    An App that infra has deployed, has not destroyed, and that is not there.

    Attributes:
        by: Who stopped it, or empty where Modal does not say.
        at: Seconds since 1970, or None.
    """

    by: str = ""
    at: float | None = None


@attrs.frozen(kw_only=True)
class Live:
    """
    A target at one moment.

    Attributes:
        target: ``modal`` or ``local``.
        workspace: The workspace's name.
        environment: The Modal environment, or empty: the default one.
        deployments: By App; an App that is not deployed is missing.
        stopped: By App, where it was stopped by somebody else.
        volumes: Whether a Volume of that name exists; one that was not asked for is missing.
        secrets: Whether a Secret of that name exists, likewise.
        rates: What computing costs there, or None where it was not asked for.
    """

    target: str
    workspace: str
    environment: str
    deployments: Mapping[str, Deployment]
    stopped: Mapping[str, Stopped] = attrs.field(factory=dict)
    volumes: Mapping[str, bool] = attrs.field(factory=dict)
    secrets: Mapping[str, bool] = attrs.field(factory=dict)
    rates: "Rates | None" = None


def service_names(deployment: Deployment) -> dict[str, str]:
    """What each deployed class is called in the stack; its own name where that is not recorded."""
    resources = deployment.manifest.resources if deployment.manifest else {}
    names = {
        plain["class_name"]: plain["name"]
        for address, plain in resources.items()
        if address.startswith("service.")
    }
    return {each.name: names.get(each.name, each.name) for each in deployment.endpoints}


def outputs(live: Live) -> dict[str, str | None]:
    """Where each service answers, by its name in the stack."""
    urls: dict[str, str | None] = {}
    for deployment in live.deployments.values():
        names = service_names(deployment)
        urls |= {names[each.name]: each.url for each in deployment.endpoints}
    return urls
