"""Where an engine keeps what it compiles, release by release."""

from collections.abc import Mapping
from functools import cache

from infra.facts.data import read
from infra.facts.flags import ordered


@cache
def variable(engine: str, name: str) -> str:
    """The environment variable that moves a cache, such as DeepGEMM's."""
    found: str = read("caches")[engine][name]["variable"]
    return found


@cache
def places(engine: str) -> Mapping[str, str]:
    """The caches by the folders in which some release has them when no variable is set."""
    return {
        path: name
        for name, each in read("caches")[engine].items()
        for path in each["default"].values()
    }


@cache
def default(engine: str, name: str, version: str) -> str | None:
    """Where a cache is when its variable is not set; None: the release has no such cache."""
    found = None
    for since, path in read("caches")[engine][name]["default"].items():
        if ordered(since)[0] <= ordered(version)[0]:
            found = path
    return found
