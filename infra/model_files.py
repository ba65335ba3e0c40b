"""What files on this machine say of models: the stack's own, pulled ones, the Hub's cache."""

import json
import operator
import re
from collections.abc import Iterator, Mapping
from contextlib import suppress
from functools import cache
from pathlib import Path
from typing import Any, NoReturn

import attrs

from infra.errors import InfraError, InvalidStack
from infra.facts.models import MOST, STACK, ModelFacts
from infra.resources import AppResources, ModelUse, Service

PULLED = Path("models")  # to be committed: plans are then the same on every machine
MAIN = "main"
LARGEST = 64 * 2**20  # bytes; the index of a very large model has a few MB
COMMIT = r"[0-9a-f]{40}"
INDEX = "model.safetensors.index.json"


def pulled_file(name: str, revision: str | None) -> Path:
    """Where `infra model pull` puts a model's figures, and where plans look for them."""
    folder, file = (word.replace("/", "--") for word in (name, revision or MAIN))
    return PULLED / folder / f"{file}.json"


def with_facts(
    apps: tuple[AppResources, ...], source: str, cache_folder: Path | None
) -> tuple[AppResources, ...]:
    """
    The Apps with what is known of each service's models.

    Args:
        apps: Lowered.
        source: The stack file's name, for the message.
        cache_folder: The Hub's cache; None: it is not looked at, as only this machine has it.

    Raises:
        InvalidStack: Files that the stack names, or that were pulled, can't be read.
    """
    problems: dict[str, None] = {}

    @cache  # services often share a model
    def known(use: ModelUse) -> ModelUse:
        try:
            found = facts(use, cache_folder)
        except InfraError as error:
            problems[str(error)] = None
            return use
        return use if found == ModelFacts() else attrs.evolve(use, facts=found)

    def described(service: Service) -> Service:
        models = tuple(map(known, service.models))
        return service if models == service.models else attrs.evolve(service, models=models)

    def completed(app: AppResources) -> AppResources:
        services = tuple(map(described, app.services))
        is_news = any(map(operator.is_not, services, app.services))
        return attrs.evolve(app, services=services) if is_news else app

    found = tuple(map(completed, apps))
    if problems:
        raise InvalidStack(source, problems)
    return found


def facts(use: ModelUse, cache_folder: Path | None) -> ModelFacts:
    """
    The figures of a model: the stack's, over its file's, over pulled ones, over the cache's.

    Raises:
        InfraError: A file that the stack names, or that was pulled, can't be read.
    """
    found = ModelFacts()
    if isinstance(use.facts, ModelFacts):
        found = use.facts.sourced(STACK)
    for each in _files(use, cache_folder):
        found = found.over(each)
    return found


def _files(use: ModelUse, cache_folder: Path | None) -> Iterator[ModelFacts]:
    given = use.facts.config if isinstance(use.facts, ModelFacts) else use.facts
    if given:
        yield _read(Path(given))
    pulled = pulled_file(use.name, use.revision)
    if pulled.is_file():
        yield _read(pulled)
    if cache_folder is None:
        return
    cached = _cached(use.name, use.revision or MAIN, cache_folder)
    if cached is not None:
        with suppress(InfraError):  # it is the Hub's client's, and may be half written
            yield attrs.evolve(_read(cached)).sourced(
                f"config.json of {use.name} at {cached.parent.name[:7]}, in the Hub's cache"
            )


def _read(path: Path) -> ModelFacts:
    """The figures in a ``config.json``, or in what was pulled."""
    from infra.facts.model_config import model_facts  # most stacks have no such file

    data = read_json(path)
    if "config" in data and "model" in data:
        size = data.get("weight_bytes")
        if size is not None and not (type(size) is int and 0 < size <= MOST):
            raise InfraError(
                f"{path}: weight_bytes is {ascii(size)[:60]}; a whole number, 1 or more, is "
                "allowed; run `infra model pull` again"
            )
        return model_facts(data["config"], str(path), weight_bytes=size)
    size = weight_bytes(path.parent) if path.name == "config.json" else None
    return model_facts(data, str(path), weight_bytes=size)


def read_json(path: Path) -> dict[str, Any]:
    """
    A JSON object that somebody else has written.

    Raises:
        InfraError: It is not there, too large, or none.
    """
    try:
        if path.stat().st_size > LARGEST:
            raise ValueError(f"more than {LARGEST} bytes")
        return parse(path.read_bytes())
    except (OSError, ValueError) as error:
        so = "is not there" if isinstance(error, FileNotFoundError) else f"can't be read ({error})"
        raise InfraError(
            f"{path}: {so}; a config.json of a model is allowed; copy it from the model's "
            "repository, or run `infra model pull`"
        ) from error


def parse(text: bytes) -> dict[str, Any]:
    """
    The JSON object that a text is.

    Raises:
        ValueError: It is none.
    """

    def refuse(word: str) -> NoReturn:
        raise ValueError(f"{word} is no JSON")

    try:
        data = json.loads(text, parse_constant=refuse)
    except RecursionError as error:
        raise ValueError("it is nested too deeply") from error
    if not isinstance(data, dict):
        raise ValueError("it is no object")
    return data


def total_size(index: Mapping[str, Any]) -> int | None:
    """Bytes of all weights, as ``model.safetensors.index.json`` states them."""
    metadata = index.get("metadata")
    size = metadata.get("total_size") if isinstance(metadata, dict) else None
    if isinstance(size, float) and size.is_integer():
        size = int(size)  # as some tools write it
    return size if type(size) is int and 0 < size <= MOST else None


def weight_bytes(folder: Path) -> int | None:
    """Bytes of the weights beside a ``config.json``: as their index says, or as the files are."""
    with suppress(InfraError):
        return total_size(read_json(folder / INDEX))
    sizes = [file.stat().st_size for file in folder.glob("*.safetensors") if file.is_file()]
    return sum(sizes) or None


def _cached(name: str, revision: str, cache_folder: Path) -> Path | None:
    """The ``config.json`` of a model in the Hub's cache on this machine."""
    repository = cache_folder / f"models--{name.replace('/', '--')}"
    commit = revision
    with suppress(OSError, ValueError):
        commit = (repository / "refs" / revision).read_text(encoding="ascii").strip()
    if not re.fullmatch(COMMIT, commit):
        return None
    config = repository / "snapshots" / commit / "config.json"
    return config if config.is_file() else None


def hub_cache(environ: Mapping[str, str]) -> Path:
    """Where the Hub's client keeps its files: as huggingface_hub's own environment says."""
    home = Path(environ.get("HOME") or "~").expanduser()
    caches = Path(environ.get("XDG_CACHE_HOME") or home / ".cache")
    hub = Path(environ.get("HF_HOME") or caches / "huggingface") / "hub"
    given = environ.get("HF_HUB_CACHE") or environ.get("HUGGINGFACE_HUB_CACHE")
    return Path(given) if given else hub
