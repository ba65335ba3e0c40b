"""An engine is a value that spells its own command line, and another one needs no change here."""

import json
from collections.abc import Iterator, Mapping
from typing import Any

import attrs
import pytest

from components import (
    VLLM,
    EngineArguments,
    ImageSpec,
    InferenceService,
    KernelCache,
    Model,
    RoutingPolicy,
    SGLang,
    SpeculativeDecoding,
    WeightCache,
)
from components.engine import Engine
from components.image import engine_version
from components.rules import RULES
from components.rules import engine as views
from infra import Stack
from infra.compile import compile_app
from infra.contribution import Contribution, ServiceFacts
from infra.errors import InvalidStack
from infra.lower import lower
from infra.resources import Argument, Image, ImageStep, Service
from infra.rules import Fault, Rule, check, rule

COMMIT = "220b46e3b2180893580a4454f21f22d3ebb187d3"
IMAGE = ImageSpec.from_registry("vllm/vllm-openai:v0.33.0").entrypoint([])


def service(**fields: Any) -> InferenceService:
    """A service on vLLM, with some fields set."""
    least: dict[str, Any] = {
        "name": "chat",
        "model": Model("Qwen/Qwen3-8B-FP8", revision=COMMIT),
        "gpu": "H100:2",
        "image": IMAGE,
        "engine": VLLM(),
    }
    return InferenceService(**least | fields)


def lowered(**fields: Any) -> tuple[Image, Service]:
    """The image and the server that it becomes."""
    image, server = service(**fields).resources()[-2:]
    assert isinstance(image, Image)
    assert isinstance(server, Service)
    return image, server


def command(**fields: Any) -> list[str]:
    """The command line of the server."""
    _, server = lowered(**fields)
    return [
        *server.entrypoint,
        *(word for each in server.arguments for word in (each.flag, *each.values)),
    ]


def problems(**fields: Any) -> list[str]:
    """What is wrong with a stack of the service."""
    try:
        lower(Stack("test", services=[service(**fields)]), "test")
    except InvalidStack as invalid:
        return list(invalid.problems)
    return []


def test_what_the_service_tells_vllm() -> None:
    """The model is the first word; revision, address and parallelism need not be repeated."""
    assert command() == [
        *("vllm", "serve", "Qwen/Qwen3-8B-FP8", "--revision", COMMIT),
        *("--served-model-name", "Qwen/Qwen3-8B-FP8", "--host", "0.0.0.0", "--port", "8000"),
        *("--tensor-parallel-size", "2"),
    ]
    assert "--revision" not in command(model="Qwen/Qwen3-8B-FP8")


@pytest.mark.parametrize(
    ("value", "words"),
    [
        (True, ["--some-flag"]),
        (False, ["--no-some-flag"]),
        (None, []),
        ([], []),
        (0, ["--some-flag", "0"]),
        ("8K", ["--some-flag", "8K"]),
        (["a", 1], ["--some-flag", "a", "1"]),
        ({"mode": 3}, ["--some-flag", '{"mode": 3}']),
    ],
)
def test_a_keyword_is_a_flag_of_vllm(value: Any, words: list[str]) -> None:
    """Python's values are vLLM's words, whether the engine or a group of its flags has them."""
    assert command(engine=VLLM(some_flag=value))[len(command()) :] == words
    group = [EngineArguments("why", some_flag=value)]
    assert command(parts=group)[len(command()) :] == words


@pytest.mark.parametrize(
    ("engine", "flag", "given"),
    [
        (VLLM(tensor_parallel_size=1, pipeline_parallel_size=2), "--tensor-parallel-size", "1"),
        (SGLang(tp_size=1, pp_size=2), "--tp-size", "1"),
        (SGLang(tensor_parallel_size=1, pp_size=2), "--tensor-parallel-size", "1"),
    ],
)
def test_the_author_s_parallelism(engine: Engine, flag: str, given: str) -> None:
    """Who divides the GPUs in another way says so, and the service does not contradict."""
    words = command(engine=engine)
    assert words[words.index(flag) + 1] == given
    assert sum(word in ("--tp-size", "--tensor-parallel-size") for word in words) == 1


