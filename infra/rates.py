"""What an hour of computing costs, from the workspace's own rates or a dated list."""

import math
from collections.abc import Mapping
from decimal import Decimal

import attrs

from infra.facts.data import read
from infra.facts.gpus import gpu_names

# That rates are per unit and hour stands in the SDK's modal_proto, beside
# WorkspaceBillingRatesResponse. How Modal names them is not documented, and was not seen in a live
# workspace; names are compared in capitals, with a dash for whatever else is between their letters
# and digits.
CORE = {"CPU", "CORE", "CPU-CORE", "CORES"}
MEMORY = {"MEMORY", "MEM", "RAM", "MEMORY-GIB"}
PREFIXES = ("GPU-", "NVIDIA-")
SAME = {"A100": "A100-40GB", "A100-40GB": "A100"}


@attrs.frozen(kw_only=True)
class Rates:
    """
    What Modal charges for an hour, in USD, where no region is asked for.

    Attributes:
        source: Where they are from, such as ``list prices of 2026-05-07``.
        gpus: One GPU, by its name without ``!`` and ``+``; one that is missing is not known.
        core: One physical core.
        memory_gib: One GiB.
    """

    source: str
    gpus: Mapping[str, float]
    core: float
    memory_gib: float

    def gpu(self, name: str) -> float | None:
        """One GPU of a name such as ``H100!``, or None: not known."""
        plain = name.upper().rstrip("!+")  # both are asked for at the price of the plain one
        return self.gpus.get(plain, self.gpus.get(SAME.get(plain, plain)))


def list_rates(problem: str = "") -> Rates:
    """
    Modal's list prices, as `infra/facts/prices.json` has them.

    Args:
        problem: Why these are taken and not the workspace's own; empty: nobody asked for those.
    """
    prices = read("prices")
    source = f"list prices of {prices['date']}"
    return Rates(
        source=f"{source}; the workspace's own can't be read: {problem}" if problem else source,
        gpus={name: price for name, price in prices["gpu_per_hour"].items() if price is not None},
        core=prices["core_per_hour"],
        memory_gib=prices["memory_gib_per_hour"],
    )


def workspace_rates(answer: Mapping[str, Decimal]) -> Rates:
    """
    The workspace's own rates.

    Args:
        answer: What Modal says, by name; USD per hour, and names that are not known are left out.

    Raises:
        ValueError: A rate is no price, or a name that is needed is not among them.
    """
    known = {name.rstrip("!+") for name in gpu_names()}
    gpus: dict[str, float] = {}
    others: dict[str, float] = {}
    for key, rate in answer.items():
        name = "-".join("".join(c if c.isalnum() else " " for c in key.upper()).split())
        for prefix in PREFIXES:
            name = name.removeprefix(prefix)
        if name in known:
            gpus[name] = _price(key, rate)
        elif name in CORE:
            others["core"] = _price(key, rate)
        elif name in MEMORY:
            others["memory_gib"] = _price(key, rate)
    if not gpus or len(others) != 2:
        raise ValueError(f"infra does not know their names: {', '.join(answer) or 'there is none'}")
    return Rates(source="the workspace's own rates", gpus=gpus, **others)


def _price(name: str, rate: Decimal) -> float:
    price = float(rate)
    if not math.isfinite(price) or price <= 0:
        raise ValueError(f"{name} is {rate}")
    return price
