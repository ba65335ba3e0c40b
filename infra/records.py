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


def receipt_path(stack: str, app: str, app_id: str, fingerprint: str) -> str:
    """
    What Modal answered to a deployment: a folder with a file ``<class>=<image id>`` per service.

    The files are empty. One listing of the stack's folder reads all receipts, and there is nothing
    in them to damage.
    """
    return f"{receipts_path(stack, app)}/{app_id}/{fingerprint}"


@attrs.frozen(kw_only=True)
class Kept:
    """
    What the Volume keeps of one App.

    Attributes:
        fingerprints: Of the manifests that are there.
        images: By App id and fingerprint, the image id of each class; the newest deployment last.
    """

    fingerprints: frozenset[str]
    images: dict[tuple[str, str], dict[str, str]]

    def app_id(self) -> str | None:
        """Under which the App was deployed last."""
        return [*self.images][-1][0] if self.images else None


def kept(paths: Iterable[str]) -> dict[str, Kept]:
    """
    What a listing of a stack's folder says, by App.

    Args:
        paths: Of all files below the folder, the oldest first.
    """
    manifests: dict[str, set[str]] = {}
    images: dict[str, dict[tuple[str, str], dict[str, str]]] = {}
    for path in paths:
        match path.strip("/").split("/"):
            case [_, app, name] if name.endswith(".json"):
                manifests.setdefault(app, set()).add(name.removesuffix(".json"))
            case [_, app, "receipts", app_id, fingerprint, receipt] if "=" in receipt:
                class_name, _, image_id = receipt.partition("=")
                receipts = images.setdefault(app, {})
                receipts.setdefault((app_id, fingerprint), {})[class_name] = image_id
    return {
        app: Kept(fingerprints=frozenset(manifests.get(app, ())), images=images.get(app, {}))
        for app in dict.fromkeys([*manifests, *images])
    }
