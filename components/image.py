"""The container image of a service, written as one writes a `modal.Image`."""

import re
from collections.abc import Iterable, Iterator, Sequence
from functools import cache
from typing import Self

import attrs

from infra import validators
from infra.resources import ImageStep, several

VERSION = re.compile(r"v?(\d+\.\d+\.\d+(?:\.?post\d+)?)")
SERVING = "vllm/vllm-openai"  # its entry point is `vllm serve`
SGLANG_IMAGE = "lmsysorg/sglang"
PINNED = re.compile(r"([\w.-]+)(?:\[[\w,-]+\])?==([\w.]+)(?:\+\w+)?")
# A package as pip is told of it: from a repository, perhaps at a tag; or its name, then what is
# asked of its version.
SOURCE = r"(?:git\+|-e\s+|clone\s+)\S*{}(?:\.git)?(?:@v?([\w.]+))?"
ASKED = r"(?<![\w./-]){}(?:\[[\w,-]+\])?\s*(==|>=|~=|@)\s*v?([^\s,;+\"']+)"
UPGRADE = r"(?:--upgrade|-U)\s(?:.*\s)?{}(?![\w-])"
INSTALLING = ("pip_install", "uv_pip_install", "run_commands", "dockerfile_commands")
HOSTS = ("docker.io/", "index.docker.io/", "registry-1.docker.io/")


def packages(steps: Iterable[ImageStep]) -> tuple[str, ...]:
    """What pip or uv are told to install."""
    return tuple(
        word
        for step in steps
        if step.method in ("pip_install", "uv_pip_install")
        for given in step.args
        for word in (given if isinstance(given, list | tuple) else (given,))
        if isinstance(word, str)
    )


def engine_version(steps: Sequence[ImageStep], package: str) -> str | None:
    """
    The version of a package in an image: the one that is installed last, else the base image's.

    The tag of a base image is that of the package only if its name says so; `nvidia/cuda:12.8.0`
    has no SGLang in it. None as well where what is installed is the newest, or a branch.
    """
    base = steps[0].args[0] if steps and steps[0].args else ""
    name, _, tag = str(base).partition("@")[0].rpartition(":")
    found = VERSION.match(tag) if package in name else None
    version = found[1] if found else None
    for step in steps:
        for text in _installs(step) if step.method in INSTALLING else ():
            if package in text:
                version = _installed(text, package, version)
    return version


@cache  # most services of a stack have one
def repository(tag: str) -> str:
    """A base image's name, without a tag, a digest, or the registry that is meant anyway."""
    name = tag.partition("@")[0]
    name = name[: name.rindex(":")] if ":" in name.rpartition("/")[2] else name
    host = next(filter(name.startswith, HOSTS), "")
    return name.removeprefix(host)


def _installs(step: ImageStep) -> Iterable[str]:
    """The words of a step that install Python packages."""
    if step.method in ("run_commands", "dockerfile_commands"):
        return (word for word in step.args if isinstance(word, str) and "install" in word)
    return packages((step,))


def _installed(text: str, package: str, before: str | None) -> str | None:
    """The version of a package behind an installation, which leaves alone what is new enough."""
    name = re.escape(package)
    if source := re.search(SOURCE.format(name), text):
        found = VERSION.fullmatch(source[1] or "")
        return found[1] if found else None
    if asked := re.search(ASKED.format(name), text):
        sign, version = asked.groups()
        if sign == "==":
            return version if version[:1].isdigit() else None
        is_new = sign != "@" and before is not None and _numbers(before) >= _numbers(version)
        return before if is_new else None
    return None if re.search(UPGRADE.format(name), text) else before


def _numbers(version: str) -> list[int]:
    return [int(part) for part in version.split(".") if part.isdigit()]


