"""How much a changed field disturbs what is running."""

from collections.abc import Iterable, Mapping
from typing import Any

from infra.resources import place_of

IN_PLACE = "in place"  # the autoscaler is told; no container is replaced
ROLLING = "rolling"  # a new version; the App's containers are replaced one after the other
REBUILD = "rebuild"  # the image is built anew, then rolling
REPLACE = "replace"  # another identity: the URL changes

TIERS = (IN_PLACE, ROLLING, REBUILD, REPLACE)  # the gravest last

TARGET_INPUTS = "routing.target_inputs"  # a server's autoscaler aims at it
IN_THE_URL = {"class_name", "routing.proxy_regions"}
# What Modal keeps under an identity: with another value it is another thing.
IDENTITY = {*IN_THE_URL, "routing.front_door"}
# The SDK has no way to unset these; only a deployment does.
NEVER_UNSET = {"autoscaler.scaledown_window", "autoscaler.scaleup_window", TARGET_INPUTS}


def tier_of(
    kind: str,
    path: str,
    after: Any,
    resource: Mapping[str, Any],
    builds: Iterable[Mapping[str, Any]] = (),
) -> str:
    """
    The tier of a field that changes in a resource which stays.

    Args:
        kind: Of the resource, such as ``service``.
        path: The field.
        after: What it becomes; None: unset.
        resource: The resource as it will be.
        builds: The commands that run while the service's image is built.
    """
    if kind == "image":
        # By modal 1.6's `_build_args` an image does not depend on its builds' time limits.
        is_kept = path.startswith("files[") or path.endswith("].timeout")
        return ROLLING if is_kept else REBUILD
    if kind != "service":
        return ROLLING
    if path in IDENTITY:
        return REPLACE
    if any(_goes_into(path, build) for build in builds):
        return REBUILD
    scales = is_scaling(path) and (
        path != TARGET_INPUTS or resource["routing"]["front_door"] == "server"
    )
    if scales and not (after is None and path in NEVER_UNSET):
        return IN_PLACE
    return ROLLING


def is_scaling(path: str) -> bool:
    """Whether a field of a service is a setting of its autoscaler; one of them only a server's."""
    return path.startswith("autoscaler.") or path == TARGET_INPUTS


def _goes_into(path: str, build: Mapping[str, Any]) -> bool:
    """Whether a field of the service is one of what a build command is run with."""
    if path.startswith("engine "):
        return place_of(path.removeprefix("engine "), build.get("engine_flags", ())) >= 0
    return (
        path == "secrets"
        or path.startswith("volumes ")
        or (path == "gpu" and build.get("gpu", False))
    )


def gravest(tiers: Iterable[str | None]) -> str | None:
    """The tier of several fields together; None of none."""
    known = [TIERS.index(tier) for tier in tiers if tier is not None]
    return TIERS[max(known)] if known else None
