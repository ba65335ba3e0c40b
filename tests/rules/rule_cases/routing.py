"""Cases of rules: long ways and hidden queues."""

from rule_samples import Case

CASES = [
    Case(code="INF080", bad={"routing": {"region": "us-north", "proxy_regions": ["us-east"]}}),
    Case(
        code="INF081",
        bad={"routing": {"region": "us", "proxy_regions": ["us-west"]}},
        good={"routing": {"region": "us-west"}},
    ),
    Case(
        code="INF081",
        bad={"routing": {"region": "eu-north", "proxy_regions": ["us-east"]}},
        good={"routing": {"region": "eu", "proxy_regions": ["eu-west"]}},
    ),
    Case(
        code="INF081",
        bad={"routing": {"region": "jp", "proxy_regions": ["us-east"]}},
        good={"routing": {"region": "jp", "proxy_regions": ["us-west"]}},
    ),
    Case(
        code="INF081",
        bad={"routing": {"region": ["us-east", "eu"], "proxy_regions": ["us-east"]}},
        good={"routing": {"region": ["us-east", "mx"], "proxy_regions": ["us-east"]}},
    ),
    Case(code="INF081", bad={"routing": {"region": None}}),
    Case(
        code="INF082",
        bad={"flags": {"disable_radix_cache": True}},
        good={"flags": {"disable_radix_cache": True}, "routing": {"session_affinity": False}},
    ),
    Case(
        code="INF083",
        bad={"flags": {"max_running_requests": 8}},
        good={"flags": {"max_running_requests": 10}},
    ),
    Case(
        code="INF083",
        bad={
            "flags": {"max_running_requests": 8},
            "routing": {"target_inputs": None, "max_inputs": 10},
        },
        good={
            "flags": {"max_running_requests": 10},
            "routing": {"target_inputs": None, "max_inputs": 10},
        },
    ),
    Case(
        code="INF083",
        bad={
            "gpu": "H100!:4",
            "flags": {"tp_size": 1, "dp_size": 4, "max_running_requests": 2},
        },
        good={
            "gpu": "H100!:4",
            "flags": {"tp_size": 1, "dp_size": 4, "max_running_requests": 3},
        },
    ),
    Case(
        code="INF084",
        bad={"flags": {"cuda_graph_max_bs_decode": 8}},
        good={"flags": {"cuda_graph_max_bs_decode": 10}},
        elsewhere="0.5.13.post1",
    ),
    Case(
        code="INF084",
        bad={"flags": {"cuda_graph_bs_decode": [1, 2, 4]}},
        good={"flags": {"cuda_graph_bs_decode": [1, 2, 4, 10]}},
        elsewhere="0.5.13.post1",
    ),
    Case(
        code="INF084",
        bad={"flags": {"attn_dp_size": 2, "cuda_graph_max_bs_decode": 4}},
        good={"flags": {"attn_dp_size": 2, "cuda_graph_max_bs_decode": 5}},
        elsewhere="0.5.13.post1",
    ),
    Case(code="INF085", bad={"max_containers": 1}, good={"max_containers": 2}),
    Case(
        code="INF085",
        bad={"max_containers": 1, "routing": {"target_inputs": None}},
        good={"routing": {"target_inputs": None}},
    ),
    Case(
        code="INF086",
        bad={"routing": {"region": "eu-north", "proxy_regions": ["eu-west"]}},
        good={"routing": {"region": "eu-west"}},
    ),
    Case(
        code="INF086",
        bad={"routing": {"region": ["eu-west", "eu-south"]}},
        good={"routing": {"region": "eu", "proxy_regions": ["eu-west"]}},
    ),
    Case(
        code="INF086",
        bad={"routing": {"region": ["eu-north", "eu-west"]}},
        good={"routing": {"region": ["eu", "eu-north", "eu-west"], "proxy_regions": ["eu-west"]}},
    ),
    Case(
        code="INF087",
        bad={"max_containers": 4, "routing": {"target_inputs": None}},
        good={"max_containers": 4, "routing": {"target_inputs": 10}},
    ),
]
