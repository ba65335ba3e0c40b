"""What a rehearsal is doing at one moment, as values that travel as JSON."""

import json

import attrs


@attrs.frozen(kw_only=True)
class ServiceStatus:
    """
    One service.

    Attributes:
        name: The App's and the class's, and the environment's unless it is the default one.
        environment: Of Modal's.
        app: The App's name.
        service: The class's name.
        called: What the stack calls it, else the class's name.
        version: Of the App.
        url: Where it answers.
        model: The model that infra deployed it for; empty: it was deployed by other means.
        gpu: What it would run on, in Modal's words; empty: none.
        min_containers: Of the autoscaler's settings in force.
        max_containers: Likewise; None: any number.
        ready: Replicas that take requests.
        wanted: Replicas that there should be.
        in_flight: Requests that are being answered.
        failures: Replicas of this version that have failed in a row; 0 while one is ready.
        last_failure: Why the last of them did, in one line.
    """

    name: str
    environment: str
    app: str
    service: str
    called: str
    version: int
    url: str
    model: str
    gpu: str
    min_containers: int
    max_containers: int | None
    ready: int
    wanted: int
    in_flight: int
    failures: int
    last_failure: str


@attrs.frozen(kw_only=True)
class Status:
    """
    One daemon.

    Attributes:
        url: Of the control plane.
        root: The folder of the state.
        pid: The daemon's process id.
        since: When it began to serve; seconds since 1970.
        speed: How fast modelled time passes in engines that start now, as `INFRA_SIMULATED_SPEED`
            has it.
        services: All that are deployed.
        notice: What whoever rehearses on this machine must know; empty: nothing.
    """

    url: str
    root: str
    pid: int
    since: float
    speed: str
    services: tuple[ServiceStatus, ...]
    notice: str

    def to_json(self) -> str:
        return json.dumps(attrs.asdict(self))

    @classmethod
    def from_json(cls, text: str) -> "Status":
        """
        Read what `to_json` has written.

        Raises:
            ValueError: It is something else, such as the status of another infra's daemon.
        """
        try:
            fields = json.loads(text)
            services = tuple(ServiceStatus(**each) for each in fields.pop("services"))
            return cls(services=services, **fields)
        except (AttributeError, KeyError, TypeError) as error:
            raise ValueError("it is no status of this version of infra") from error
