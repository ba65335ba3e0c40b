"""The flags that an engine was given, asked for by any of their names."""

import re
from collections.abc import Mapping

import attrs

from infra.facts.plain import Value

SUFFIXES = {"k": 10**3, "M": 10**6, "G": 10**9, "Ki": 2**10, "Mi": 2**20, "Gi": 2**30}


@attrs.frozen
class Flags:
    """
    Values by a flag's first name.

    Which of several names is the first one differs between an engine's releases.
    """

    values: Mapping[str, Value]

    def has(self, name: str) -> bool:
        """Whether this switch is on."""
        return self.values.get(name) is True

    def words(self, *names: str) -> list[str]:
        """The words behind one of these names."""
        value = next((self.values[name] for name in names if name in self.values), None)
        return value if isinstance(value, list) else [value] if isinstance(value, str) else []

    def text(self, *names: str) -> str | None:
        """The first of them."""
        return next(iter(self.words(*names)), None)

    def number(self, *names: str) -> int | None:
        """The same as a whole number; newer releases also take words such as ``32k``."""
        word = self.text(*names)
        if word is None:
            return None
        match = re.fullmatch(r"([\d.]+)([kMG]i?)", word.strip())
        return int(float(match[1]) * SUFFIXES[match[2]]) if match else int(word)


def at_least(version: str, other: str) -> bool:
    """Whether a release is the other one or newer; post-releases only mend their release."""
    return _numbers(version) >= _numbers(other)


def _numbers(version: str) -> tuple[int, ...]:
    return tuple(map(int, re.findall(r"\d+", version)[:3]))
