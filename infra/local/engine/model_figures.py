"""The figures of models that a plan has reckoned with, kept in a file for the stand-ins."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import attrs

from infra.facts.models import FIGURES, ModelFacts, model

FILE = "models.json"  # beside the state of the control plane
VARIABLE = "INFRA_SIMULATED_MODELS"  # the file's path, for a stand-in
LARGEST = 2**20  # bytes; a model's figures take some hundred


def keep(root: Path, known: Mapping[str, ModelFacts]) -> None:
    """
    Add models to the file, in the place of what it says of them.

    Args:
        root: Folder of the state.
        known: Figures by repository; of a model without any, what comes with infra is taken.
    """
    path = root / FILE
    try:
        kept = _read(path)
    except ValueError:
        kept = {}  # whatever that was, a stand-in could not use it
    # Of what is not the stack's any more, nothing may stay.
    kept |= {name: _plain(facts) for name, facts in known.items()}
    text = json.dumps({name: facts for name, facts in sorted(kept.items()) if facts}, indent=1)
    if path.exists() and path.read_text(encoding="utf-8") == text:
        return
    root.mkdir(mode=0o700, parents=True, exist_ok=True)
    temporary = path.with_name(f"{FILE}.new")
    temporary.write_text(text, encoding="utf-8")
    temporary.replace(path)


def facts_of(name: str, file: str) -> ModelFacts:
    """
    What is known of a model: what the file says of it, over what comes with infra.

    Args:
        name: Its repository.
        file: The file's path; empty: there is none.

    Raises:
        ValueError: The file is none that `keep` has written.
    """
    plain = _read(Path(file)).get(name, {}) if file else {}
    if not plain.keys() <= {*FIGURES}:
        raise ValueError(f"{file}: {name} has figures that no model has")
    try:
        return ModelFacts(**plain).over(model(name))
    except (TypeError, ValueError) as error:
        raise ValueError(f"{file}: {error}") from error


def _plain(facts: ModelFacts) -> dict[str, Any]:
    given = attrs.asdict(facts)
    return {name: given[name] for name in FIGURES if given[name] is not None}


def _read(path: Path) -> dict[str, dict[str, Any]]:
    try:
        if path.stat().st_size > LARGEST:
            raise ValueError(f"{path}: more than {LARGEST} bytes")
        held = json.loads(path.read_bytes())
    except FileNotFoundError:
        return {}
    except (OSError, ValueError, RecursionError) as error:
        raise ValueError(f"{path}: it can't be read ({error})") from error
    if not isinstance(held, dict) or not all(isinstance(each, dict) for each in held.values()):
        raise ValueError(f"{path}: it is no object of objects")
    return held
