"""The engine of a service, its command line read once for all rules."""

import re
from collections.abc import Mapping, Sequence
from functools import cache
from typing import ClassVar, Self

from components.image import engine_version
from infra.facts.flags import CATALOGUES, Parsed, Release, ordered, release
from infra.facts.gpus import Gpu, gpu
from infra.facts.models import ModelFacts, model_of
from infra.lazy import lazy
from infra.resources import Argument, Image, Service
from infra.rules import Subject

WITH_UNIT = r"(\d{1,30})(?:\.(\d{1,30}))?(\D+)"
LARGEST = 10**12  # more than that is beyond all sense
DECIMAL, BINARY = (10**3, 10**6, 10**9, 10**12), (2**10, 2**20, 2**30, 2**40)
# By engine, its units: human_readable_int of SGLang and of vLLM.
UNITS = {
    "sglang": dict(
        zip(("k", "M", "G", "T", "Ki", "Mi", "Gi", "Ti"), DECIMAL + BINARY, strict=True)
    ),
    "vllm": dict(zip("kmgtKMGT", DECIMAL + BINARY, strict=True)),
}


@cache  # the same words stand in most command lines
def whole(word: str, engine: str) -> int | None:
    """The number that an engine reads in a word: ``8192``, ``25.6k``; SGLang ``256Ki`` as well."""
    word = word.strip()
    digits = word.removeprefix("-")
    if digits.isdecimal():
        return int(word) if len(digits) <= 30 else None
    units = UNITS.get(engine, {})
    match = re.fullmatch(WITH_UNIT, word) if word.endswith(tuple(units)) else None
    if match is None or match[3] not in units:
        return None
    fraction = match[2] or ""
    scale: int = 10 ** len(fraction)
    return int(match[1] + fraction) * units[match[3]] // scale


@cache
def _sensible(word: str, engine: str) -> int | None:
    number = whole(word, engine)
    return None if number is None or abs(number) > LARGEST else number


def variables(image: Image) -> dict[str, str]:
    """The environment of a container, as the image's steps set it."""
    found: dict[str, str] = {}
    for step in image.steps:
        if step.method == "env":
            for given in (*step.args, *dict(step.kwargs).values()):
                found |= given if isinstance(given, Mapping) else {}
    return found


def base_tag(image: Image) -> str | None:
    """The registry's tag that the image starts from."""
    first = image.steps[0] if image.steps else None
    if first is None or first.method != "from_registry" or not first.args:
        return None
    return str(first.args[0])


def gpu_request(request: str) -> tuple[str, int]:
    """The type and the count of a request such as ``H100!:2``."""
    name, _, count = request.partition(":")
    return name, int(count or 1)


