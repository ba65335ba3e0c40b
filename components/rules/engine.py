"""A service on SGLang, its command line read once for all rules."""

import re
from collections.abc import Mapping
from functools import cached_property
from typing import Self

import attrs

from components.image import ENGINE_VERSION
from infra.facts.flags import Parsed, Release, ordered, release
from infra.facts.gpus import Gpu, gpu
from infra.facts.models import ModelFacts, model
from infra.resources import Image, Service
from infra.rules import Subject

PINNED_SGLANG = re.compile(r"sglang(?:\[[\w,-]+\])?==([\w.]+)")
EAGLE = ("EAGLE", "EAGLE3")


def variables(image: Image) -> dict[str, str]:
    """The environment of a container, as the image's steps set it."""
    found: dict[str, str] = {}
    for step in image.steps:
        if step.method == "env":
            for given in (*step.args, *(value for _, value in step.kwargs)):
                found |= given if isinstance(given, Mapping) else {}
    return found


def base_tag(image: Image) -> str | None:
    """The registry's tag that the image starts from."""
    first = image.steps[0] if image.steps else None
    if first is None or first.method != "from_registry" or not first.args:
        return None
    return str(first.args[0])


def packages(image: Image) -> tuple[str, ...]:
    """What pip or uv are told to install."""
    return tuple(
        word
        for step in image.steps
        if step.method in ("pip_install", "uv_pip_install")
        for given in step.args
        for word in (given if isinstance(given, list | tuple) else (given,))
        if isinstance(word, str)
    )


def engine_version(image: Image) -> str | None:
    """SGLang's version: the one that pip installs, else that of the tag."""
    for package in packages(image):
        if pinned := PINNED_SGLANG.fullmatch(package):
            return pinned[1]
    tag = (base_tag(image) or "").partition("@")[0].rpartition(":")[2]
    found = ENGINE_VERSION.match(tag)
    return found[1] if found else None


def gpu_request(request: str) -> tuple[str, int]:
    """The type and the count of a request such as ``H100!:2``."""
    name, _, count = request.partition(":")
    return name, int(count or 1)


@attrs.define(kw_only=True, eq=False, slots=False)
class Engine:
    """
    SGLang in a service.

    Attributes:
        service: The service.
        image: Its image.
        is_strict: Whether the stack is one that people depend on.
        asked: The version that the image names, or None.
        release: The release whose flags and rules hold.
        parsed: The command line.
        env: The environment of a container.
    """

    service: Service
    image: Image
    is_strict: bool
    asked: str | None
    release: Release
    parsed: Parsed
    env: Mapping[str, str]

    @classmethod
    def of(cls, subject: Subject) -> Self | None:
        """The engine, or None where it is not SGLang."""
        service = subject.service
        if not any(word.partition(".")[0] == "sglang" for word in service.entrypoint):
            return None
        asked = engine_version(subject.image)
        known = release("sglang", asked)
        return cls(
            service=service,
            image=subject.image,
            is_strict=subject.is_strict,
            asked=asked,
            release=known,
            parsed=known.parse(_argv(service)),
            env=variables(subject.image),
        )

    def since(self, version: str) -> bool:
        """Whether the release is that one or a newer one."""
        return self._numbers >= ordered(version)[0]

    @cached_property
    def _numbers(self) -> tuple[int, ...]:
        return ordered(self.release.version)[0]

    def text(self, flag: str) -> str | None:
        """The word behind a flag, or None."""
        found = self.parsed.values.get(flag)
        return found if isinstance(found, str) else None

    def number(self, flag: str) -> int | None:
        """The number behind a flag, or None."""
        found = self.text(flag)
        return int(found) if found and found.lstrip("-").isdecimal() else None

    def has(self, flag: str) -> bool:
        """Whether a switch is on."""
        return self.parsed.values.get(flag) is True

    @property
    def version(self) -> str:
        """How a message names the release."""
        return f"SGLang {self.asked or self.release.version}"

    @cached_property
    def gpu(self) -> Gpu | None:
        """The type that is asked for first, if Modal has it."""
        return gpu(gpu_request(self.service.gpu[0])[0])

    @property
    def sm(self) -> int:
        """Its compute capability; 0: not known."""
        return self.gpu.sm if self.gpu else 0

    @cached_property
    def gpu_count(self) -> int:
        """GPUs per container."""
        return gpu_request(self.service.gpu[0])[1]

    @cached_property
    def tp(self) -> int:
        """GPUs that share each tensor."""
        return self.number("--tp-size") or 1

    @cached_property
    def model(self) -> ModelFacts:
        """What is known of the model."""
        return model(self.text("--model-path") or self.service.model)

    @cached_property
    def quantization(self) -> str | None:
        """How the weights are quantised, in SGLang's words."""
        return self.text("--quantization") or self.model.quantization

    @cached_property
    def algorithm(self) -> str | None:
        """The speculative algorithm; SGLang knows NEXTN as EAGLE."""
        found = self.text("--speculative-algorithm")
        return "EAGLE" if found == "NEXTN" else found

    @property
    def is_jit_deepgemm(self) -> bool:
        """Whether DeepGEMM may compile."""
        return self.env.get("SGLANG_ENABLE_JIT_DEEPGEMM", "1").lower() in ("1", "true", "yes")

    @cached_property
    def attention(self) -> tuple[str, ...]:
        """The attention kernels that are asked for."""
        flags = (
            "--attention-backend",
            "--decode-attention-backend",
            "--prefill-attention-backend",
        )
        return tuple(found for flag in flags if (found := self.text(flag)))


def _argv(service: Service) -> list[str]:
    """The words behind the engine's first; `serve` itself takes the one that is its own."""
    return [
        word
        for argument in service.arguments
        if argument.flag != "--model-type" or service.entrypoint[-1:] != ("serve",)
        for word in (argument.flag, *argument.values)
    ]
