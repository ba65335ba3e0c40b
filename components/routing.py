"""How requests reach a service's containers, and how many each of them takes."""

from collections.abc import Iterator
from typing import Literal

import attrs

from infra import validators
from infra.resources import Routing, several

# https://modal.com/docs/guide/region-selection, as of 2026-08
ROUTING_REGIONS = ("us-east", "us-west", "ca-central", "eu-west", "ap-south")
# modal 1.6: checked by the SDK when the module is imported
LONGEST_GRACE = {"http_server": 25, "server": 3600}
REQUESTS = validators.optional(validators.whole_number(1, 1_000_000, example=16))


@attrs.frozen(kw_only=True)
class RoutingPolicy:
    """
    Modal's front door for a service.

    Attributes:
        front_door: ``http_server``: `@app.cls` with `@modal.experimental.http_server` and
            `@modal.concurrent`, open to everybody. ``server``: `@app.server`, Modal's newer one
            (modal 1.5.1), which asks for a proxy token.
        region: Compute region or regions of the containers, such as ``us-east``, or the broad
            ``us``; None leaves it to Modal.
        proxy_regions: Region of Modal's proxies, which should be that of the containers; None, the
            default, takes `region` where proxies stand there. ``server`` takes exactly one.
        target_inputs: Requests per container that the autoscaler aims at; ``server`` calls it
            target_concurrency. None leaves autoscaling by load off.
        max_inputs: Requests per container at the most (``server`` only, which calls it
            max_concurrency and answers 429 above it). None: no limit beside the engine's own.
        exit_grace_period: Seconds for requests in flight when a container goes; 25 at the most
            for ``http_server``, 3600 for ``server``. Modal's own default, 0, cuts them off.
        unauthenticated: Let anybody call a ``server``.
        session_affinity: The generated client sends `Modal-Session-ID`, by which Modal keeps a
            conversation on one container, where its prefix is in the KV cache.
    """

    front_door: Literal["http_server", "server"] = attrs.field(
        default="http_server", validator=validators.one_of(("http_server", "server"))
    )
    region: tuple[str, ...] | None = attrs.field(
        default=None,
        converter=several,
        validator=validators.optional(
            validators.each(
                validators.text(
                    validators.Form(r"[a-z]+(-[a-z]+)?", "a region's name in small letters"),
                    example="us-east",
                ),
                one="us-east",
            )
        ),
    )
    proxy_regions: tuple[str, ...] | None = attrs.field(
        default=None,
        converter=several,
        validator=validators.optional(
            validators.each(validators.one_of(ROUTING_REGIONS), one="us-east")
        ),
    )
    target_inputs: int | None = attrs.field(default=None, validator=REQUESTS)
    max_inputs: int | None = attrs.field(default=None, validator=REQUESTS)
    exit_grace_period: int = attrs.field(
        default=15, validator=validators.whole_number(0, 86_400, example=15)
    )
    unauthenticated: bool = attrs.field(default=False, validator=validators.truth())
    session_affinity: bool = attrs.field(default=True, validator=validators.truth())

    def problems(self) -> Iterator[str]:
        """What no field can know alone."""
        longest = LONGEST_GRACE.get(self.front_door, 0)
        if longest and self.exit_grace_period > longest:
            yield (
                f"exit_grace_period: {self.exit_grace_period} is too long; {longest} seconds are "
                f"allowed with front_door={self.front_door!r}; write exit_grace_period={longest}"
            )
        if self.target_inputs and self.max_inputs and self.target_inputs > self.max_inputs:
            yield (
                f"target_inputs: {self.target_inputs} is more than max_inputs, {self.max_inputs}; "
                "as many or fewer are allowed; lower one or raise the other"
            )
        if self.max_inputs and self.front_door == "http_server":
            yield (
                f"max_inputs: is {self.max_inputs}, and modal refuses it for an http_server; it is "
                "allowed with front_door='server'; take it out"
            )
        if self.unauthenticated and self.front_door == "http_server":
            yield (
                "unauthenticated: is True, but an http_server never asks for a token; "
                "it is allowed with front_door='server'; take it out"
            )
        if self.proxy_regions is None and not self._proxies():
            yield from self._without_proxies()
        if self.front_door == "server" and len(self._proxies()) > 1:
            yield (
                f"proxy_regions: are {', '.join(self._proxies())}; a server has exactly one; "
                "write the one nearest to its callers"
            )

    def routing(self) -> Routing:
        """The policy in Modal's terms."""
        return Routing(
            front_door=self.front_door,
            region=self.region or (),
            proxy_regions=self._proxies(),
            target_inputs=self.target_inputs,
            max_inputs=self.max_inputs,
            exit_grace_period=self.exit_grace_period,
            unauthenticated=self.unauthenticated,
            session_affinity=self.session_affinity,
        )

    def _without_proxies(self) -> Iterator[str]:
        """Of regions without a proxy: those that do not exist, or what to write beside them."""
        from difflib import get_close_matches  # both for stacks that are wrong only

        from infra.facts.gpus import compute_regions

        known, regions = compute_regions(), self.region or ()
        for region in (each for each in regions if each not in known):
            near = get_close_matches(region, known, 1)
            yield (
                f"region: {region!r} is no compute region of Modal's; {', '.join(known)} are "
                f"allowed; write {repr(near[0]) if near else 'the one nearest to your callers'}"
            )
        if {*regions} <= {*known}:
            yield (
                f"proxy_regions: is not given, and no proxy stands in {', '.join(regions)}; "
                f"{', '.join(ROUTING_REGIONS)} are allowed; write the one nearest to it"
            )

    def _proxies(self) -> tuple[str, ...]:
        if self.proxy_regions is not None:
            return self.proxy_regions
        if self.region is None:
            return ("us-east",)  # Modal's default
        return tuple(region for region in self.region if region in ROUTING_REGIONS)
