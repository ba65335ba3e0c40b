"""Where the Volume `infra-state` keeps what infra needs to know of the Apps that it deployed."""

from collections.abc import Iterable

import attrs

STATE_VOLUME = "infra-state"


def record_path(stack: str, app: str, fingerprint: str) -> str:
    """A manifest is here with `.json` behind it, the module's text with `.py`."""
    return f"/{stack}/{app}/{fingerprint}"


def receipts_path(stack: str, app: str) -> str:
    """The folder of an App's receipts; a destroy removes it."""
    return f"/{stack}/{app}/receipts"


def receipt_path(stack: str, app: str, app_id: str, version: int, fingerprint: str) -> str:
    """
    How infra left a version: a folder with a file ``<class>=<image id>`` per service.

    The files are empty. One listing of the stack's folder reads all receipts, and there is nothing
    in them to damage.
    """
    return f"{receipts_path(stack, app)}/{app_id}/{version}/{fingerprint}"


@attrs.frozen(kw_only=True)
class Kept:
    """
    What the Volume keeps of one App.

    Attributes:
        fingerprints: Of the manifests that are there.
        images: By App id and fingerprint, the image id of each class in the newest such version.
        applied: By App id, the newest version that infra left; the newest App last.
    """

    fingerprints: frozenset[str]
    images: dict[tuple[str, str], dict[str, str]]
    applied: dict[str, int]

    def app_id(self) -> str | None:
        """Under which the App was deployed last."""
        return [*self.applied][-1] if self.applied else None


def kept(paths: Iterable[str]) -> dict[str, Kept]:
    """
    What a listing of a stack's folder says, by App.

    Args:
        paths: Of all files below the folder, the oldest first.
    """
    manifests: dict[str, set[str]] = {}
    receipts: dict[str, dict[str, list[tuple[int, str, str]]]] = {}
    for path in paths:
        match path.strip("/").split("/"):
            case [_, app, name] if name.endswith(".json"):
                manifests.setdefault(app, set()).add(name.removesuffix(".json"))
            case [_, app, "receipts", app_id, version, fingerprint, receipt] if version.isdigit():
                left = receipts.setdefault(app, {}).setdefault(app_id, [])
                left.append((int(version), fingerprint, receipt))
    return {
        app: _kept(manifests.get(app, set()), receipts.get(app, {}))
        for app in dict.fromkeys([*manifests, *receipts])
    }


def _kept(manifests: set[str], receipts: dict[str, list[tuple[int, str, str]]]) -> Kept:
    images: dict[tuple[str, str], dict[str, str]] = {}
    for app_id, left in receipts.items():
        for _, fingerprint, receipt in sorted(left):
            class_name, _, image_id = receipt.partition("=")
            images.setdefault((app_id, fingerprint), {})[class_name] = image_id
    return Kept(
        fingerprints=frozenset(manifests),
        images=images,
        applied={app_id: max(left)[0] for app_id, left in receipts.items()},
    )