@pytest.mark.parametrize(
    ("image", "version"),
    [
        (IMAGE, "0.33.0"),
        (ImageSpec.from_registry("vllm/vllm-openai:v0.8.5.post1"), "0.8.5.post1"),
        (ImageSpec.debian_slim().uv_pip_install("vllm==0.31.0"), "0.31.0"),
        (ImageSpec.from_registry("nvidia/cuda:12.8.1-devel").uv_pip_install("vllm"), None),
        (ImageSpec.from_registry("lmsysorg/sglang:v0.5.11"), None),
    ],
)
def test_each_engine_reads_its_own_version(image: ImageSpec, version: str | None) -> None:
    """A tag or a package names the version of the engine that it is named after."""
    assert VLLM().version(image.steps) == engine_version(image.steps, "vllm") == version


@pytest.mark.parametrize(
    ("speculative", "config"),
    [
        (SpeculativeDecoding.mtp(num_steps=2), {"method": "mtp", "num_speculative_tokens": 2}),
        (
            SpeculativeDecoding.mtp(num_steps=3, eagle_topk=1, num_draft_tokens=4),
            {"method": "mtp", "num_speculative_tokens": 3},
        ),
        (
            SpeculativeDecoding.eagle3("a/b", draft_model_revision="c7", num_steps=3),
            {"method": "eagle3", "model": "a/b", "revision": "c7", "num_speculative_tokens": 3},
        ),
        (
            SpeculativeDecoding("EAGLE", draft_model_path="a/b", num_steps=3),
            {"method": "eagle", "model": "a/b", "num_speculative_tokens": 3},
        ),
        (
            SpeculativeDecoding.ngram(num_draft_tokens=5),
            {"method": "ngram", "num_speculative_tokens": 4},
        ),
        (
            SpeculativeDecoding("STANDALONE", draft_model_path="a/b", num_steps=4),
            {"method": "draft_model", "model": "a/b", "num_speculative_tokens": 4},
        ),
        (SpeculativeDecoding("SUFFIX"), {"method": "suffix"}),
    ],
)
def test_speculative_decoding_of_vllm(
    speculative: SpeculativeDecoding, config: dict[str, Any]
) -> None:
    """What SGLang has in six flags is one JSON object; what is checked is one more than guessed."""
    words = command(speculative=speculative)
    assert json.loads(words[words.index("--speculative-config") + 1]) == config
    assert problems(speculative=speculative) == []


@pytest.mark.parametrize(
    ("speculative", "problem"),
    [
        (
            SpeculativeDecoding.eagle3("a/b", num_steps=3, eagle_topk=4, num_draft_tokens=8),
            "eagle_topk: is 4, and vLLM guesses one branch; 1 or None is allowed; take it out",
        ),
        (
            SpeculativeDecoding.mtp(num_steps=3, num_draft_tokens=5),
            "num_draft_tokens: is 5 with num_steps 3, and vLLM checks what it guessed and one "
            "token more; 4 is allowed; take it out",
        ),
    ],
)
def test_what_vllm_can_not_express(speculative: SpeculativeDecoding, problem: str) -> None:
    """A setting without a counterpart is a problem of the stack, with the way out; not dropped."""
    assert problems(speculative=speculative) == [f"chat.speculative.{problem}"]
    assert not list(SGLang().refuses(speculative))


@pytest.mark.parametrize(
    ("kernels", "env"),
    [
        (
            KernelCache("k"),
            {
                "VLLM_CACHE_ROOT": "/root/.cache/kernels/vllm",
                "DG_JIT_CACHE_DIR": "/root/.cache/kernels/deep_gemm",
                "TRITON_CACHE_DIR": "/root/.cache/kernels/triton",
                "FLASHINFER_WORKSPACE_BASE": "/root/.cache/kernels/flashinfer",
            },
        ),
        (
            KernelCache("k", mount_path="/root/.cache/vllm", caches="vllm"),
            {"VLLM_CACHE_ROOT": "/root/.cache/vllm"},
        ),
        (KernelCache("k", env={"VLLM_CACHE_ROOT": "/x"}), {"VLLM_CACHE_ROOT": "/x"}),
    ],
)
def test_caches_of_vllm(kernels: KernelCache, env: dict[str, str]) -> None:
    """The variables are those that vLLM reads; one cache alone has the Volume to itself."""
    image, _ = lowered(kernels=kernels)
    (found,) = (step.args[0] for step in image.steps if step.method == "env")
    assert found == env


