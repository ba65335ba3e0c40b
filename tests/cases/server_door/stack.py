"""Two services of one App behind Modal's newer front door, with a part of the author's own."""

import attrs

from components import (
    ImageSpec,
    InferenceService,
    KernelCache,
    Model,
    RoutingPolicy,
    SGLang,
    SpeculativeDecoding,
    WeightCache,
)
from infra import App, Stack
from infra.contribution import Contribution, ServiceFacts
from infra.resources import Argument, Mount, Volume


@attrs.frozen
class Adapters:
    """LoRA adapters in a Volume, each of which clients ask for by its name."""

    names: tuple[str, ...]

    def contribution(self, service: ServiceFacts) -> Contribution:
        """The Volume, its place, the flags."""
        return Contribution(
            env={"ADAPTERS_OF": service.name},
            mounts=(Mount(path="/adapters", volume=Volume(name="adapters", version=2)),),
            secrets=("adapters-secret",),
            arguments=(
                Argument(flag="--enable-lora"),
                Argument(flag="--lora-paths", values=tuple(f"/adapters/{n}" for n in self.names)),
            ),
            arguments_comment="adapters, by name",
        )


FILES = "tests/cases/server_door/files"  # seen from where infra is run

IMAGE = (
    ImageSpec.from_registry("lmsysorg/sglang:v0.5.20", add_python="3.12")
    .entrypoint([])
    .apt_install("libnuma1", "numactl")
    .run_commands("rm -rf /root/.cache/huggingface", "echo \"built with 'care'\"")
    .uv_pip_install("huggingface-hub==0.36.0", extra_options="--no-deps")
    .add_local_file(f"{FILES}/motd", "/etc/motd")
    .add_local_dir(f"{FILES}/prompts", "/srv/prompts", copy=True, ignore=["**/*.bak"])
    .workdir("/srv")
)
WEIGHTS = WeightCache("huggingface-cache", secret="huggingface-secret", download_at_build=True)

chat = InferenceService(
    name="qwen3-8b",
    model=Model("Qwen/Qwen3-8B-FP8", revision="220b46e3b2180893580a4454f21f22d3ebb187d3"),
    gpu=["H200:2", "H100!:2"],
    image=IMAGE,
    weights=WEIGHTS,
    kernels=KernelCache("kernel-cache", compile_deep_gemm=True, compile_timeout=1800),
    speculative=SpeculativeDecoding.ngram(num_draft_tokens=8),
    routing=RoutingPolicy(
        front_door="server",
        region=["us-east", "us"],
        proxy_regions="us-east",
        target_inputs=10,
        max_inputs=40,
        exit_grace_period=120,
    ),
    engine=SGLang(mem_fraction_static=0.8, json_model_override_args={"rope_theta": 1e6}),
    parts=[Adapters(("law", "medicine"))],
    min_containers=1,
    max_containers=8,
    buffer_containers=2,
    scaleup_window=5,
    scaledown_window=300,
    startup_timeout=1800,
    cpu=8,
    memory=65536,
    secrets=["metrics-secret"],
    environment={"LOG_LEVEL": "info"},
)

rerank = InferenceService(
    name="reranker",
    model="Qwen/Qwen3-Reranker-0.6B",
    gpu="L4",
    image=IMAGE,
    weights=WEIGHTS,
    routing=RoutingPolicy(front_door="server", unauthenticated=True, session_affinity=False),
    engine=SGLang(is_embedding=True),
    port=30000,
)

stack = Stack("server-door", environment="main", apps=[App("example-server-door", [chat, rerank])])
