"""The two published services come out of their stack files, request by request."""

import asyncio
import importlib.util
import json
import pickle
from pathlib import Path
from typing import Any

import modal
import pytest
from google.protobuf.json_format import MessageToDict

from infra.local import ControlPlane
from infra.project import open_project
from infra.target import Target

CASES = Path(__file__).parent / "cases"
NEMOTRON = "nvidia/NVIDIA-Nemotron-3-Ultra-550B-A55B-NVFP4"
QWEN_REVISION = "220b46e3b2180893580a4454f21f22d3ebb187d3"

FUNCTIONS = {
    "seed_000": {
        "function_name": "Server.*",
        "resources": {"gpu_config": {"gpu_type": "B200", "count": 4}},
        "scheduler_placement": {"regions": ["us"]},
        "autoscaler_settings": {"min_containers": 0},
        "target_concurrent_inputs": 16,
        "timeout_secs": 300,
        "startup_timeout_secs": 7200,
        "http_config": {
            "port": 8000,
            "proxy_regions": ["us-west"],
            "startup_timeout": 30,
            "exit_grace_period": 15,
        },
        "volumes": {"/root/.cache/huggingface": "huggingface-cache"},
        "secrets": ["huggingface-secret"],
    },
    "seed_001": {
        "function_name": "SGLang.*",
        "resources": {"gpu_config": {"gpu_type": "H100!", "count": 2}},
        "scheduler_placement": {"regions": ["us-east"]},
        "autoscaler_settings": {"min_containers": 0},
        "target_concurrent_inputs": 10,
        "timeout_secs": 300,
        "startup_timeout_secs": 300,
        "http_config": {
            "port": 8000,
            "proxy_regions": ["us-east"],
            "startup_timeout": 30,
            "exit_grace_period": 5,
        },
        "volumes": {
            "/root/.cache/huggingface": "huggingface-cache",
            "/root/.cache/deepgemm": "deepgemm-cache",
        },
        "secrets": [],
    },
}

# What the requests say beside the fields above: ids, and what is the same for every class.
BESIDE = {
    "module_name",
    "mount_ids",
    "image_id",
    "definition_type",
    "function_type",
    "secret_ids",
    "volume_mounts",
    "object_dependencies",
    "app_name",
    "is_class",
    "class_parameter_info",
    "method_definitions_set",
    "mount_client_dependencies",
    "implementation_name",
    "_experimental_concurrent_cancellations",
}

IMAGES = {
    "seed_000": [
        ["FROM lmsysorg/sglang:v0.5.11"],
        ["FROM base", "ENTRYPOINT []"],
        ["FROM base", "RUN rm -rf /root/.cache/huggingface"],
        [
            "FROM base",
            "ENV HF_HUB_CACHE=/root/.cache/huggingface",
            "ENV HF_XET_HIGH_PERFORMANCE=1",
        ],
        [
            "FROM base",
            "ENV SAFETENSORS_FAST_GPU=1",
            "ENV NVIDIA_TF32_OVERRIDE=1",
            "ENV SGLANG_ENABLE_JIT_DEEPGEMM=0",
            "ENV SGLANG_ENABLE_SPEC_V2=1",
        ],
    ],
    "seed_001": [
        ["FROM lmsysorg/sglang:v0.5.6.post2-cu129-amd64-runtime"],
        ["FROM base", "ENTRYPOINT []"],
        [
            "FROM base",
            "COPY --from=ghcr.io/astral-sh/uv:latest /uv /.uv/uv",
            "RUN /.uv/uv pip install --python $(command -v python) --compile-bytecode "
            "huggingface-hub==0.36.0",
        ],
        [
            "FROM base",
            "ENV HF_HUB_CACHE=/root/.cache/huggingface",
            "ENV HF_XET_HIGH_PERFORMANCE=1",
        ],
        ["FROM base", "ENV SGLANG_ENABLE_JIT_DEEPGEMM=1"],
        [],  # the build function
    ],
}

COMMANDS = {
    "seed_000": f"""
        sglang serve --model-path {NEMOTRON} --served-model-name {NEMOTRON}
        --host 0.0.0.0 --port 8000 --tp-size 4 --cuda-graph-max-bs 32 --enable-metrics
        --decode-log-interval 10 --trust-remote-code --tool-call-parser qwen3_coder
        --reasoning-parser nemotron_3
        --speculative-algorithm EAGLE --speculative-num-steps 5 --speculative-eagle-topk 1
        --speculative-num-draft-tokens 5
        --ep-size 1 --context-length 262144 --mem-fraction-static 0.85
        --chunked-prefill-size 32768 --fp8-gemm-backend triton
        --fp4-gemm-backend flashinfer_trtllm --moe-runner-backend flashinfer_trtllm
        --disable-radix-cache --disable-piecewise-cuda-graph --kv-cache-dtype fp8_e4m3
    """,
    "seed_001": f"""
        python -m sglang.launch_server --model-path Qwen/Qwen3-8B-FP8 --revision {QWEN_REVISION}
        --served-model-name Qwen/Qwen3-8B-FP8 --host 0.0.0.0 --port 8000 --tp-size 2
        --cuda-graph-max-bs 20 --enable-metrics --decode-log-interval 250
        --mem-fraction-static 0.8
        --speculative-algorithm EAGLE3 --speculative-draft-model-path Tengyunw/qwen3_8b_eagle3
        --speculative-num-steps 6 --speculative-eagle-topk 10 --speculative-num-draft-tokens 32
    """,
}
CONSTANTS = {"seed_000": "NEMOTRON_COMMAND", "seed_001": "QWEN3_8B_COMMAND"}