@attrs.frozen
class ImageSpec:
    """
    A container image; each call returns a new value with one step more, and steps keep their order.

    The methods are `modal.Image`'s, with its names and meanings, for `modal` 1.6. Files added with
    ``copy=False`` are mounted when a container starts, so they come after every other step.

    Attributes:
        steps: What is called on `modal.Image`; the first one constructs it.
    """

    steps: tuple[ImageStep, ...] = attrs.field(
        validator=validators.each(validators.instance_of(ImageStep))
    )

    @classmethod
    def from_registry(cls, tag: str, *, add_python: str | None = None) -> Self:
        """
        Start from a public image.

        Args:
            tag: Such as ``lmsysorg/sglang:v0.5.11``; the engine's version is read from it.
            add_python: Version of Python to add when the image has none.
        """
        step = ImageStep(
            method="from_registry", args=(tag,), kwargs=_given(add_python=(add_python, None))
        )
        return cls((step,))

    @classmethod
    def debian_slim(cls, *, python_version: str | None = None) -> Self:
        """Start from Debian with Python, as Modal builds it."""
        kwargs = _given(python_version=(python_version, None))
        return cls((ImageStep(method="debian_slim", kwargs=kwargs),))

    def entrypoint(self, commands: Sequence[str]) -> Self:
        """Replace the image's entry point; an empty list silences the one of the base image."""
        base = str(self.steps[0].args[:1]) if self.steps else ""
        does = "starts a server" if SERVING in base else "only writes to the log"
        comment = "" if commands else f"the base image's own one {does}"
        args = ([*several(commands)],)
        return self._then(ImageStep(method="entrypoint", args=args, comment=comment))

    def run_commands(self, *commands: str, gpu: str | None = None) -> Self:
        """Run shell commands, one layer each."""
        kwargs = _given(gpu=(gpu, None))
        return self._then(ImageStep(method="run_commands", args=commands, kwargs=kwargs))

    def uv_pip_install(self, *packages: str, extra_options: str = "") -> Self:
        """Install Python packages with uv."""
        kwargs = _given(extra_options=(extra_options, ""))
        return self._then(ImageStep(method="uv_pip_install", args=packages, kwargs=kwargs))

    def apt_install(self, *packages: str) -> Self:
        """Install Debian packages."""
        return self._then(ImageStep(method="apt_install", args=packages))

    def env(self, vars: dict[str, str]) -> Self:
        """Set environment variables."""
        return self._then(ImageStep(method="env", args=(dict(vars),)))

    def workdir(self, path: str) -> Self:
        """Set the working directory."""
        return self._then(ImageStep(method="workdir", args=(path,)))

    def add_local_file(self, local_path: str, remote_path: str, *, copy: bool = False) -> Self:
        """Add a file; `local_path` is relative to the folder that `infra` is run in."""
        kwargs = _given(copy=(copy, False))
        args = (local_path, remote_path)
        return self._then(ImageStep(method="add_local_file", args=args, kwargs=kwargs))

    def add_local_dir(
        self,
        local_path: str,
        remote_path: str,
        *,
        copy: bool = False,
        ignore: Sequence[str] = (),
    ) -> Self:
        """Add a folder; `ignore` holds patterns as in a .dockerignore file."""
        kwargs = _given(copy=(copy, False), ignore=(list(ignore), []))
        args = (local_path, remote_path)
        return self._then(ImageStep(method="add_local_dir", args=args, kwargs=kwargs))

    def problems(self) -> Iterator[str]:
        """What no field can know alone."""
        if self.steps == ():
            yield (
                "steps: are none; a base image is the least; "
                "write ImageSpec.from_registry('lmsysorg/sglang:v0.5.11'), for example"
            )
        for step in self.steps:
            for word in _words(step.args):
                if not isinstance(word, str):
                    yield (
                        f"steps: {step.method}() is given {word!r}; strings are allowed; "
                        f"write {str(word)!r}"
                    )

    def built(self) -> tuple[ImageStep, ...]:
        """The steps that are part of the image."""
        return tuple(step for step in self.steps if not _mounted(step))

    def mounted(self) -> tuple[ImageStep, ...]:
        """The files that Modal mounts when a container starts."""
        return tuple(step for step in self.steps if _mounted(step))

    def _then(self, step: ImageStep) -> Self:
        return attrs.evolve(self, steps=(*self.steps, step))


def _words(value: object) -> Iterator[object]:
    """What stands in the arguments of a step, however deep."""
    match value:
        case dict():
            yield from _words([*value, *value.values()])
        case list() | tuple():
            for item in value:
                yield from _words(item)
        case _:
            yield value


def _given(**arguments: tuple[object, object]) -> dict[str, object]:
    """The arguments that differ from Modal's default, each a pair of value and default."""
    return {name: value for name, (value, default) in arguments.items() if value != default}


def _mounted(step: ImageStep) -> bool:
    return step.method.startswith("add_local_") and not dict(step.kwargs).get("copy", False)
