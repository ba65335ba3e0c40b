"""The SGLang engine: a service's command line in SGLang's own words."""

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

import attrs

from components.engine import Engine
from components.flags import flag, flag_values, is_left_out
from components.image import engine_version
from infra import validators
from infra.contribution import Contribution, ServiceFacts
from infra.resources import Argument, BuildCommand, ImageStep

if TYPE_CHECKING:
    from components.speculative import SpeculativeDecoding
    from infra.rules import Rule

LAUNCH = ("sglang", "serve")

# What makes each compiler use a directory, read in SGLang 0.5.6 to 0.5.23. The defaults moved in
# 0.5.18 (~/.cache/deep_gemm became ~/.cache/sglang/deep_gemm), so the variable is always set.
CACHES = {
    "deep_gemm": "SGLANG_DG_CACHE_DIR",
    "triton": "TRITON_CACHE_DIR",
    "inductor": "TORCHINDUCTOR_CACHE_DIR",
    "flashinfer": "FLASHINFER_WORKSPACE_BASE",
    "sglang": "SGLANG_CACHE_DIR",  # torch.compile and FlashInfer's autotuning
}

# The kernels that `sglang.compile_deep_gemm` compiles depend on the shapes of the weights (model,
# quantisation, parallelism) and on the largest batch (chunked prefill); the rest of the command
# line does not matter to it. Each with its other names, which all releases have.
DEEP_GEMM_FLAGS = (
    *("--model-path", "--model"),
    "--revision",
    *("--tp-size", "--tensor-parallel-size"),
    *("--ep-size", "--expert-parallel-size", "--ep"),
    *("--dp-size", "--data-parallel-size"),
    "--enable-dp-attention",
    "--quantization",
    "--chunked-prefill-size",
    "--moe-runner-backend",
    "--fp8-gemm-backend",
    "--trust-remote-code",
)
TP = {"tp_size", "tensor_parallel_size"}