class Engine:
    """
    An engine in a service.

    A subclass says what is the engine's own; rules of all engines ask for nothing else. A stack
    may bring a subclass for an engine of its own, and they hold for that one, too.

    Attributes:
        service: The service.
        image: Its image.
        is_strict: Whether the stack is one that people depend on.
    """

    package: ClassVar[str] = ""  # by which pip knows it; its command begins so, too
    title: ClassVar[str] = ""
    tp_flag: ClassVar[str] = ""
    requests_flag: ClassVar[str] = ""
    context_flag: ClassVar[str] = ""
    share_flag: ClassVar[str] = ""
    image_name: ClassVar[str] = ""  # of its makers' image, whose tags name releases

    def __init__(self, service: Service, image: Image, *, is_strict: bool) -> None:
        self.service = service
        self.image = image
        self.is_strict = is_strict

    @classmethod
    def of(cls, subject: Subject) -> Self | None:
        """The engine of a service, or None where it is another one."""
        if cls is not Engine:
            found = subject.view(Engine.of)
            return found if isinstance(found, cls) else None
        for word in subject.service.entrypoint:
            command = word.rpartition("/")[2] if word[:1] == "/" else word
            package = command.partition(".")[0]
            for kind in cls.__subclasses__():
                if kind.package == package:
                    return kind(subject.service, subject.image, is_strict=subject.is_strict)
        return None

    @lazy
    def env(self) -> Mapping[str, str]:
        """The environment of a container."""
        return variables(self.image)

    @lazy
    def asked(self) -> str | None:
        """The version that the image names, or None."""
        return engine_version(self.image.steps, self.package)

    @lazy
    def release(self) -> Release:
        """The release whose flags and rules hold."""
        return release(self.package, self.asked)

    @lazy
    def parsed(self) -> Parsed:
        """The command line; of an engine without a catalogue, as it is written."""
        if self.package in CATALOGUES:
            return self.release.parse(self.argv())
        return Parsed(
            values={
                each.flag: (list(each.values) if each.values[1:] else each.values[0])
                if each.values
                else True
                for each in self.arguments
            }
        )

    @property
    def arguments(self) -> Sequence[Argument]:
        """The flags that the engine's parser reads."""
        return self.service.arguments

    def argv(self) -> list[str]:
        """The words behind those that start the engine."""
        words: list[str] = []
        for each in self.arguments:
            words += (each.flag, *each.values)
        return words

    def since(self, version: str) -> bool:
        """Whether the release is that one or a newer one."""
        return self._release_numbers >= ordered(version)[0]

    @lazy
    def _release_numbers(self) -> tuple[int, ...]:
        return ordered(self.release.version)[0]

    @lazy
    def _words(self) -> Mapping[str, str]:
        return self.parsed.words  # at hand, as rules ask for them a hundred times

    def text(self, flag: str) -> str | None:
        """The word behind a flag, or None."""
        return self._words.get(flag)

    def number(self, flag: str) -> int | None:
        """The number behind a flag; None: there is none, or one beyond all sense."""
        word = self._words.get(flag)
        return None if word is None else _sensible(word, self.package)

    def count(self, flag: str) -> int | None:
        """The number behind a flag, of things of which there is one at least; or None."""
        word = self._words.get(flag)
        found = None if word is None else _sensible(word, self.package)
        return found if found and found > 0 else None

    def real(self, flag: str) -> float | None:
        """The number behind a flag, which may have a fraction; or None."""
        word = self._words.get(flag)
        if word is None:
            return None  # as nearly always
        try:
            return float(word)
        except ValueError:
            return None

    def has(self, flag: str) -> bool:
        """Whether a switch is on."""
        return self.parsed.values.get(flag) is True

    @property
    def version(self) -> str:
        """How a message names the release."""
        is_known = self.package in CATALOGUES
        return f"{self.title} {self.asked or (self.release.version if is_known else '')}".strip()

    @lazy
    def gpu(self) -> Gpu | None:
        """The type that is asked for first, if Modal has it."""
        return gpu(gpu_request(self.service.gpu[0])[0])

    @lazy
    def gpus(self) -> tuple[Gpu, ...]:
        """The types that the service may get, as far as Modal has them."""
        names = (gpu_request(request)[0] for request in self.service.gpu)
        return tuple(found for name in dict.fromkeys(names) if (found := gpu(name)))

    @lazy
    def sm(self) -> int:
        """Its compute capability; 0: not known."""
        return self.gpu.sm if self.gpu else 0

    @lazy
    def gpu_count(self) -> int:
        """GPUs per container."""
        return gpu_request(self.service.gpu[0])[1]

    @lazy
    def model(self) -> ModelFacts:
        """What is known of the model."""
        return model_of(self.path, self.service.models)

    @lazy
    def path(self) -> str:
        """The model's repository or folder."""
        return self.service.model

    @property
    def revision(self) -> str | None:
        """The model's commit, or None."""
        return self.text("--revision")

    @property
    def draft(self) -> tuple[str | None, str | None]:
        """The draft model's repository and its commit, each None where there is none."""
        return None, None

    @property
    def draft_model(self) -> str | None:
        """The draft's repository; None: there is none, or the draft is a part of the model."""
        name, _ = self.draft
        return None if name == self.path else name

    @property
    def algorithm(self) -> str | None:
        """How tokens are guessed, or None."""
        return None

    @lazy
    def tp(self) -> int:
        """GPUs that share each tensor; all of them where the engine has no flag for it."""
        return self.count(self.tp_flag) or 1 if self.tp_flag else self.gpu_count

    @property
    def pp(self) -> int:
        """Groups of layers that GPUs share."""
        return 1

    @property
    def dp(self) -> int:
        """Copies of the model beside each other, each on GPUs of its own."""
        return 1

    @property
    def pcp(self) -> int:
        """GPUs that share a prompt's tokens, where they are not among those of `tp`."""
        return 1

    @property
    def attention_copies(self) -> int:
        """Groups of the service's GPUs among which data-parallel attention divides requests."""
        return 1

    @property
    def attention_ranks(self) -> int:
        """GPUs that share the heads of one copy of attention."""
        return self.tp // self.attention_copies or 1

    @lazy
    def quantization(self) -> str | None:
        """How the weights are quantised."""
        return self.text("--quantization") or self.model.quantization

    @property
    def no_prefix_cache(self) -> str | None:
        """The flag or the release that switches the prefix cache off, or None where it is on."""
        return None

    @property
    def kv_layers(self) -> int | None:
        """Layers with a KV cache; None: not known."""
        return self.model.kv_layers

    @property
    def kv_dtype(self) -> str | None:
        """The type of the KV cache that the engine takes from the model, or None."""
        return self.model.kv_dtype

    @property
    def requests(self) -> tuple[int | None, str]:
        """How many requests run at once, None: not known; and why, if the stack does not say it."""
        return self.count(self.requests_flag), ""

    @property
    def longest(self) -> int | None:
        """Tokens of a request for which the model is made; None: not known."""
        return self.model.context_length

    @property
    def context(self) -> int | None:
        """Tokens that a request has at the most, prompt and answer; None: not known."""
        return self.count(self.context_flag) or self.model.context_length

    @property
    def graphs(self) -> int | None:
        """The largest batch that CUDA graphs are captured for, if the stack says it."""
        return None

    @property
    def share(self) -> float | None:
        """The part of a GPU's memory for weights and KV cache; None: not known."""
        return None

    @lazy
    def hub(self) -> tuple[str, str | None]:
        """The folder of the Hub's files, and what moves it there; None: the default."""
        if found := self.text("--download-dir"):
            return found, "--download-dir"
        if found := self.env.get("HF_HUB_CACHE"):
            return found, "HF_HUB_CACHE"
        if found := self.env.get("HF_HOME"):
            return f"{found}/hub", "HF_HOME"
        return "/root/.cache/huggingface/hub", None
