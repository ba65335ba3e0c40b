"""Modal's GPUs and regions, as Modal documents them."""

from collections.abc import Mapping
from functools import cache
from typing import Any, NamedTuple

from infra.facts.data import read


class Gpu(NamedTuple):
    """
    A GPU type that Modal has; what its documentation does not state is None.

    Attributes:
        name: As one asks for it, such as ``H100!``.
        memory_mib: Memory in MiB, as nvidia-smi shows it and SGLang reads it.
        sm: Compute capability without the dot, such as 90.
        most: GPUs in one container at the most.
        may_become: What Modal may give in its place.
    """

    name: str
    sm: int
    most: int | None
    memory_mib: int | None = None
    may_become: str | None = None

    @property
    def capacity(self) -> int | None:
        """Bytes of memory; None: not known."""
        return None if self.memory_mib is None else self.memory_mib * 2**20


@cache
def gpu(name: str) -> Gpu | None:
    """The type of that name; Modal does not mind the letters' case."""
    found = read("gpus")["gpus"].get(name.upper())
    return None if found is None else Gpu(name=name.upper(), **found)


def gpu_names() -> tuple[str, ...]:
    """What may be asked for."""
    return tuple(read("gpus")["gpus"])


def compute_regions() -> Mapping[str, Any]:
    """By region: how much more it costs, and from which routing regions it is near."""
    found: Mapping[str, Any] = read("regions")["compute"]
    return found


@cache
def region_multiplier(regions: tuple[str, ...]) -> float:
    """
    By how much a choice of regions raises the price of computing.

    Of broad and narrow ones together it is the smaller one, as Modal's page on region selection
    says (https://modal.com/docs/guide/region-selection); none is 1.
    """
    known = compute_regions()
    return min((known[each]["multiplier"] for each in regions if each in known), default=1.0)


def hours_per_month() -> int:
    """For prices per month."""
    found: int = read("prices")["hours_per_month"]
    return found
