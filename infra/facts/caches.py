"""Where an engine keeps what it compiles, release by release."""

from infra.facts.data import read
from infra.facts.flags import ordered


def variable(engine: str, cache: str) -> str:
    """The environment variable that moves a cache, such as DeepGEMM's."""
    found: str = read("caches")[engine][cache]["variable"]
    return found


def default(engine: str, cache: str, version: str) -> str | None:
    """Where a cache is when its variable is not set; None: the release has no such cache."""
    found = None
    for since, path in read("caches")[engine][cache]["default"].items():
        if ordered(since)[0] <= ordered(version)[0]:
            found = path
    return found
