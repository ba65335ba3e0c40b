"""SGLang in a service, as rules see it."""

from collections.abc import Mapping, Sequence

from components.image import SGLANG_IMAGE
from components.rules.engine import Engine, variables, whole
from infra.lazy import lazy
from infra.resources import Argument
from infra.rules import Subject

EAGLE = ("EAGLE", "EAGLE3")
WITH_SPECULATION = 48  # requests; SGLang sets it when --max-running-requests is not given


class SGLangEngine(Engine):
    """SGLang in a service."""

    package = "sglang"
    title = "SGLang"
    tp_flag = "--tp-size"
    requests_flag = "--max-running-requests"
    context_flag = "--context-length"
    share_flag = "--mem-fraction-static"
    image_name = SGLANG_IMAGE

    @property
    def arguments(self) -> Sequence[Argument]:
        """The flags that the server reads; `serve` itself takes the one that is its own."""
        given = self.service.arguments
        if self.service.entrypoint[-1:] != ("serve",):
            return given
        return [each for each in given if each.flag != "--model-type"]

    @lazy
    def env(self) -> Mapping[str, str]:
        """The environment of a container; SGLang takes SGL_... for SGLANG_..., and before it."""
        found = variables(self.image)
        return found | {
            f"SGLANG_{name[4:]}": value for name, value in found.items() if name[:4] == "SGL_"
        }

    @lazy
    def path(self) -> str:
        """The model's repository or folder."""
        return self.text("--model-path") or self.service.model

    @lazy
    def draft(self) -> tuple[str | None, str | None]:
        """The draft model's repository and its commit."""
        prefix = "--speculative-draft-model"
        return self.text(f"{prefix}-path"), self.text(f"{prefix}-revision")

    @lazy
    def algorithm(self) -> str | None:
        """The speculative algorithm; SGLang knows NEXTN as EAGLE, and any case from 0.5.12 on."""
        found = self.text("--speculative-algorithm")
        if found and self.since("0.5.12"):
            found = found.upper()
        return "EAGLE" if found == "NEXTN" else found

    @lazy
    def pp(self) -> int:
        """Groups of layers that GPUs share."""
        return self.count("--pp-size") or 1

    @lazy
    def dp(self) -> int:
        """Copies of the model; with attention in parallel they share the GPUs."""
        return 1 if self.has("--enable-dp-attention") else self.count("--dp-size") or 1

    @lazy
    def attention_copies(self) -> int:
        """Groups of the service's GPUs among which data-parallel attention divides requests."""
        if given := self.count("--attn-dp-size"):
            return given
        return self.count("--dp-size") or 1 if self.has("--enable-dp-attention") else 1

    @lazy
    def attention_ranks(self) -> int:
        """GPUs that share the heads of one copy of attention."""
        return self.tp // (self.attention_copies * (self.count("--attn-cp-size") or 1)) or 1

    @property
    def no_prefix_cache(self) -> str | None:
        """The flag that switches the prefix cache off."""
        return "--disable-radix-cache" if self.has("--disable-radix-cache") else None

    @property
    def kv_dtype(self) -> str | None:
        """The type of the KV cache that it takes from the model: FP8, where the release does."""
        known, method = self.model.kv_dtype, self.model.quantization
        is_heard = method != "compressed-tensors" or self.since("0.5.19")
        return known if is_heard and known != "nvfp4" else None

    @property
    def requests(self) -> tuple[int | None, str]:
        """How many requests run at once; SGLang sets a number with speculative decoding."""
        if given := self.count(self.requests_flag):
            return given, ""
        if self.algorithm not in (None, "UNO"):
            return WITH_SPECULATION, ", SGLang's own number with speculative decoding"
        return None, ""

    @lazy
    def graphs(self) -> int | None:
        """The largest batch that CUDA graphs are captured for; sizes go before their maximum."""
        for name in ("--cuda-graph-bs", "--cuda-graph-bs-decode"):
            if isinstance(sizes := self.parsed.values.get(name), list):
                return max(whole(size, self.package) or 0 for size in sizes) or None
        flag = "--cuda-graph-max-bs"
        return self.count(flag) or self.count(f"{flag}-decode")

    @lazy
    def share(self) -> float | None:
        """The part of a GPU's memory for weights and KV cache, if the stack says it."""
        return self.real(self.share_flag)

    @lazy
    def ep(self) -> int:
        """GPUs that share the experts; all, where a backend sends tokens from each to each."""
        if self.text("--moe-a2a-backend") in (None, "none", "ascend_tp"):
            return self.count("--ep-size") or 1
        return self.tp

    def is_set(self, variable: str, default: str = "") -> bool:
        """Whether a variable of SGLang's is on."""
        return self.env.get(variable, default).lower() in ("1", "true", "yes", "y")

    @lazy
    def is_jit_deepgemm(self) -> bool:
        """Whether DeepGEMM may compile."""
        return self.is_set("SGLANG_ENABLE_JIT_DEEPGEMM", "1")

    @lazy
    def attention(self) -> tuple[str, ...]:
        """The attention kernels that are asked for."""
        flags = (
            "--attention-backend",
            "--decode-attention-backend",
            "--prefill-attention-backend",
        )
        return tuple(found for flag in flags if (found := self.text(flag)))


def drafting(subject: Subject) -> SGLangEngine | None:
    """SGLang in a service where it guesses tokens ahead; None: it does not, or is not there."""
    engine: SGLangEngine | None = subject.view(SGLangEngine.of)
    return engine if engine and engine.algorithm else None


def hybrid(subject: Subject) -> SGLangEngine | None:
    """SGLang with a model whose layers partly keep a state; None: another model or engine."""
    engine: SGLangEngine | None = subject.view(SGLangEngine.of)
    return engine if engine and engine.model.is_hybrid else None