@pytest.mark.parametrize(
    ("kernels", "problem"),
    [
        (
            KernelCache("k", caches=["vllm", "inductor"]),
            "caches: 'inductor' is none of VLLM's; vllm, deep_gemm, triton, flashinfer are "
            "allowed; write one of them",
        ),
        (
            KernelCache.deep_gemm("k"),
            "compile_deep_gemm: is True, and VLLM has no command that compiles ahead; False is "
            "allowed; write KernelCache(...), which keeps what the first container compiles",
        ),
    ],
)
def test_caches_that_vllm_does_not_have(kernels: KernelCache, problem: str) -> None:
    """What the engine does not compile, or not ahead of time, is a problem of the stack."""
    assert problems(kernels=kernels) == [f"chat.kernels.{problem}"]


def test_the_module_of_vllm_waits_and_warms_up() -> None:
    """The container waits for /health on the port and warms up with the served model's name."""
    (app,) = lower(Stack("test", services=[service(port=9000, startup_timeout=600)]), "test")
    source = compile_app(app).source
    assert '*("vllm", "serve", "Qwen/Qwen3-8B-FP8"),' in source
    assert 'url = f"http://127.0.0.1:{CHAT_PORT}/health"' in source
    assert "warm_up(self.process, last_lines, url, CHAT_MODEL, timeout=120)" in source


@attrs.frozen
class Llama(Engine):
    """A third engine, of a stack's author: llama.cpp's server."""

    context: int = 4096

    def command(self, service: ServiceFacts) -> tuple[str, ...]:
        """The words that start it."""
        return ("llama-server",)

    def served(self, service: ServiceFacts, port: int) -> tuple[Argument, ...]:
        """The flags that the service knows itself."""
        return self.spelled({"hf-repo": service.model, "port": port})

    def contribution(self, service: ServiceFacts) -> Contribution:
        """The flags of the stack file."""
        return Contribution(arguments=self.spelled({"ctx-size": self.context}))

    def version(self, steps: tuple[ImageStep, ...]) -> str | None:
        """Its version."""
        return None

    def spelled(self, flags: Mapping[str, Any]) -> tuple[Argument, ...]:
        """Keyword arguments as its flags."""
        return tuple(Argument(flag=f"--{name}", values=(str(flags[name]),)) for name in flags)

    def rules(self) -> tuple[Rule, ...]:
        """Those of all engines, and one of its own."""
        return (*RULES, short_context)


class LlamaView(views.Engine):
    """The third engine as rules see it."""

    package = "llama-server"
    title = "llama.cpp"
    requests_flag = "--parallel"


@rule("LLAMA001", severity="info", source="us", view=LlamaView.of)
def short_context(engine: LlamaView) -> Iterator[Fault]:
    """
    A short context.

    Prompts are cut.
    """
    if (engine.number("--ctx-size") or 0) < 8192:
        yield Fault(what=f"{engine.text('--ctx-size')} tokens", fix="write context=8192")


def test_a_third_engine_needs_no_change() -> None:
    """An engine of the author's own is deployed, and the rules of all engines hold for it."""
    fields = {"engine": Llama(), "parts": [EngineArguments("why", parallel=4)]}
    routing = RoutingPolicy(target_inputs=10)
    third = service(weights=WeightCache("hf"), routing=routing, **fields)
    apps = lower(Stack("test", services=[third]), "test")
    assert (
        '"llama-server",\n    *("--hf-repo", "Qwen/Qwen3-8B-FP8"),' in compile_app(apps[0]).source
    )
    found = check(apps, third.rules(), accept={}, is_strict=False).findings
    codes = {each.code for each in found}
    assert {"LLAMA001", "INF050", "INF083", "INF090"} <= codes
    assert not {"INF010", "INF014", "INF015", "INF016", "INF061"} & codes
    assert problems(**fields) == []


@pytest.mark.parametrize(
    "field",
    [{"kernels": KernelCache("k", caches=["triton"])}, {"speculative": SpeculativeDecoding.mtp()}],
)
def test_what_a_third_engine_leaves_out_it_does_not_have(field: dict[str, Any]) -> None:
    """Methods that an engine inherits say that there is no such thing, before anything runs."""
    (problem,) = problems(engine=Llama(), **field)
    assert problem.startswith(f"chat.{next(iter(field))}.")
