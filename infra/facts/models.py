"""What is known of a model without asking a network: figures with sources, None where unknown."""

from collections.abc import Iterable, Iterator, Mapping
from functools import cache
from typing import Any

import attrs

from infra import validators
from infra.facts.data import read
from infra.resources import ModelUse, Pairs, pairs

ESTIMATE = "estimate"
ASSUMED = "assumed, as nothing says otherwise"
STACK, FAMILY = "the stack", "its family"
MOST = 10**15  # more than any figure of a model; what is larger is a slip, or no config.json


def _count(example: int) -> Any:
    whole = validators.whole_number(1, MOST, example=example)
    return attrs.field(default=None, validator=validators.optional(whole))


def _word(pattern: str, example: str) -> Any:
    form = validators.Form(pattern, "a word")
    return attrs.field(
        default=None, validator=validators.optional(validators.text(form, example=example))
    )


def _truth() -> Any:
    return attrs.field(default=None, validator=validators.optional(validators.truth()))


@attrs.frozen(kw_only=True, cache_hash=True, repr=False)
class ModelFacts:
    """
    A model's figures; one that no source states is None.

    Attributes:
        architecture: As in its ``config.json``.
        parameters: All of them, not only the active ones.
        weight_bytes: Bytes of the weights' files.
        layers: Layers.
        heads: Attention heads.
        kv_heads: Heads of keys and values.
        head_size: Numbers in a head's key.
        value_size: Numbers in a head's value; None: as many as in its key.
        attention_layers: Layers with a KV cache; None: all, unless the model is hybrid.
        sliding_layers: Those of them that look back over a window only.
        window: Tokens of that window.
        shared_layers: Those of them, the last ones, that read the KV cache of others; vLLM keeps
            none for them, SGLang does.
        latent_size: Numbers that multi-head latent attention (MLA) keeps of a token in each layer,
            in place of keys and values.
        state_bytes: Bytes of the state that a request has in the layers without attention, in the
            types that the engine takes by itself.
        draft_layers: Layers of the model's own multi-token prediction.
        mlp_size: Numbers between the two halves of a feed-forward layer.
        expert_size: The same of one expert; None: without ``mlp_size`` not known, else there are no
            experts.
        block_size: Rows of weights that share a scale, where they are quantised in blocks.
        context_length: Tokens of the longest request, as SGLang derives them.
        vllm_length: The same as vLLM does; None: as many.
        quantization: In SGLang's words, such as ``fp8``.
        kv_dtype: The type that the quantisation asks for in the KV cache, such as ``fp8``.
        is_hybrid: Whether layers with a state (Mamba, linear attention) alternate with attention.
        is_gated: Whether the Hub asks for a token.
        config: The path of the model's ``config.json``, for the figures that are not given; from
            the folder that infra is run in.
        sources: By figure, where it is known from; what begins with "estimate" is one.
    """

    architecture: str | None = _word(r"\w{1,80}", "Qwen3ForCausalLM")
    parameters: int | None = _count(8_200_000_000)
    weight_bytes: int | None = _count(9_440_000_000)
    layers: int | None = _count(36)
    heads: int | None = _count(32)
    kv_heads: int | None = _count(8)
    head_size: int | None = _count(128)
    value_size: int | None = _count(128)
    attention_layers: int | None = _count(12)
    sliding_layers: int | None = _count(18)
    window: int | None = _count(128)
    shared_layers: int | None = _count(15)
    latent_size: int | None = _count(576)
    state_bytes: int | None = _count(49_082_368)
    draft_layers: int | None = _count(1)
    mlp_size: int | None = _count(12_288)
    expert_size: int | None = _count(1_536)
    block_size: int | None = _count(128)
    context_length: int | None = _count(40_960)
    vllm_length: int | None = _count(131_072)
    quantization: str | None = _word(r"[\w-]{1,40}", "fp8")
    kv_dtype: str | None = _word(r"[\w-]{1,40}", "fp8")
    is_hybrid: bool | None = _truth()
    is_gated: bool | None = _truth()
    config: str | None = _word(r".+", "models/qwen3.json")
    sources: Pairs = attrs.field(default=(), converter=pairs)

    def __repr__(self) -> str:
        """What is known of it; most figures of most models are not."""
        given = ((name, getattr(self, name)) for name in (*FIGURES, "config", "sources"))
        known = (f"{name}={each!r}" for name, each in given if each not in (None, ()))
        return f"{type(self).__name__}({', '.join(known)})"

    def over(self, other: "ModelFacts") -> "ModelFacts":
        """These figures, and the other's where these have none."""
        if self == ModelFacts():
            return other
        named, others = dict(self.sources), dict(other.sources)
        figures, sources = {}, {}
        for name in FIGURES:
            first = getattr(self, name)
            figures[name] = getattr(other, name) if first is None else first
            source = others.get(name) if first is None else named.get(name)
            if source is not None:
                sources[name] = source
        return ModelFacts(**figures, sources=sources)

    def sourced(self, source: str) -> "ModelFacts":
        """The same figures, each of which has that source."""
        known = (name for name in FIGURES if getattr(self, name) is not None)
        return attrs.evolve(self, sources=dict.fromkeys(known, source))

    def source(self, figure: str) -> str:
        """Where a figure is known from, or empty."""
        return dict(self.sources).get(figure, "")

    def is_estimate(self, figure: str) -> bool:
        """Whether a figure is one that nobody states."""
        return self.source(figure).startswith(ESTIMATE)

    @property
    def is_read(self) -> bool:
        """Whether they are a ``config.json``'s: what it does not name, the model does not have."""
        return self.source("is_hybrid") not in ("", STACK, FAMILY, ASSUMED)

    @property
    def kv_layers(self) -> int | None:
        """Layers with a KV cache; None: not known."""
        return self.attention_layers or (None if self.is_hybrid else self.layers)