@pytest.fixture
def deployed(control_plane: ControlPlane, tmp_path: Path) -> Any:
    """Deploys a case's Apps with the SDK; gives the generated module's path."""
    modal.Secret.objects.create("huggingface-secret", {"HF_TOKEN": "none"})

    def deploy(case: str) -> Path:
        [artifact] = open_project(CASES / case / "stack.py").artifacts
        asyncio.run(Target(name="local", environment=None).deploy(artifact, tmp_path, tag=""))
        return tmp_path / f"{artifact.module}.py"

    return deploy


def plain(message: Any) -> dict[str, Any]:
    return MessageToDict(message, preserving_proto_field_name=True)


@pytest.mark.parametrize("case", sorted(FUNCTIONS))
def test_the_class_is_created_as_published(
    case: str, deployed: Any, control_plane: ControlPlane
) -> None:
    """Every field of the class's FunctionCreate is the published one or a known id."""
    deployed(case)
    created = [request.function for request in control_plane.requests("FunctionCreate")]
    [function] = [plain(each) for each in created if not each.is_builder_function]
    volumes = {volume.object_id: volume.name for volume in modal.Volume.objects.list()}
    secrets = {secret.object_id: secret.name for secret in modal.Secret.objects.list()}
    found = {key: value for key, value in function.items() if key not in BESIDE}
    found["volumes"] = {
        mount["mount_path"]: volumes[mount["volume_id"]] for mount in function["volume_mounts"]
    }
    found["secrets"] = [secrets[each] for each in function.get("secret_ids", [])]
    assert found == FUNCTIONS[case]


@pytest.mark.parametrize("case", sorted(IMAGES))
def test_the_image_is_built_as_published(
    case: str, deployed: Any, control_plane: ControlPlane
) -> None:
    """The image's steps are the published ones, one by one and in their order."""
    deployed(case)
    images = [request.image for request in control_plane.requests("ImageGetOrCreate")]
    assert [list(image.dockerfile_commands) for image in images] == IMAGES[case]


@pytest.mark.parametrize("case", sorted(COMMANDS))
def test_the_engine_is_started_as_published(case: str, deployed: Any) -> None:
    """The engine's command line is the published one, with flags in full, in its order."""
    path = deployed(case)
    spec = importlib.util.spec_from_file_location("published", path)
    assert spec and spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    assert getattr(module, CONSTANTS[case]) == COMMANDS[case].split()
    assert f"start_engine({CONSTANTS[case]})" in path.read_text()


def test_kernels_are_compiled_as_published(deployed: Any, control_plane: ControlPlane) -> None:
    """The build function runs the published command on the service's GPU with both Volumes."""
    deployed("seed_001")
    [builder] = [
        plain(request.function)
        for request in control_plane.requests("FunctionCreate")
        if request.function.is_builder_function
    ]
    assert builder["resources"] == {"gpu_config": {"gpu_type": "H100!", "count": 2}}
    assert builder["timeout_secs"] == 3600
    assert {mount["mount_path"] for mount in builder["volume_mounts"]} == {
        "/root/.cache/huggingface",
        "/root/.cache/deepgemm",
    }
    [image] = [
        request.image
        for request in control_plane.requests("ImageGetOrCreate")
        if request.image.HasField("build_function")
    ]
    # The SDK pickled these arguments in this very process.
    (command,), kwargs = pickle.loads(image.build_function.input.args)
    assert (command, kwargs) == (
        [
            *("python3", "-m", "sglang.compile_deep_gemm"),
            *("--model-path", "Qwen/Qwen3-8B-FP8"),
            *("--revision", QWEN_REVISION),
            *("--tp-size", "2"),
        ],
        {},
    )


def test_plain_modal_deploy_takes_the_module(
    control_plane: ControlPlane, modal_cli: Any, deployed: Any
) -> None:
    """`modal deploy` of a generated module makes the same deployment: to Modal, no change."""
    path = deployed("seed_000")
    done = modal_cli("deploy", str(path))
    assert done.returncode == 0, done.stdout + done.stderr
    assert "no changes detected" in done.stdout
    apps = json.loads(modal_cli("app", "list", "--json").stdout)
    assert [app["description"] for app in apps] == ["example-nemotron-inference"]
