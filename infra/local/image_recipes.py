"""What an Image's recipe means for a replica; nothing of it is built."""

import re
import shlex
from collections.abc import Iterable

import attrs
from modal_proto import api_pb2

from infra.local.call import Call, not_found

_BASE = re.compile(
    r"FROM (?:docker\.io/)?(?:lmsysorg/(?P<sglang>sglang)|vllm/(?P<vllm>vllm)-openai)"
    r"(?=[:@\s]|$)(?::v?(?P<version>[^-@\s]+))?"
)
_PINNED = re.compile(r"""[\s"'](sglang|vllm)(?:\[[\w,-]+\])?==v?([\w.]+)""")


@attrs.define(kw_only=True)
class Recipe:
    """
    The steps of an Image that a replica can follow.

    Attributes:
        environment: What its `env` steps set.
        folder: Where its processes start; None is Modal's own default.
        files: (Mount id, where its files go) for what was copied into the Image.
        engines: Versions of ``sglang`` and ``vllm``, as far as the Image names them.
    """

    environment: dict[str, str] = attrs.field(factory=dict)
    folder: str | None = None
    files: list[tuple[str, str]] = attrs.field(factory=list)
    engines: dict[str, str] = attrs.field(factory=dict)


def read_recipe(call: Call, image_id: str) -> Recipe:
    """The steps of an Image and, before them, of those that it is made from."""
    recipe = Recipe()
    for image in _lineage(call, image_id):
        for command in image.dockerfile_commands:
            _follow(recipe, command, image.context_mount_id)
    return recipe


def _lineage(call: Call, image_id: str) -> Iterable[api_pb2.Image]:
    row = call.one("SELECT request FROM images WHERE id = ?", image_id)
    if row is None:
        not_found(f"Image {image_id!r} not found.")
    image = api_pb2.ImageGetOrCreateRequest.FromString(row["request"]).image
    for base in image.base_images:
        yield from _lineage(call, base.image_id)
    yield image


def _follow(recipe: Recipe, command: str, context_mount_id: str) -> None:
    recipe.engines |= engines(command)
    word, _, rest = command.partition(" ")
    match word:
        case "ENV":
            recipe.environment |= _assignments(rest)
        case "WORKDIR":
            (recipe.folder,) = shlex.split(rest)
        case "COPY":
            sources = shlex.split(rest)
            # Other copies take from Modal's own Mounts or from other images: not known here.
            if context_mount_id and len(sources) == 2 and sources[0] == ".":
                recipe.files.append((context_mount_id, sources[1]))


def engines(command: str) -> dict[str, str]:
    """The versions that a base image's tag says, "latest" where it says none, or that pip gets."""
    if match := _BASE.match(command):
        return {match["sglang"] or match["vllm"]: match["version"] or "latest"}
    if command.startswith("RUN ") and " pip install " in command:
        return dict(_PINNED.findall(command))
    return {}


def _assignments(text: str) -> dict[str, str]:
    pairs = (word.partition("=") for word in shlex.split(text))
    return {name: value for name, equals, value in pairs if equals}
