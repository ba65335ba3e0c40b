"""GPUs, regions, prices and caches, as their sources state them."""

import pytest

from components.routing import ROUTING_REGIONS
from infra.facts import caches
from infra.facts.data import read
from infra.facts.gpus import gpu, gpu_names, hours_per_month, region_multiplier
from infra.rates import list_rates


def test_gpus_are_found_in_any_case() -> None:
    """Modal does not mind the letters' case; what it does not have is None."""
    found = gpu("h100!")
    assert found is not None
    assert (found.name, found.sm, found.memory_mib, found.may_become) == ("H100!", 90, 81559, None)
    assert gpu("H1000") is None


def test_every_gpu_has_a_price_or_none() -> None:
    """The price list names the GPUs that there are; an unknown price is None, not nothing."""
    assert set(read("prices")["gpu_per_hour"]) == set(gpu_names())
    assert list_rates().gpu("b200") == 6.25
    assert list_rates().gpu("B300") is None


def test_the_seeds_cost_what_their_sources_say() -> None:
    """Four B200 in us are 37.50 an hour, two H100 in us-east about 10,100 a month."""
    assert 4 * 6.25 * region_multiplier(("us",)) == 37.5
    monthly = 2 * 3.95 * region_multiplier(("us-east",)) * hours_per_month()
    assert round(monthly, -2) == 10100


def test_regions_are_near_proxies_that_exist() -> None:
    """Every compute region is near one of Modal's routing regions; none costs nothing more."""
    assert tuple(read("regions")["routing"]) == ROUTING_REGIONS
    for region, facts in read("regions")["compute"].items():
        assert set(facts["routing"]) <= set(ROUTING_REGIONS), region
        assert facts["routing"], region
    assert region_multiplier(()) == 1.0
    assert region_multiplier(("us", "us-east")) == region_multiplier(("eu", "us-east")) == 1.5
    assert region_multiplier(("us-east", "us-west")) == 1.75


@pytest.mark.parametrize(
    ("version", "path"),
    [
        ("0.5.6.post2", "/root/.cache/deep_gemm"),
        ("0.5.17", "/root/.cache/deep_gemm"),
        ("0.5.18", "/root/.cache/sglang/deep_gemm"),
        ("0.5.23", "/root/.cache/sglang/deep_gemm"),
    ],
)
def test_deep_gemm_moved(version: str, path: str) -> None:
    """DeepGEMM's kernels moved with 0.5.18; the variable stayed."""
    assert caches.default("sglang", "DeepGEMM", version) == path
    assert caches.variable("sglang", "DeepGEMM") == "SGLANG_DG_CACHE_DIR"


def test_a_cache_may_come_later() -> None:
    """A release before a cache's first has none."""
    assert caches.default("sglang", "CuTe", "0.5.19") is None