@attrs.frozen(init=False)
class SGLang(Engine):
    """
    SGLang, of the version that the service's image names.

    ``SGLang(mem_fraction_static=0.8, enable_metrics=True)``: keyword arguments are SGLang's flags
    with underscores, written in full and in the order given; False and None leave a flag out. What
    the service knows itself need not be given: ``--model-path``, ``--revision``,
    ``--served-model-name``, ``--host``, ``--port``, ``--tp-size`` (the GPU count) and
    ``--cuda-graph-max-bs`` (twice `target_inputs`, as CUDA graphs above the batch sizes that occur
    cost memory and start-up time; None leaves it to SGLang).

    Attributes:
        launch: The first words of the command line; ``sglang serve`` and
            ``python -m sglang.launch_server`` are the same from 0.5.6 on.
        flags: Pairs of flag and value.
    """

    flags: tuple[tuple[str, Any], ...] = attrs.field(validator=flag_values())
    launch: tuple[str, ...] = attrs.field(
        validator=validators.each(validators.text(example="sglang"))
    )

    def __init__(self, *, launch: tuple[str, ...] | list[str] = LAUNCH, **flags: Any) -> None:
        self.__attrs_init__(
            tuple(flags.items()), tuple(launch) if isinstance(launch, list) else launch
        )

    def problems(self) -> Iterator[str]:
        """What no field can know alone."""
        if self.launch == ():
            yield (
                "launch: is empty; the words that start the engine are allowed; "
                f"write launch={[*LAUNCH]!r}, or take it out"
            )

    def command(self, service: ServiceFacts) -> tuple[str, ...]:
        """The words that start it."""
        return self.launch

    def served(self, service: ServiceFacts, port: int) -> tuple[Argument, ...]:
        """The flags that the service knows itself."""
        revision = (
            ()
            if service.revision is None
            else (Argument(flag="--revision", values=(service.revision,)),)
        )
        return (
            Argument(flag="--model-path", values=(service.model,)),
            *revision,
            Argument(flag="--served-model-name", values=(service.model,)),
            Argument(flag="--host", values=("0.0.0.0",)),
            Argument(flag="--port", values=(str(port),)),
            *self._tensor_parallelism(service),
            *self._cuda_graph(service),
        )

    def contribution(self, service: ServiceFacts) -> Contribution:
        """The flags of the stack file."""
        return Contribution(arguments=self.spelled(dict(self.flags)))

    def version(self, steps: tuple[ImageStep, ...]) -> str | None:
        """Its version in an image of these steps, or None."""
        return engine_version(steps, "sglang")

    def spelled(self, flags: Mapping[str, Any]) -> tuple[Argument, ...]:
        """Keyword arguments as its flags; False is no flag, since SGLang's are switches."""
        return tuple(
            flag(name, value)
            for name, value in flags.items()
            if not is_left_out(value) and value is not False
        )

    def rules(self) -> tuple["Rule", ...]:
        """What is known to go wrong with it."""
        from components.rules import SGLANG  # for plans only: a mere synth need not load them

        return SGLANG

    def caches(self) -> tuple[str, ...]:
        """The names of what it compiles."""
        return tuple(CACHES)

    def cache_variables(self, folders: Mapping[str, str]) -> Mapping[str, str]:
        """The variables that make it keep its caches in these folders."""
        env = {"SGLANG_ENABLE_JIT_DEEPGEMM": "1"} if "deep_gemm" in folders else {}
        return env | {CACHES[name]: folder for name, folder in folders.items()}

    def compilation(self) -> BuildCommand:
        """What compiles DeepGEMM's kernels before a container starts."""
        return BuildCommand(
            command=("python3", "-m", "sglang.compile_deep_gemm"),
            engine_flags=DEEP_GEMM_FLAGS,
            gpu=True,
            comment="compile DeepGEMM's kernels ahead of time, on the GPU that will run them",
        )

    def speculation(self, speculative: "SpeculativeDecoding") -> tuple[Argument, ...]:
        """The flags of speculative decoding."""
        given = {
            "speculative_algorithm": speculative.algorithm,
            "speculative_draft_model_path": speculative.draft_model_path,
            "speculative_draft_model_revision": speculative.draft_model_revision,
            "speculative_num_steps": speculative.num_steps,
            "speculative_eagle_topk": speculative.eagle_topk,
            "speculative_num_draft_tokens": speculative.num_draft_tokens,
        }
        return self.spelled(given)

    def refuses(self, speculative: "SpeculativeDecoding") -> Iterator[str]:
        """Nothing: the fields are SGLang's own."""
        yield from ()

    def _tensor_parallelism(self, service: ServiceFacts) -> tuple[Argument, ...]:
        if any(name in TP for name, _ in self.flags):
            return ()
        return (
            Argument(
                flag="--tp-size",
                values=(str(service.gpu_count),),
                follows="gpu",
                comment="one part of every tensor on each GPU",
            ),
        )

    def _cuda_graph(self, service: ServiceFacts) -> tuple[Argument, ...]:
        names = {name for name, _ in self.flags}
        if service.target_inputs is None or names & {
            "cuda_graph_max_bs",
            "cuda_graph_max_bs_decode",
            "disable_cuda_graph",
        }:
            return ()
        return (
            Argument(
                flag=_cuda_graph_flag(service.engine_version),
                values=(str(2 * service.target_inputs),),
                follows="routing.target_inputs",
                comment="graphs only for batch sizes that are likely: twice target_inputs",
            ),
        )


def _cuda_graph_flag(version: str | None) -> str:
    """The flag's name changed in 0.5.14; from 0.5.20 on, the old one is ambiguous to argparse."""
    if version is not None and _numbers(version) < (0, 5, 14):
        return "--cuda-graph-max-bs"
    return "--cuda-graph-max-bs-decode"


def _numbers(version: str) -> tuple[int, ...]:
    return tuple(int(part) for part in version.split(".") if part.isdigit())
