"""The vLLM engine: a service's command line in vLLM's own words."""

import json
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

import attrs

from components.engine import Engine
from components.flags import flag, flag_values, is_left_out
from components.image import engine_version
from infra.contribution import Contribution, ServiceFacts
from infra.resources import Argument, ImageStep

if TYPE_CHECKING:
    from components.speculative import SpeculativeDecoding
    from infra.rules import Rule

# What makes it keep what it compiles in a directory, read in vLLM 0.11.2 to 0.33.0. It sets
# TORCHINDUCTOR_CACHE_DIR itself, to a folder beside what torch.compile gives, so that is no choice.
CACHES = {
    "vllm": "VLLM_CACHE_ROOT",  # torch.compile's and Inductor's; also DeepGEMM's, if not said apart
    "deep_gemm": "DG_JIT_CACHE_DIR",
    "triton": "TRITON_CACHE_DIR",
    "flashinfer": "FLASHINFER_WORKSPACE_BASE",
}
# SGLang's names of ways to guess tokens, where vLLM has others.
METHODS = {"STANDALONE": "draft_model", "NEXTN": "mtp"}


@attrs.frozen(init=False)
class VLLM(Engine):
    """
    vLLM, of the version that the service's image names.

    ``VLLM(gpu_memory_utilization=0.9, enable_prefix_caching=False)``: keyword arguments are the
    flags of `vllm serve` with underscores, written in full and in the order given; False is
    ``--no-...``, None leaves a flag out, a dict is JSON. What the service knows itself need not be
    given: the model, ``--revision``, ``--served-model-name``, ``--host``, ``--port`` and
    ``--tensor-parallel-size`` (the GPU count).

    Attributes:
        flags: Pairs of flag and value.
    """

    flags: tuple[tuple[str, Any], ...] = attrs.field(validator=flag_values())

    def __init__(self, **flags: Any) -> None:
        self.__attrs_init__(tuple(flags.items()))

    def command(self, service: ServiceFacts) -> tuple[str, ...]:
        """The words that start it; the model is no flag of `vllm serve`."""
        return ("vllm", "serve", service.model)

    def served(self, service: ServiceFacts, port: int) -> tuple[Argument, ...]:
        """The flags that the service knows itself."""
        known = {
            "revision": service.revision,
            "served_model_name": service.model,
            "host": "0.0.0.0",
            "port": port,
        }
        return (*self.spelled(known), *self._tensor_parallelism(service))

    def contribution(self, service: ServiceFacts) -> Contribution:
        """The flags of the stack file."""
        return Contribution(arguments=self.spelled(dict(self.flags)))

    def version(self, steps: tuple[ImageStep, ...]) -> str | None:
        """Its version in an image of these steps, or None."""
        return engine_version(steps, "vllm")

    def spelled(self, flags: Mapping[str, Any]) -> tuple[Argument, ...]:
        """Keyword arguments as its flags."""
        return tuple(
            flag(f"no_{name}", True) if value is False else flag(name, value)
            for name, value in flags.items()
            if not is_left_out(value)
        )

    def rules(self) -> tuple["Rule", ...]:
        """What is known to go wrong with it."""
        from components.rules import RULES  # for plans only: a mere synth need not load them

        return RULES

    def caches(self) -> tuple[str, ...]:
        """The names of what it compiles."""
        return tuple(CACHES)

    def cache_variables(self, folders: Mapping[str, str]) -> Mapping[str, str]:
        """The variables that make it keep its caches in these folders."""
        return {CACHES[name]: folder for name, folder in folders.items()}

    def speculation(self, speculative: "SpeculativeDecoding") -> tuple[Argument, ...]:
        """The flag of speculative decoding, whose value is JSON."""
        config = {
            "method": _method(speculative),
            "model": speculative.draft_model_path,
            "revision": speculative.draft_model_revision,
            "num_speculative_tokens": _tokens(speculative),
        }
        given = {key: value for key, value in config.items() if value is not None}
        return (Argument(flag="--speculative-config", values=(json.dumps(given),)),)

    def refuses(self, speculative: "SpeculativeDecoding") -> Iterator[str]:
        """Branches, and two counts that differ: vLLM guesses one line of tokens."""
        steps, checked = speculative.num_steps, speculative.num_draft_tokens
        if speculative.eagle_topk not in (None, 1):
            yield (
                f"eagle_topk: is {speculative.eagle_topk}, and vLLM guesses one branch; 1 or None "
                "is allowed; take it out"
            )
        elif steps and checked and checked != steps + 1:
            yield (
                f"num_draft_tokens: is {checked} with num_steps {steps}, and vLLM checks what it "
                f"guessed and one token more; {steps + 1} is allowed; take it out"
            )

    def _tensor_parallelism(self, service: ServiceFacts) -> tuple[Argument, ...]:
        if "tensor_parallel_size" in dict(self.flags):
            return ()
        return (
            Argument(
                flag="--tensor-parallel-size",
                values=(str(service.gpu_count),),
                follows="gpu",
                comment="one part of every tensor on each GPU",
            ),
        )


def _method(speculative: "SpeculativeDecoding") -> str:
    """The model's own draft layers are EAGLE without a draft model to SGLang, and mtp to vLLM."""
    if speculative.algorithm == "EAGLE" and speculative.draft_model_path is None:
        return "mtp"
    return METHODS.get(speculative.algorithm, speculative.algorithm.lower())


def _tokens(speculative: "SpeculativeDecoding") -> int | None:
    """How many tokens are guessed; what is checked is one more, which every pass gives."""
    if speculative.num_steps is None and speculative.num_draft_tokens is not None:
        return speculative.num_draft_tokens - 1
    return speculative.num_steps
