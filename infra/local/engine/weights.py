"""The size of a model, read from its name."""

import re

import attrs

# Bytes per parameter as stored. NVFP4 has 4 bits and a scale of 8 bits for 16 of them; the other
# 4-bit formats are taken to be alike.
FORMATS = (
    (re.compile(r"fp4|awq|gptq|int4|w4a16|4bit"), 0.5625),
    (re.compile(r"fp8|int8|w8a8|8bit"), 1.0),
)
UNQUANTIZED = 2.0
BILLIONS = re.compile(r"(?<![a-z0-9.])(a?)(\d+(?:\.\d+)?)([bm])(?![a-z0-9])")
UNKNOWN = 8e9


@attrs.frozen(kw_only=True)
class Weights:
    """
    The weights of one model.

    Attributes:
        total: Parameters.
        active: Parameters that one token uses; fewer than all in a mixture of experts.
        width: Bytes per parameter.
        known: Whether the name says the size.
    """

    total: float
    active: float
    width: float
    known: bool = True

    @property
    def size(self) -> float:
        """Bytes."""
        return self.total * self.width

    @classmethod
    def of(cls, model: str) -> "Weights":
        """The weights of ``org/Name-8B-FP8`` or ``org/Name-550B-A55B-NVFP4``."""
        name = model.rstrip("/").rpartition("/")[2].lower()
        found = {
            mark: float(number) * (1e9 if unit == "b" else 1e6)
            for mark, number, unit in reversed(BILLIONS.findall(name))
        }
        total = found.get("", UNKNOWN)
        return cls(
            total=total,
            active=min(found.get("a", total), total),
            width=next((width for form, width in FORMATS if form.search(name)), UNQUANTIZED),
            known="" in found,
        )
