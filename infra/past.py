"""An App's deployments and records in, what each version was out."""

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING

import attrs

from infra.diff import diff
from infra.errors import UsageError
from infra.live import Deployment
from infra.manifest import Manifest

if TYPE_CHECKING:
    from infra.stub import Deployed


@attrs.frozen(kw_only=True)
class State:
    """
    What an App was from one apply to the next.

    Attributes:
        deployed: Modal's version of it.
        scaling: How often the version was scaled in place by then.
        fingerprint: Of its manifest, or None: not deployed by infra, or its record is lost.
        at: Seconds since 1970, since when.
    """

    deployed: "Deployed"
    scaling: int
    fingerprint: str | None
    at: float

    @property
    def name(self) -> str:
        """Such as ``v3``, or ``v3.1`` once that was scaled."""
        return version_name(self.deployed.version, self.scaling)


@attrs.frozen(kw_only=True)
class Version:
    """
    One deployment of an App, or one time that a version was scaled in place.

    Attributes:
        version: Modal's count.
        scaling: How often the version was scaled in place by then; 0: this is the deployment.
        at: Seconds since 1970.
        by: Who deployed it; empty for who scaled it, which Modal does not keep.
        commit: Git commit, or empty.
        dirty: Whether there were changes beside the commit.
        fingerprint: Of its manifest, or None: not deployed by infra, or its record is lost.
        what: What it changed, in a few words.
    """

    version: int
    scaling: int = 0
    at: float
    by: str
    commit: str
    dirty: bool
    fingerprint: str | None
    what: str


def version_name(version: int, scaling: int) -> str:
    """What a version is called, in what is shown and by `infra rollback`."""
    return f"v{version}.{scaling}" if scaling else f"v{version}"


def states(deployment: Deployment) -> list[State]:
    """
    What the App was, the newest first.

    A tag in Modal's history counts if it is a record's name: others tag with commits, of the same
    length. What was scaled in place has a receipt and no version of its own.
    """
    found: list[State] = []
    tags: dict[int, str | None] = {}
    for each in reversed(deployment.history):
        back, tag = each.rolled_back_to, each.tag.partition(".")[0]
        tags[each.version] = now = tag if back is None else tags.get(back)
        steps = (step for step in deployment.steps if step.version == each.version)
        scaled = [step for step in steps if step.scaling or step.fingerprint != now]
        left = [(now, each.at), *((step.fingerprint, step.at) for step in scaled)]
        found += (
            State(
                deployed=each,
                scaling=scaling,
                fingerprint=fingerprint if fingerprint in deployment.records else None,
                at=at,
            )
            for scaling, (fingerprint, at) in enumerate(left)
        )
    return found[::-1]


def next_scaling(deployment: Deployment) -> int:
    """How often the live version will have been scaled in place after the next time."""
    return sum(each.deployed.version == deployment.version for each in states(deployment))


def versions(
    deployment: Deployment, manifests: Mapping[str, Manifest], limit: int | None = None
) -> list[Version]:
    """
    The App's deployments and when they were scaled in place, the newest first.

    Args:
        deployment: With its history.
        manifests: By fingerprint, those that could be read.
        limit: How many; None: all.
    """
    found, all_states = [], states(deployment)
    for index, each in enumerate(all_states[:limit]):
        before = all_states[index + 1] if index + 1 < len(all_states) else None
        deployed, is_scaled = each.deployed, each.scaling > 0
        found.append(
            Version(
                version=deployed.version,
                scaling=each.scaling,
                at=each.at,
                by="" if is_scaled else deployed.by,
                commit="" if is_scaled else deployed.commit,
                dirty=not is_scaled and deployed.dirty,
                fingerprint=each.fingerprint,
                what=_what(each, before, manifests),
            )
        )
    return found


def earlier(deployment: Deployment, version: str | None) -> str:
    """
    The fingerprint of the version to go back to.

    Args:
        deployment: With its history.
        version: Such as ``3``, ``v3`` or ``v3.1``; None: the newest that differs from the live one.

    Raises:
        UsageError: There is no such version, or infra did not deploy it.
    """
    known = {each.name: each.fingerprint for each in states(deployment) if each.fingerprint}
    if version is None:
        others = (each for each in known.values() if each != deployment.fingerprint)
        found = next(others, None)
    else:
        found = known.get(f"v{version.removeprefix('v')}")
    if found is None:
        what = "an earlier version" if version is None else version
        raise UsageError(
            f"app.{deployment.app}: there is no {what} that infra deployed; "
            f"{', '.join(known) or 'none'} can be deployed again; "
            "see `infra history`"
        )
    return found


def newest_of(deployment: Deployment, fingerprint: str) -> str:
    """The newest version with a manifest that one has, such as ``v3``."""
    return next(each.name for each in states(deployment) if each.fingerprint == fingerprint)


def _what(each: State, older: State | None, manifests: Mapping[str, Manifest]) -> str:
    if each.deployed.rolled_back_to is not None and not each.scaling:
        return f"rolled back to v{each.deployed.rolled_back_to}"
    after = manifests.get(each.fingerprint or "")
    if after is None:
        return "deployed outside of infra, or its record is lost"
    if older is None:
        return "created"
    before = manifests.get(older.fingerprint or "")
    if before is None:
        return f"{older.name} has no record to compare with"
    changes = diff(before, after)
    parts = (
        f"{change.address}: {_few(field.path for field in change.fields)}"
        if change.action.label in ("update", "replace")
        else f"{change.action.symbol} {change.address}"
        for change in changes
    )
    if each.scaling:
        return f"in place: {'; '.join(parts) or 'the same again'}"
    return "; ".join(parts) or "deployed again"


def _few(paths: Iterable[str]) -> str:
    paths = list(paths)
    return ", ".join(paths[:3]) + (f" and {len(paths) - 3} more" if len(paths) > 3 else "")
