"""What of an App is live: its Functions and classes by name."""

import json
from collections.abc import Mapping

import attrs


@attrs.frozen(kw_only=True)
class Layout:
    """
    One version of an App.

    Attributes:
        functions: (function id, definition id) by name.
        classes: Class id by name.
    """

    functions: Mapping[str, tuple[str, str]]
    classes: Mapping[str, str]

    @classmethod
    def parse(cls, text: str) -> "Layout":
        fields = json.loads(text)
        functions = {name: (pair[0], pair[1]) for name, pair in fields["functions"].items()}
        return cls(functions=functions, classes=fields["classes"])

    def dump(self) -> str:
        return json.dumps({"functions": self.functions, "classes": self.classes}, sort_keys=True)

    def definition_id(self, function_id: str) -> str | None:
        """The live definition of a Function; None for one that was created and not published."""
        return next((pair[1] for pair in self.functions.values() if pair[0] == function_id), None)
