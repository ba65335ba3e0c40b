"""Tells a service that fails over and over from one that is loading, where it is rehearsed."""

from collections.abc import Callable
from pathlib import Path

from infra.local import control
from infra.local.endpoint import serving
from infra.probing.failures import Failed

# One failure may be an accident; after so many the next one will be no other.
_ENOUGH = 3


def watch(root: Path, url: str) -> Callable[[], None]:
    """
    Something to call while one waits; it raises `Failed` when waiting is in vain.

    What failed before the first call does not count alone: it may have been mended since, so
    one more failure must be seen.

    Args:
        root: Folder of the rehearsal.
        url: Where the service answers.
    """
    before: int | None = None

    def check() -> None:
        nonlocal before
        endpoint = serving(root)
        services = control.status(endpoint).services if endpoint else ()
        for each in services:
            if each.url != url:
                continue
            if before is None or each.failures < before:
                before = each.failures
            if each.failures >= max(_ENOUGH, before + 1):
                raise Failed(
                    "crash",
                    f"it has failed {each.failures} times in a row: {each.last_failure}",
                    f"a replica that gets ready is allowed; read `infra local logs {each.name}`",
                )

    return check