FIGURES = tuple(
    field.name for field in attrs.fields(ModelFacts) if field.name not in ("config", "sources")
)

# What names of repositories say by custom; the first that fits.
NAMED = (
    ("nvfp4", "modelopt_fp4"),
    ("mxfp4", "mxfp4"),
    ("mxfp8", "mxfp8"),
    ("w4afp8", "w4afp8"),
    ("fp4", "modelopt_fp4"),
    ("fp8", "fp8"),
    ("awq", "awq"),
    ("gptq", "gptq"),
)


def model_of(name: str, uses: Iterable[ModelUse]) -> ModelFacts:
    """The facts of a repository: the stack's and its files', over the shipped ones."""
    for use in uses:
        if use.name == name and isinstance(use.facts, ModelFacts):
            return _completed(use.facts, name)
    return model(name)


@cache
def _completed(facts: ModelFacts, name: str) -> ModelFacts:
    return facts.over(model(name))


@cache
def model(name: str) -> ModelFacts:
    """The shipped facts of a repository, over what its family and its name tell."""
    figures: dict[str, Any] = {}
    sources: dict[str, str] = {}
    for figure, value, source in _told(name):
        if value is not None and figure not in figures:
            figures[figure], sources[figure] = value, source
    return ModelFacts(**figures, sources=sources)


def _told(name: str) -> Iterator[tuple[str, Any, str]]:
    """Figures with their sources, the best known first; None: it tells nothing of that one."""
    shipped, small = read("models"), name.lower()
    for figure, told in shipped["models"].get(name, {}).items():
        if told:
            yield figure, told["value"], told["source"]
    yield (
        "quantization",
        next((method for mark, method in NAMED if mark in small), None),
        "its name",
    )
    if not any(mark in small for mark in shipped["of_no_family"]):
        for family in shipped["families"]:
            if _is_of(name, family):
                for figure, value in family["figures"].items():
                    yield figure, value, FAMILY
    yield "is_hybrid", False, ASSUMED
    yield "is_gated", False, ASSUMED


def _is_of(name: str, family: Mapping[str, Any]) -> bool:
    """Whether a repository is of a family: one owner's, or whoever has a copy of it."""
    begins = tuple(family["names"])
    is_named = name.startswith(begins) or name.partition("/")[2].startswith(begins)
    return is_named and name.endswith(family.get("ends", ""))
