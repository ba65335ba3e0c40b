"""The size of a model, from its figures or else from its name."""

import re

import attrs

from infra.facts.models import ModelFacts

# Bytes per parameter as stored. NVFP4 has 4 bits and a scale of 8 bits for 16 of them; the other
# 4-bit formats are taken to be alike.
FORMATS = (
    (re.compile(r"fp4|awq|gptq|int4|w4a16|4bit"), 0.5625),
    (re.compile(r"fp8|int8|w8a8|8bit"), 1.0),
)
UNQUANTIZED = 2.0
BILLIONS = re.compile(r"(?<![a-z0-9.])(a?)(\d+(?:\.\d+)?)([bm])(?![a-z0-9])")
UNKNOWN = 8e9
NO_FACTS = ModelFacts()


@attrs.frozen(kw_only=True)
class Weights:
    """
    The weights of one model.

    Attributes:
        total: Parameters.
        active: Parameters that one token uses; fewer than all in a mixture of experts.
        width: Bytes per parameter, as its format has them.
        stated: Bytes of all, as its figures say; None: they don't.
        doubts: What of these is a guess, for the reader; of a model whose figures say all, nothing.
    """

    total: float
    active: float
    width: float
    stated: float | None = None
    doubts: tuple[str, ...] = attrs.field(default=(), eq=False)

    @property
    def size(self) -> float:
        """Bytes."""
        return self.total * self.width if self.stated is None else self.stated

    @classmethod
    def of(cls, model: str, facts: ModelFacts = NO_FACTS) -> "Weights":
        """
        The weights of a model; without figures as ``org/Name-8B-FP8`` or ``org/Name-550B-A55B``.

        Args:
            model: Its repository, or its path.
            facts: What is known of it.
        """
        name = model.rstrip("/").rpartition("/")[2].lower()
        found = {
            mark: float(number) * (1e9 if unit == "b" else 1e6)
            for mark, number, unit in reversed(BILLIONS.findall(name))
        }
        width = _width(facts.quantization or "") or _width(name) or UNQUANTIZED
        size = facts.weight_bytes
        total = facts.parameters or found.get("") or (size / width if size else UNKNOWN)
        weights = cls(
            total=total,
            active=min(found.get("a", total), total),
            width=width,
            stated=size if size or not facts.parameters else facts.parameters * width,
        )
        doubts = []
        if weights.stated is None:
            how = "from its name" if "" in found else "its name tells none, taken as 8B:"
            doubts.append(
                f"the size of {model!a} is not known: {how} {weights.size / 1e9:.1f} GB of weights "
                "(`infra model pull` fetches what a stack does not say)"
            )
        if facts.expert_size and "a" not in found:
            doubts.append(
                f"which share of its experts a token uses is not known: {model!a} uses all"
            )
        return attrs.evolve(weights, doubts=tuple(doubts))


def _width(words: str) -> float | None:
    return next((width for form, width in FORMATS if form.search(words)), None)
