"""Where the Volume `infra-state` keeps what infra needs to know of the Apps that it deployed."""

import re
from collections.abc import Iterable
from typing import NamedTuple

import attrs

STATE_VOLUME = "infra-state"
STEP = r"([0-9]{1,9})(?:\.([0-9]{1,9}))?"


def record_path(stack: str, app: str, fingerprint: str) -> str:
    """A manifest is here with `.json` behind it, the module's text with `.py`."""
    return f"/{stack}/{app}/{fingerprint}"


def receipts_path(stack: str, app: str) -> str:
    """The folder of an App's receipts; a destroy removes it."""
    return f"/{stack}/{app}/receipts"


def receipt_path(
    stack: str, app: str, app_id: str, version: int, scaling: int, fingerprint: str
) -> str:
    """
    How infra left a version: a folder with a file ``<class>=<image id>`` per service.

    The files are empty. One listing of the stack's folder reads all receipts, and there is nothing
    in them to damage. Versions that were scaled in place have a receipt for each time, too.
    """
    step = f"{version}.{scaling}" if scaling else version
    return f"{receipts_path(stack, app)}/{app_id}/{step}/{fingerprint}"


class Step(NamedTuple):
    """
    How infra left an App once.

    Attributes:
        version: Modal's count of deployments.
        scaling: How often the version was scaled in place by then; an older infra wrote 0.
        fingerprint: Of the manifest.
        at: Seconds since 1970.
    """

    version: int
    scaling: int
    fingerprint: str
    at: float


@attrs.frozen(kw_only=True)
class Kept:
    """
    What the Volume keeps of one App.

    Attributes:
        fingerprints: Of the manifests that are there.
        images: By App id and fingerprint, the image id of each class in the newest such version.
        applied: By App id, the newest version that infra left; the newest App last.
        steps: By App id, how infra left it, the oldest first.
    """

    fingerprints: frozenset[str]
    images: dict[tuple[str, str], dict[str, str]]
    applied: dict[str, int]
    steps: dict[str, tuple[Step, ...]]

    def app_id(self) -> str | None:
        """Under which the App was deployed last."""
        return [*self.applied][-1] if self.applied else None


def kept(files: Iterable[tuple[str, float]]) -> dict[str, Kept]:
    """
    What a listing of a stack's folder says, by App.

    Args:
        files: Paths of all files below the folder with their times, the oldest first.
    """
    manifests: dict[str, set[str]] = {}
    receipts: dict[str, dict[str, list[tuple[Step, str]]]] = {}
    for path, at in files:
        match path.strip("/").split("/"):
            case [_, app, name] if name.endswith(".json"):
                manifests.setdefault(app, set()).add(name.removesuffix(".json"))
            case [_, app, "receipts", app_id, step, fingerprint, receipt]:
                if found := re.fullmatch(STEP, step):
                    left = Step(int(found[1]), int(found[2] or 0), fingerprint, at)
                    receipts.setdefault(app, {}).setdefault(app_id, []).append((left, receipt))
    return {
        app: _kept(manifests.get(app, set()), receipts.get(app, {}))
        for app in dict.fromkeys([*manifests, *receipts])
    }


def _kept(manifests: set[str], receipts: dict[str, list[tuple[Step, str]]]) -> Kept:
    images: dict[tuple[str, str], dict[str, str]] = {}
    steps: dict[str, dict[tuple[int, int, str], Step]] = {}
    for app_id, left in receipts.items():
        once = steps.setdefault(app_id, {})
        for step, receipt in sorted(left, key=lambda each: each[0][:2]):
            class_name, _, image_id = receipt.partition("=")
            images.setdefault((app_id, step.fingerprint), {})[class_name] = image_id
            once.setdefault(step[:3], step)  # a receipt has a file for each service
    return Kept(
        fingerprints=frozenset(manifests),
        images=images,
        applied={app_id: max(left)[0].version for app_id, left in receipts.items()},
        steps={app_id: tuple(once.values()) for app_id, once in steps.items()},
    )
