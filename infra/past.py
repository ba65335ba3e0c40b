"""An App's deployments and records in, what each version was out."""

from collections.abc import Iterable, Mapping

import attrs

from infra.diff import diff
from infra.errors import UsageError
from infra.live import Deployment
from infra.manifest import FINGERPRINT_LENGTH, Manifest


@attrs.frozen(kw_only=True)
class Version:
    """
    One deployment of an App.

    Attributes:
        version: Modal's count.
        at: Seconds since 1970.
        by: Who deployed it.
        commit: Git commit, or empty.
        dirty: Whether there were changes beside the commit.
        fingerprint: Of its manifest, or None: not deployed by infra.
        what: What it changed, in a few words.
    """

    version: int
    at: float
    by: str
    commit: str
    dirty: bool
    fingerprint: str | None
    what: str


def fingerprints(deployment: Deployment) -> dict[int, str | None]:
    """Which manifest each version has, the newest first."""
    by_version: dict[int, str | None] = {}
    for each in reversed(deployment.history):
        if each.rolled_back_to is not None:
            by_version[each.version] = by_version.get(each.rolled_back_to)
        else:
            tag = each.tag.partition(".")[0]
            by_version[each.version] = tag if len(tag) == FINGERPRINT_LENGTH else None
    return dict(reversed(by_version.items()))


def versions(deployment: Deployment, manifests: Mapping[str, Manifest]) -> list[Version]:
    """
    The App's deployments, the newest first.

    Args:
        deployment: With its history.
        manifests: By fingerprint, those that could be read.
    """
    pointers = fingerprints(deployment)
    found = []
    for index, each in enumerate(deployment.history):
        fingerprint = pointers[each.version]
        older = deployment.history[index + 1].version if index + 1 < len(pointers) else None
        before = manifests.get(pointers.get(older or 0) or "")
        after = manifests.get(fingerprint or "")
        found.append(
            Version(
                version=each.version,
                at=each.at,
                by=each.by,
                commit=each.commit,
                dirty=each.dirty,
                fingerprint=fingerprint,
                what=_what(each.rolled_back_to, older, before, after),
            )
        )
    return found


def earlier(deployment: Deployment, version: str | None) -> str:
    """
    The fingerprint of the version to go back to.

    Args:
        deployment: With its history.
        version: Such as ``3`` or ``v3``; None: the newest one that differs from the live one.

    Raises:
        UsageError: There is no such version, or infra did not deploy it.
    """
    pointers = fingerprints(deployment)
    deployed = [f"v{number}" for number, fingerprint in pointers.items() if fingerprint]
    if version is None:
        others = (each for each in pointers.values() if each and each != deployment.fingerprint)
        found = next(others, None)
    else:
        number = version.removeprefix("v")
        found = pointers.get(int(number)) if number.isdigit() else None
    if found is None:
        what = "an earlier version" if version is None else version
        raise UsageError(
            f"app.{deployment.app}: there is no {what} that infra deployed; "
            f"{', '.join(deployed) or 'none'} can be deployed again; "
            "see `infra history`"
        )
    return found


def _what(
    rolled_back_to: int | None,
    older: int | None,
    before: Manifest | None,
    after: Manifest | None,
) -> str:
    if rolled_back_to is not None:
        return f"rolled back to v{rolled_back_to}"
    if after is None:
        return "deployed outside of infra, or its record is lost"
    if older is None:
        return "created"
    if before is None:
        return f"v{older} has no record to compare with"
    changes = diff(before, after)
    parts = (
        f"{change.address}: {_few(field.path for field in change.fields)}"
        if change.action.label in ("update", "replace")
        else f"{change.action.symbol} {change.address}"
        for change in changes
    )
    return "; ".join(parts) or "deployed again"


def _few(paths: Iterable[str]) -> str:
    paths = list(paths)
    return ", ".join(paths[:3]) + (f" and {len(paths) - 3} more" if len(paths) > 3 else "")
