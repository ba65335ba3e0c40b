"""Cases of rules: flags that a release does not take."""

from rule_samples import Case, image, vllm_image

from components import VLLM, ImageSpec, KernelCache, SGLang

PIP = ImageSpec.debian_slim(python_version="3.12").uv_pip_install("sglang==0.5.23")

CASES = [
    Case(
        code="INF010",
        bad={"flags": {"enable_flashinfer_autotune": True}},
        good={"flags": {"disable_flashinfer_autotune": True}},
        elsewhere="0.5.6.post2",
    ),
    Case(
        code="INF010",
        bad={"flags": {"speculative_ngram_branch_length": 4}},
        good={"flags": {"speculative_ngram_max_trie_depth": 4}},
        elsewhere="0.5.9",
    ),
    Case(
        code="INF010",
        bad={"engine": SGLang(launch=["/usr/local/bin/sglang", "serve"], nonsense=3)},
        good={"engine": SGLang(launch=["/usr/local/bin/sglang", "serve"])},
    ),
    Case(
        code="INF010",
        bad={
            "image": image("0.5.18").run_commands("pip install 'sglang[all]==0.5.23'"),
            "flags": {"disable_piecewise_cuda_graph": True},
        },
        good={
            "image": image("0.5.11").run_commands("pip install 'sglang[all]==0.5.23'"),
            "flags": {"cuda_graph_backend_prefill": "disabled"},
        },
    ),
    Case(code="INF010", bad={"flags": {"enable_metrics": "yes"}}),
    Case(code="INF010", bad={"flags": {"enable_metrics": ""}}),
    Case(
        code="INF011",
        bad={"flags": {"cuda_graph_max_bs": 20}},
        good={"flags": {"cuda_graph_max_bs_decode": 20}},
        elsewhere="0.5.13.post1",
    ),
    Case(
        code="INF012",
        bad={"flags": {"reasoning_parser": "nano_v3"}},
        good={"flags": {"reasoning_parser": "nemotron_3"}},
        elsewhere="0.5.9",
    ),
    Case(code="INF012", bad={"flags": {"context_length": "long"}}),
    Case(code="INF012", bad={"flags": {"schedule_policy": True}}),
    Case(
        code="INF013",
        bad={"flags": {"mem_fraction": 0.8}},
        good={"flags": {"mem_fraction_static": 0.8}},
    ),
    Case(
        code="INF014",
        bad={"flags": {"disable_cuda_graph": True}},
        good={"flags": {"cuda_graph_backend_decode": "disabled"}},
        elsewhere="0.5.13.post1",
    ),
    Case(
        code="INF015",
        bad={"version": "0.5.11", "flags": {"disable_piecewise_cuda_graph": True}},
        good={"version": "0.5.11"},
        elsewhere="0.5.20",
    ),
    Case(
        code="INF015",
        bad={"version": "0.5.11", "flags": {"piecewise_cuda_graph_max_tokens=100": True}},
        good={"version": "0.5.11", "engine": SGLang()},
        elsewhere="0.5.20",
    ),
    Case(code="INF016", bad={"version": "0.5.99"}, elsewhere="0.5.23"),
    Case(
        code="INF016",
        bad={"image": image("0.5.11").uv_pip_install("sglang>=0.5.20")},
        good={"image": image("0.5.23").uv_pip_install("sglang>=0.5.20")},
    ),
    Case(
        code="INF016",
        bad={"image": image().run_commands("true").from_registry("my/engine:7")},
        good={"image": PIP},
    ),
    Case(
        code="INF018",
        bad={"image": vllm_image()},
        good={"image": vllm_image().uv_pip_install("sglang==0.5.23")},
    ),
    Case(
        code="INF018",
        bad={"engine": VLLM(), "kernels": KernelCache("vllm-cache"), "image": image()},
        good={"engine": VLLM(), "image": vllm_image()},
    ),
    Case(
        code="INF017",
        bad={
            "flags": {"enable_hierarchical_cache": True, "disable_radix_cache": True},
            "routing": {"session_affinity": False},
        },
        good={"flags": {"enable_hierarchical_cache": True}},
    ),
    Case(
        code="INF017",
        bad={"flags": {"chunked_prefill_size": 1000, "page_size": 64}},
        good={"flags": {"chunked_prefill_size": 1024, "page_size": 64}},
    ),
    Case(
        code="INF017",
        bad={"flags": {"enable_memory_saver": True}},
        good={"flags": {"enable_memory_saver": True, "enable_weights_cpu_backup": True}},
    ),
]
