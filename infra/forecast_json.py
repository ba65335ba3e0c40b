"""Costs, estimates and findings in, plain data for JSON out."""

from typing import Any

import attrs

from infra.cost import Cost, Price, Range
from infra.estimates import Estimate
from infra.rules import Accepted, Finding

Plain = dict[str, Any]


def cost_json(found: Cost, module: str) -> Plain:
    """What a plan costs; addresses begin with `module`."""
    return {
        "currency": "USD",
        "rates": found.rates.source,
        "floor": {"before": _money(found.floor_before), "after": _money(found.floor_after)},
        "services": [
            {
                "address": module + each.address,
                "before": price_json(each.before) if each.before else None,
                "after": price_json(each.after) if each.after else None,
            }
            for each in found.services
        ],
    }


def price_json(price: Price) -> Plain:
    """What a service costs at one moment."""
    return {
        "min_containers": price.least,
        "max_containers": price.most,
        "floor": _money(price.floor),
        "replica": _money(price.replica),
        "ceiling": _money(price.ceiling),
        "unknown_gpus": list(price.unknown),
    }


def finding_json(finding: Finding) -> Plain:
    """A finding."""
    return finding._asdict()


def accepted_json(accepted: Accepted) -> Plain:
    """A finding with the reason for which it stays."""
    return {**finding_json(accepted.finding), "reason": accepted.reason}


def estimate_json(estimate: Estimate) -> Plain:
    """What is expected of a service."""
    return attrs.asdict(estimate)


def _money(found: Range | None) -> Plain | None:
    if found is None:
        return None
    month = found.per_month()
    return {
        "per_hour": [round(found.low, 4), round(found.high, 4)],
        "per_month": [round(month.low, 2), round(month.high, 2)],
    }
