"""What each part contributes to its service, and how a service puts its parts together."""

from typing import Any

import attrs
import modal
import pytest

from components import (
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
from components.image import engine_version
from components.sglang import DEEP_GEMM_FLAGS
from infra.contribution import Contribution, ServiceFacts
from infra.errors import Conflicts
from infra.facts.data import read
from infra.facts.flags import CATALOGUES
from infra.resources import (
    Argument,
    Autoscaler,
    BuildCommand,
    Image,
    ImageStep,
    Mount,
    Routing,
    Secret,
    Service,
    Volume,
)

FACTS = ServiceFacts(
    name="chat",
    model="Qwen/Qwen3-8B-FP8",
    revision="220b46e",
    gpu="H100!",
    gpu_count=2,
    engine_version="0.5.11",
    target_inputs=10,
    engine=SGLang(),
)
IMAGE = ImageSpec.from_registry("lmsysorg/sglang:v0.5.11")
HF_ENV = {"HF_HUB_CACHE": "/root/.cache/huggingface", "HF_XET_HIGH_PERFORMANCE": "1"}


def service(**fields: Any) -> InferenceService:
    """The least possible service, with some fields set."""
    least = {"name": "chat", "model": "Qwen/Qwen3-8B-FP8", "gpu": "H100:2", "image": IMAGE}
    return InferenceService(**least | fields)


def lowered(**fields: Any) -> tuple[Image, Service]:
    """The image and the server that a service becomes."""
    image, server = service(**fields).resources()[-2:]
    assert isinstance(image, Image)
    assert isinstance(server, Service)
    return image, server


def command(arguments: tuple[Argument, ...]) -> list[str]:
    """Flags as the engine gets them."""
    return [word for each in arguments for word in (each.flag, *each.values)]


def problems(value: Any) -> list[str]:
    """What is wrong with the fields of a value together."""
    return list(value.problems())


def test_weights_are_a_mount_and_the_variables_that_point_at_it() -> None:
    """The Hub's cache is the Volume, and downloads use the whole network."""
    assert WeightCache("hf").contribution(FACTS) == Contribution(
        env=HF_ENV,
        env_comment="the Hub's cache is the Volume",
        mounts=(Mount(path="/root/.cache/huggingface", volume=Volume(name="hf")),),
    )


def test_weights_elsewhere() -> None:
    """The variable follows the mount; the secret and the fast downloads are a choice."""
    cache = WeightCache("hf", mount_path="/hf", secret="token", high_performance=False)
    given = cache.contribution(FACTS)
    assert given.env == (("HF_HUB_CACHE", "/hf"),)
    assert given.mounts == (Mount(path="/hf", volume=Volume(name="hf")),)
    assert given.secrets == ("token",)


@pytest.mark.parametrize(
    ("revision", "words"), [(None, ()), ("220b46e", ("--revision", "220b46e"))]
)
def test_weights_at_build_time(revision: str | None, words: tuple[str, ...]) -> None:
    """The build downloads the very revision that is served, and needs no GPU for it."""
    facts = FACTS._replace(revision=revision)
    (build,) = WeightCache("hf", download_at_build=True).contribution(facts).builds
    assert build.command == ("hf", "download", "Qwen/Qwen3-8B-FP8", *words)
    assert not build.gpu


def test_the_draft_is_downloaded_beside_its_model() -> None:
    """Else the first container would fetch it; what is a folder is in no Hub."""
    built = WeightCache("hf", download_at_build=True)
    facts = FACTS._replace(draft=("some/draft", "c0ffee0"))
    assert [each.command for each in built.contribution(facts).builds] == [
        ("hf", "download", "Qwen/Qwen3-8B-FP8", "--revision", "220b46e"),
        ("hf", "download", "some/draft", "--revision", "c0ffee0"),
    ]
    assert len(built.contribution(FACTS._replace(draft=("/drafts/one", None))).builds) == 1


def test_deep_gemm_is_told_where_to_look() -> None:
    """The variable is always set: SGLang's own default moved between its versions."""
    given = KernelCache.deep_gemm("dg").contribution(FACTS)
    assert given.env == (
        ("SGLANG_ENABLE_JIT_DEEPGEMM", "1"),
        ("SGLANG_DG_CACHE_DIR", "/root/.cache/deep_gemm"),
    )
    assert given.mounts == (Mount(path="/root/.cache/deep_gemm", volume=Volume(name="dg")),)


def test_deep_gemm_is_compiled_for_the_service_s_own_flags() -> None:
    """The build runs on the service's GPU with those flags that kernels depend on."""
    (build,) = KernelCache.deep_gemm("dg", compile_timeout=60).contribution(FACTS).builds
    assert build == BuildCommand(
        command=("python3", "-m", "sglang.compile_deep_gemm"),
        engine_flags=DEEP_GEMM_FLAGS,
        gpu=True,
        timeout=60,
    )


def test_deep_gemm_is_given_flags_however_they_are_written() -> None:
    """SGLang takes other names, abbreviations and ``--flag=value`` alike; so does the build."""
    (build,) = KernelCache.deep_gemm("dg").contribution(FACTS).builds
    written = {
        "tensor_parallel_size": 8,
        "ep": 8,
        "mem_fraction_static": 0.8,
        "chunked_prefill": 16384,
        "fp8-gemm-backend=auto": True,
        "trust_remote_code": True,
        "trust_remote_code_of_nobody": True,
    }
    copied = build.copied(SGLang(**written).contribution(FACTS).arguments)
    assert [(each.flag, *each.values) for each in copied] == [
        ("--tensor-parallel-size", "8"),
        ("--ep", "8"),
        ("--chunked-prefill", "16384"),
        ("--fp8-gemm-backend=auto",),
        ("--trust-remote-code",),
    ]


def test_all_names_of_the_build_s_flags_are_known() -> None:
    """Each flag that kernels depend on stands there with all names that a release has for it."""
    for option in read(CATALOGUES["sglang"])["options"]:
        names = {*option["names"]}
        assert not names & {*DEEP_GEMM_FLAGS} or names <= {*DEEP_GEMM_FLAGS}


def test_several_kernel_caches_have_a_folder_each() -> None:
    """Compilers that share a Volume do not share a directory."""
    given = KernelCache("k", mount_path="/k", caches=["deep_gemm", "triton", "flashinfer"])
    assert given.contribution(FACTS).env == (
        ("SGLANG_ENABLE_JIT_DEEPGEMM", "1"),
        ("SGLANG_DG_CACHE_DIR", "/k/deep_gemm"),
        ("TRITON_CACHE_DIR", "/k/triton"),
        ("FLASHINFER_WORKSPACE_BASE", "/k/flashinfer"),
    )
    assert given.contribution(FACTS).builds == ()


def test_one_kernel_cache_has_the_mount_to_itself() -> None:
    """A cache alone needs no folder of its own."""
    given = KernelCache("k", mount_path="/k", caches="inductor").contribution(FACTS)
    assert given.env == (("TORCHINDUCTOR_CACHE_DIR", "/k"),)


def test_a_kernel_cache_s_variables_can_be_given() -> None:
    """Variables of the author's own replace the derived ones; none at all is a choice, too."""
    assert KernelCache("k", env={"A": "b"}).contribution(FACTS).env == (("A", "b"),)
    assert KernelCache("k", env={}).contribution(FACTS).env == ()


@pytest.mark.parametrize(
    ("speculative", "words"),
    [
        (
            SpeculativeDecoding.mtp(num_steps=5, eagle_topk=1, num_draft_tokens=6),
            "--speculative-algorithm EAGLE --speculative-num-steps 5 --speculative-eagle-topk 1 "
            "--speculative-num-draft-tokens 6",
        ),
        (SpeculativeDecoding.mtp(), "--speculative-algorithm EAGLE"),
        (
            SpeculativeDecoding.eagle3("a/draft", draft_model_revision="b7", num_steps=6),
            "--speculative-algorithm EAGLE3 --speculative-draft-model-path a/draft "
            "--speculative-draft-model-revision b7 --speculative-num-steps 6",
        ),
        (
            SpeculativeDecoding.ngram(num_draft_tokens=8),
            "--speculative-algorithm NGRAM --speculative-num-draft-tokens 8",
        ),
        (
            SpeculativeDecoding("STANDALONE", draft_model_path="a/draft"),
            "--speculative-algorithm STANDALONE --speculative-draft-model-path a/draft",
        ),
    ],
)
def test_speculative_decoding(speculative: SpeculativeDecoding, words: str) -> None:
    """Each way to speculate is the flags of SGLang for it; what is not said is left out."""
    given = speculative.contribution(FACTS)
    assert command(given.arguments) == words.split()
    assert given == Contribution(
        arguments=given.arguments, arguments_comment="speculative decoding"
    )
    assert problems(speculative) == []


@pytest.mark.parametrize(
    ("policy", "proxies"),
    [
        (RoutingPolicy(), ("us-east",)),
        (RoutingPolicy(region="eu-west"), ("eu-west",)),
        (RoutingPolicy(region=["us-west", "us"]), ("us-west",)),
        (RoutingPolicy(region="us", proxy_regions="us-west"), ("us-west",)),
        (RoutingPolicy(region=["us-west", "us-east"]), ("us-west", "us-east")),
    ],
)
def test_proxies_stand_where_the_containers_are(
    policy: RoutingPolicy, proxies: tuple[str, ...]
) -> None:
    """Without a word on proxies, those of the containers' regions are taken."""
    assert policy.routing().proxy_regions == proxies
    assert problems(policy) == []


def test_a_policy_in_modal_s_terms() -> None:
    """Every field reaches the resource; requests in flight are not cut off by default."""
    assert RoutingPolicy().routing() == Routing(
        front_door="http_server", proxy_regions=("us-east",), exit_grace_period=15
    )
    policy = RoutingPolicy(
        front_door="server",
        region="us-east",
        target_inputs=10,
        max_inputs=20,
        exit_grace_period=600,
        unauthenticated=True,
        session_affinity=False,
    )
    assert policy.routing() == Routing(
        front_door="server",
        region=("us-east",),
        proxy_regions=("us-east",),
        target_inputs=10,
        max_inputs=20,
        exit_grace_period=600,
        unauthenticated=True,
        session_affinity=False,
    )
    assert problems(policy) == []


@pytest.mark.parametrize(
    ("front_door", "seconds", "is_problem"),
    [("http_server", 25, False), ("http_server", 26, True), ("server", 3600, False),
     ("server", 3601, True)],
)  # fmt: skip
def test_the_longest_grace_period(front_door: Any, seconds: int, is_problem: bool) -> None:
    """Each front door has a limit of Modal's, the limit itself included."""
    policy = RoutingPolicy(front_door=front_door, exit_grace_period=seconds)
    assert bool(problems(policy)) is is_problem


def test_an_http_server_takes_no_hard_limit() -> None:
    """max_inputs is a problem of an http_server, as the SDK refuses it with any target."""
    for target_inputs in (None, 4):
        [problem] = problems(RoutingPolicy(target_inputs=target_inputs, max_inputs=8))
        assert problem.startswith("max_inputs: is 8, and modal refuses it for an http_server; ")

        class Chat:
            @modal.enter()
            def start(self) -> None: ...

        limited = modal.concurrent(target_inputs=target_inputs, max_inputs=8)(Chat)
        served = modal.experimental.http_server(port=8000, proxy_regions=["us-east"])(limited)
        with pytest.raises(TypeError, match="max_inputs"):
            modal.App("app").cls(serialized=True)(served)


@pytest.mark.parametrize(
    ("value", "words"),
    [
        (True, ["--some-flag"]),
        (False, []),
        (None, []),
        (0, ["--some-flag", "0"]),
        (1, ["--some-flag", "1"]),
        (0.85, ["--some-flag", "0.85"]),
        ("", ["--some-flag", ""]),
        ("a b", ["--some-flag", "a b"]),
        (["a", 1], ["--some-flag", "a", "1"]),
        (("a", "b"), ["--some-flag", "a", "b"]),
        ([], []),
        ({"b": 1, "a": [True]}, ["--some-flag", '{"a": [true], "b": 1}']),
        ({}, ["--some-flag", "{}"]),
    ],
)
def test_a_keyword_is_a_flag(value: Any, words: list[str]) -> None:
    """Python's values are SGLang's words: switches, lists and JSON included."""
    assert command(SGLang(some_flag=value).contribution(FACTS).arguments) == words
    group = EngineArguments("why", some_flag=value).contribution(FACTS)
    assert command(group.arguments) == words
    assert group.arguments_comment == "why"


def test_flags_keep_their_order() -> None:
    """The command line is in the order of the stack file."""
    given = SGLang(zeta=1, alpha=2).contribution(FACTS).arguments
    assert command(given) == ["--zeta", "1", "--alpha", "2"]


def test_what_the_service_knows_itself() -> None:
    """Model, revision, address and parallelism need not be repeated in the engine's flags."""
    given = SGLang().served(FACTS, 8000)
    assert command(given) == [
        *("--model-path", "Qwen/Qwen3-8B-FP8", "--revision", "220b46e"),
        *("--served-model-name", "Qwen/Qwen3-8B-FP8", "--host", "0.0.0.0", "--port", "8000"),
        *("--tp-size", "2", "--cuda-graph-max-bs", "20"),
    ]
    assert {each.flag: each.follows for each in given if each.follows} == {
        "--tp-size": "gpu",
        "--cuda-graph-max-bs": "routing.target_inputs",
    }
    bare = FACTS._replace(revision=None, target_inputs=None)
    assert {each.flag for each in given} - {each.flag for each in SGLang().served(bare, 1)} == {
        "--revision",
        "--cuda-graph-max-bs",
    }


@pytest.mark.parametrize(
    ("version", "flag"),
    [
        ("0.5.6.post2", "--cuda-graph-max-bs"),
        ("0.5.13", "--cuda-graph-max-bs"),
        ("0.5.14", "--cuda-graph-max-bs-decode"),
        ("0.5.20", "--cuda-graph-max-bs-decode"),
        ("0.10.0", "--cuda-graph-max-bs-decode"),
        (None, "--cuda-graph-max-bs-decode"),
    ],
)
def test_the_cuda_graph_flag_is_the_version_s_own(version: str | None, flag: str) -> None:
    """SGLang renamed the flag, and the old name became ambiguous later."""
    facts = FACTS._replace(engine_version=version)
    assert command(SGLang().served(facts, 1))[-2:] == [flag, "20"]


@pytest.mark.parametrize(
    "own",
    [
        {"cuda_graph_max_bs": 8},
        {"cuda_graph_max_bs": None},
        {"cuda_graph_max_bs_decode": 8},
        {"disable_cuda_graph": True},
    ],
)
def test_the_author_s_cuda_graphs(own: dict[str, Any]) -> None:
    """Whoever says anything about CUDA graphs is not second-guessed."""
    engine = SGLang(**own)
    assert not [each for each in engine.served(FACTS, 1) if each.follows == "routing.target_inputs"]


@pytest.mark.parametrize(
    ("tag", "version"),
    [
        ("lmsysorg/sglang:v0.5.11", "0.5.11"),
        ("lmsysorg/sglang:v0.5.6.post2-cu129-amd64-runtime", "0.5.6.post2"),
        ("localhost:5000/sglang:0.5.20-rocm", "0.5.20"),
        ("lmsysorg/sglang:latest", None),
        ("lmsysorg/sglang", None),
        ("registry:5000/sglang", None),
        ("nvidia/cuda:12.8.1-devel-ubuntu22.04", None),
        ("vllm/vllm-openai:v0.11.2", None),
    ],
)
def test_the_engine_s_version_is_in_the_tag(tag: str, version: str | None) -> None:
    """The image says which SGLang it holds; where it does not, nothing is assumed."""
    assert engine_version(ImageSpec.from_registry(tag).steps, "sglang") == version


TAGGED = ImageSpec.from_registry("lmsysorg/sglang:v0.5.11")


def test_an_image_without_a_tag_has_no_version() -> None:
    """Debian and CUDA's tag say nothing about the engine; what pip installs does."""
    for bare in (
        ImageSpec.debian_slim(python_version="3.12"),
        ImageSpec.from_registry("nvidia/cuda:12.8.1-devel-ubuntu22.04"),
        ImageSpec.debian_slim().uv_pip_install("sglang"),
    ):
        assert engine_version(bare.steps, "sglang") is None
        assert engine_version(bare.uv_pip_install("sglang[all]==0.5.9").steps, "sglang") == "0.5.9"
    tagged = TAGGED.uv_pip_install("sglang==0.5.12")
    assert engine_version(tagged.steps, "sglang") == "0.5.12"


SOURCE = "git+https://github.com/sgl-project/sglang.git"


@pytest.mark.parametrize(
    ("image", "version"),
    [
        (TAGGED.run_commands("pip install sglang==0.5.23"), "0.5.23"),
        (TAGGED.run_commands("uv pip install --system 'sglang[all]==0.5.9' a"), "0.5.9"),
        (TAGGED.uv_pip_install("sglang==0.5.12").uv_pip_install("sglang==0.5.13"), "0.5.13"),
        (TAGGED.uv_pip_install("sglang==0.5.12+cu129"), "0.5.12"),
        (TAGGED.uv_pip_install("sglang>=0.5.9"), "0.5.11"),
        (TAGGED.uv_pip_install("sglang>=0.5.20"), None),
        (TAGGED.uv_pip_install("sglang"), "0.5.11"),
        (TAGGED.run_commands("pip install -U sglang"), None),
        (TAGGED.run_commands("pip install -U transformers"), "0.5.11"),
        (TAGGED.uv_pip_install("sglang-router==0.2.0"), "0.5.11"),
        (TAGGED.uv_pip_install(f"{SOURCE}#subdirectory=python"), None),
        (TAGGED.uv_pip_install(f"{SOURCE}@v0.5.23#subdirectory=python"), "0.5.23"),
    ],
)
def test_what_is_installed_last_is_the_version(image: ImageSpec, version: str | None) -> None:
    """Pip leaves alone what is new enough; the newest, or a branch, is no version."""
    assert engine_version(image.steps, "sglang") == version


def test_an_image_is_written_as_one_writes_modal_s() -> None:
    """Every call is a step, in order; what is Modal's default is not written."""
    spec = (
        ImageSpec.from_registry("base:1", add_python="3.12")
        .entrypoint([])
        .run_commands("a", "b", gpu="H100")
        .uv_pip_install("x==1", extra_options="--no-deps")
        .apt_install("y")
        .env({"A": "1"})
        .workdir("/srv")
    )
    assert spec.steps == (
        ImageStep(method="from_registry", args=("base:1",), kwargs={"add_python": "3.12"}),
        ImageStep(method="entrypoint", args=([],)),
        ImageStep(method="run_commands", args=("a", "b"), kwargs={"gpu": "H100"}),
        ImageStep(method="uv_pip_install", args=("x==1",), kwargs={"extra_options": "--no-deps"}),
        ImageStep(method="apt_install", args=("y",)),
        ImageStep(method="env", args=({"A": "1"},)),
        ImageStep(method="workdir", args=("/srv",)),
    )
    assert spec.built() == spec.steps
    assert ImageSpec.debian_slim().steps == (ImageStep(method="debian_slim"),)
    assert problems(spec) == []


def test_a_call_on_an_image_gives_another_image() -> None:
    """An image that two services start from is not changed by either."""
    before = IMAGE.steps
    assert IMAGE.apt_install("x") != IMAGE
    assert IMAGE.steps == before


def test_mounted_files_come_last() -> None:
    """Modal mounts files when a container starts, so nothing can be built on top of them."""
    spec = (
        IMAGE.add_local_file("a", "/a")
        .add_local_dir("b", "/b", ignore=["*.pyc"])
        .add_local_dir("c", "/c", copy=True)
        .apt_install("x")
    )
    image, _ = lowered(image=spec, environment={"A": "1"})
    assert [step.method for step in image.steps] == [
        "from_registry",
        "add_local_dir",
        "apt_install",
        "env",
    ]
    assert image.files == (
        ImageStep(method="add_local_file", args=("a", "/a")),
        ImageStep(method="add_local_dir", args=("b", "/b"), kwargs={"ignore": ["*.pyc"]}),
    )


def test_steps_come_before_the_environment() -> None:
    """The image's own steps, then each part's variables, then the service's."""
    image, _ = lowered(
        image=IMAGE.apt_install("x"),
        weights=WeightCache("hf"),
        kernels=KernelCache.deep_gemm("dg"),
        environment={"A": "1"},
    )
    assert [dict(step.args[0]) for step in image.steps if step.method == "env"] == [
        HF_ENV,
        {
            "SGLANG_ENABLE_JIT_DEEPGEMM": "1",
            "SGLANG_DG_CACHE_DIR": "/root/.cache/deep_gemm",
        },
        {"A": "1"},
    ]
    assert [step.method for step in image.steps][:2] == ["from_registry", "apt_install"]


def test_the_command_line_is_in_the_order_of_the_parts() -> None:
    """What the service knows, the engine's flags, speculation, further parts."""
    _, server = lowered(
        engine=SGLang(launch=["python", "-m", "sglang.launch_server"], enable_metrics=True),
        speculative=SpeculativeDecoding.ngram(),
        parts=[EngineArguments("why", ep_size=1, moe_a2a_backend="none")],
        port=9000,
    )
    assert server.entrypoint == ("python", "-m", "sglang.launch_server")
    assert command(server.arguments) == [
        *("--model-path", "Qwen/Qwen3-8B-FP8", "--served-model-name", "Qwen/Qwen3-8B-FP8"),
        *("--host", "0.0.0.0", "--port", "9000", "--tp-size", "2", "--enable-metrics"),
        *("--speculative-algorithm", "NGRAM", "--ep-size", "1", "--moe-a2a-backend", "none"),
    ]
    comments = {each.flag: each.comment for each in server.arguments if each.comment}
    assert comments == {
        "--tp-size": "one part of every tensor on each GPU",
        "--speculative-algorithm": "speculative decoding",
        "--ep-size": "why",
    }


@pytest.mark.parametrize(
    ("gpu", "first", "count"),
    [
        ("H100", "H100", 1),
        ("H100!:2", "H100!", 2),
        ("B200+:8", "B200+", 8),
        (["H200:4", "H100:4"], "H200", 4),
    ],
)
def test_the_gpu_count_is_the_parallelism(gpu: Any, first: str, count: int) -> None:
    """Fallbacks are kept in order; parts are told of the one that is asked for first."""
    asked: list[ServiceFacts] = []

    class Asks:
        def contribution(self, service: ServiceFacts) -> Contribution:
            asked.append(service)
            return Contribution()

    _, server = lowered(gpu=gpu, parts=[Asks()])
    assert server.gpu == ((gpu,) if isinstance(gpu, str) else tuple(gpu))
    assert (asked[0].gpu, asked[0].gpu_count) == (first, count)
    assert "--tp-size" in command(server.arguments)
    assert [each.values for each in server.arguments if each.flag == "--tp-size"] == [(str(count),)]


def test_what_parts_agree_on_is_kept_once() -> None:
    """Two parts that say the same are one: variable, mount, secret and flag."""
    alike = Contribution(
        env={"A": "1"},
        mounts=(Mount(path="/v", volume=Volume(name="v")),),
        secrets=("s",),
        arguments=(Argument(flag="--x", values=("1",)),),
    )

    class One:
        def contribution(self, service: ServiceFacts) -> Contribution:
            return alike

    resources = service(
        image=IMAGE.env({"A": "1"}), parts=[One(), One()], secrets=["s"], environment={"A": "1"}
    ).resources()
    image, server = resources[-2:]
    assert isinstance(image, Image)
    assert isinstance(server, Service)
    assert resources[:-2] == (Volume(name="v"), Secret(name="s"))
    assert [step.method for step in image.steps] == ["from_registry", "env"]
    assert server.mounts == alike.mounts
    assert server.secrets == ("s",)
    assert command(server.arguments).count("--x") == 1


@pytest.mark.parametrize(
    ("first", "second"),
    [
        ({"values": ("a b",)}, {"values": ("a", "b")}),
        ({"values": ()}, {"values": ("",)}),
        ({"values": ("1",)}, {"values": ("2",)}),
    ],
)
def test_flags_that_only_look_alike_differ(first: dict[str, Any], second: dict[str, Any]) -> None:
    """Words are compared one by one, not as they would be joined."""

    @attrs.frozen
    class Own:
        given: dict[str, Any]

        def contribution(self, service: ServiceFacts) -> Contribution:
            return Contribution(arguments=(Argument(flag="--x", **self.given),))

    with pytest.raises(Conflicts, match="flag --x is set by parts"):
        service(parts=[Own(first), Own(second)]).resources()


def test_a_part_of_the_author_s_own_is_like_ours() -> None:
    """Steps, variables, mounts, secrets, flags and builds: a part may add each of them."""
    build = BuildCommand(command=("make",), gpu=True, timeout=5)

    class Own:
        def contribution(self, service: ServiceFacts) -> Contribution:
            return Contribution(
                steps=(ImageStep(method="pip_install", args=(service.name,)),),
                env={"GPUS": f"{service.gpu_count} {service.gpu}"},
                env_comment="for the sidecar",
                mounts=(Mount(path="/own", volume=Volume(name="own", version=2)),),
                secrets=("own",),
                arguments=(Argument(flag="--own"),),
                arguments_comment="mine",
                builds=(build,),
            )

    volume, secret, image, server = service(parts=[Own()]).resources()
    assert volume == Volume(name="own", version=2)
    assert secret == Secret(name="own")
    assert isinstance(image, Image)
    assert isinstance(server, Service)
    assert image.steps[1:] == (
        ImageStep(method="pip_install", args=("chat",)),
        ImageStep(method="env", args=({"GPUS": "2 H100"},)),
    )
    assert image.steps[-1].comment == "for the sidecar"
    assert image.builds == (build,)
    assert server.arguments[-1] == Argument(flag="--own")
    assert server.arguments[-1].comment == "mine"


def test_every_field_of_a_service_reaches_modal() -> None:
    """What the stack file says of containers is what the resource holds."""
    _, server = lowered(
        model=Model("a/b", revision="c"),
        min_containers=1,
        max_containers=4,
        buffer_containers=2,
        scaleup_window=5,
        scaledown_window=60,
        startup_timeout=900,
        warm_up_timeout=30,
        port=9000,
        cpu=2.5,
        memory=1024,
        secrets="token",
        class_name="Server",
        routing=RoutingPolicy(front_door="server"),
    )
    assert attrs.evolve(server, arguments=()) == Service(
        name="chat",
        class_name="Server",
        model="a/b",
        gpu=("H100:2",),
        cpu=2.5,
        memory=1024,
        secrets=("token",),
        entrypoint=("sglang", "serve"),
        arguments=(),
        port=9000,
        startup_timeout=900,
        warm_up_timeout=30,
        autoscaler=Autoscaler(
            min_containers=1,
            max_containers=4,
            buffer_containers=2,
            scaleup_window=5,
            scaledown_window=60,
        ),
        routing=RoutingPolicy(front_door="server").routing(),
    )


@pytest.mark.parametrize(
    ("name", "class_name"),
    [("qwen3-8b", "Qwen38b"), ("nemotron_3.ultra", "Nemotron3Ultra"), ("LLM", "LLM")],
)
def test_the_class_is_named_after_the_service(name: str, class_name: str) -> None:
    """The name that Modal puts into the URL is the service's, unless it is given."""
    assert lowered(name=name)[1].class_name == class_name


def test_components_are_values() -> None:
    """Two components that say the same are equal, hash alike and can't be changed."""
    assert service() == service()
    assert hash(service(environment={"A": "1"})) == hash(service(environment={"A": "1"}))
    with pytest.raises(attrs.exceptions.FrozenInstanceError):
        service().name = "other"  # type: ignore[misc]
