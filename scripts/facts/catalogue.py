"""The options of several releases in one catalogue, each distinct option once."""

import json
from collections.abc import Mapping, Sequence
from typing import Any

Option = dict[str, Any]
ORDER = (
    *("names", "key", "kind", "message", "type", "nargs", "const", "choices", "required"),
    *("optional", "fields", "known", "default", "deprecated", "open"),
)


def releases(catalogue: Mapping[str, Any]) -> dict[str, list[Option]]:
    """The options of each release of a catalogue."""
    options = catalogue["options"]
    return {
        version: [
            {k: v for k, v in options[index].items() if k != "key"}
            for index in map(int, row.split())
        ]
        for version, row in catalogue["releases"].items()
    }


def keyed(options: Mapping[str, Sequence[Option]]) -> dict[str, list[Option]]:
    """
    The same with the name under which an option's values are given, where it isn't its first.

    That is the first name that it has in the newest release: earlier ones have put
    ``--tp-size`` and ``--tensor-parallel-size`` in the other order.

    Args:
        options: By release, oldest first.
    """
    first: dict[str, str] = {}
    for option in (option for each in reversed([*options.values()]) for option in each):
        known = first.get(option["names"][0], option["names"][0])
        for name in option["names"]:
            first.setdefault(name, known)
    return {
        version: [
            {**option, "key": first[option["names"][0]]}
            if first[option["names"][0]] in option["names"][1:]
            else option
            for option in each
        ]
        for version, each in options.items()
    }


def text(options: Mapping[str, Sequence[Option]], *, source: str, date: str) -> str:
    """
    The catalogue as a file: a line per option, and per release a line of their places.

    Args:
        options: By release, oldest first, each in the order of declaration.
        source: Where they are from.
        date: When the newest release was made, as YYYY-MM-DD.
    """
    lines = {
        version: [_line(option) for option in each] for version, each in keyed(options).items()
    }
    distinct = dict.fromkeys(line for each in lines.values() for line in each)
    in_order = sorted(distinct, key=lambda line: json.loads(line)["names"][0].lstrip("-"))
    place = {line: index for index, line in enumerate(in_order)}
    rows = [
        f'"{version}": "{" ".join(str(place[line]) for line in found)}"'
        for version, found in lines.items()
    ]
    head = f'"source": {json.dumps(source)},\n"date": {json.dumps(date)},\n"options": ['
    return "\n".join(
        ("{", head, ",\n".join(in_order), '],\n"releases": {', ",\n".join(rows), "}}\n")
    )


def _line(option: Option) -> str:
    return json.dumps({name: option[name] for name in ORDER if name in option})
