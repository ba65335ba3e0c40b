"""What is known of a model without asking a network: figures with sources, None where unknown."""

import re
from collections.abc import Iterable, Mapping
from functools import cache
from typing import Any

import attrs

from infra import validators
from infra.facts.data import read
from infra.resources import ModelUse, Pairs, pairs

ESTIMATE = "estimate"
MOST = 10**15  # more than any figure of a model; what is larger is a slip, or no config.json


def _count() -> Any:
    return attrs.field(
        default=None, validator=validators.optional(validators.whole_number(1, MOST))
    )


def _word(pattern: str, example: str) -> Any:
    form = validators.Form(pattern, "a word")
    return attrs.field(
        default=None, validator=validators.optional(validators.text(form, example=example))
    )


def _truth() -> Any:
    return attrs.field(default=None, validator=validators.optional(validators.truth()))


@attrs.frozen(kw_only=True, cache_hash=True)
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
        latent_size: Numbers that multi-head latent attention (MLA) keeps of a token in each layer,
            in place of keys and values.
        state_bytes: Bytes of the state that a request has in the layers without attention, in the
            types that the engine takes by itself.
        draft_layers: Layers of the model's own multi-token prediction.
        mlp_size: Numbers between the two halves of a feed-forward layer.
        expert_size: The same of one expert.
        block_size: Rows of weights that share a scale, where they are quantised in blocks.
        context_length: Tokens.
        quantization: In SGLang's words, such as ``fp8``.
        kv_dtype: The type that the quantisation asks for in the KV cache, such as ``fp8``.
        is_hybrid: Whether layers with a state (Mamba, linear attention) alternate with attention.
        is_gated: Whether the Hub asks for a token.
        sources: By figure, where it is known from; what begins with "estimate" is one.
    """

    architecture: str | None = _word(r"\w{1,80}", "Qwen3ForCausalLM")
    parameters: int | None = _count()
    weight_bytes: int | None = _count()
    layers: int | None = _count()
    heads: int | None = _count()
    kv_heads: int | None = _count()
    head_size: int | None = _count()
    value_size: int | None = _count()
    attention_layers: int | None = _count()
    sliding_layers: int | None = _count()
    latent_size: int | None = _count()
    state_bytes: int | None = _count()
    draft_layers: int | None = _count()
    mlp_size: int | None = _count()
    expert_size: int | None = _count()
    block_size: int | None = _count()
    context_length: int | None = _count()
    quantization: str | None = _word(r"[\w-]{1,40}", "fp8")
    kv_dtype: str | None = _word(r"[\w-]{1,40}", "fp8")
    is_hybrid: bool | None = _truth()
    is_gated: bool | None = _truth()
    sources: Pairs = attrs.field(default=(), converter=pairs)

    def over(self, other: "ModelFacts") -> "ModelFacts":
        """These figures, and the other's where these have none."""
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
    def kv_layers(self) -> int | None:
        """Layers with a KV cache; None: not known."""
        return self.attention_layers or (None if self.is_hybrid else self.layers)


FIGURES = tuple(field.name for field in attrs.fields(ModelFacts) if field.name != "sources")

# What names of repositories say by custom; the first that fits.
NAMED = (
    (re.compile(r"NVFP4|FP4", re.IGNORECASE), "modelopt_fp4"),
    (re.compile(r"FP8", re.IGNORECASE), "fp8"),
    (re.compile(r"AWQ", re.IGNORECASE), "awq"),
    (re.compile(r"GPTQ", re.IGNORECASE), "gptq"),
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
    figures = {
        key: figure for key, figure in read("models")["models"].get(name, {}).items() if figure
    }
    shipped = ModelFacts(
        **{key: figure["value"] for key, figure in figures.items()},
        sources={key: figure["source"] for key, figure in figures.items()},
    )
    return shipped.over(_by_name(name))


def _by_name(name: str) -> ModelFacts:
    """What a repository's name and its family's tell."""
    family: Mapping[str, Any] = next(
        (each for each in read("models")["families"] if re.match(each["pattern"], name)), {}
    )
    named = ModelFacts(
        quantization=next((method for pattern, method in NAMED if pattern.search(name)), None)
    )
    return named.sourced("its name").over(
        ModelFacts(
            architecture=family.get("architecture"),
            is_hybrid=family.get("hybrid", False),
            is_gated=family.get("gated", False),
        ).sourced("its family" if family else "assumed, as nothing says otherwise")
    )
