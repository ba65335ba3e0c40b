"""What a service asks of its engine: a value that spells its own command line."""

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any, Protocol

from infra.contribution import Contribution, ServiceFacts
from infra.resources import Argument, BuildCommand, ImageStep

if TYPE_CHECKING:
    from components.speculative import SpeculativeDecoding
    from infra.rules import Rule


class Engine(Protocol):
    """
    What `InferenceService(engine=...)` takes: `SGLang`, `VLLM`, or one of your own.

    The engine must answer ``GET /health`` with 200 as soon as it can serve, and OpenAI's
    ``/v1/chat/completions`` for the model's name: the container waits for the one and warms up
    with the other. A class that names this one as its base has those methods for nothing whose
    bodies are here; they say that the engine has no such thing.
    """

    def command(self, service: ServiceFacts) -> tuple[str, ...]:
        """The words that start it, before the first flag."""
        ...

    def served(self, service: ServiceFacts, port: int) -> tuple[Argument, ...]:
        """The flags that the service knows itself: model, address, parallelism."""
        ...

    def contribution(self, service: ServiceFacts) -> Contribution:
        """The flags of the stack file."""
        ...

    def version(self, steps: tuple[ImageStep, ...]) -> str | None:
        """Its version in an image of these steps, or None."""
        ...

    def spelled(self, flags: Mapping[str, Any]) -> tuple[Argument, ...]:
        """Keyword arguments as its flags."""
        ...

    def rules(self) -> tuple["Rule", ...]:
        """What is known to go wrong with it."""
        return ()

    def caches(self) -> tuple[str, ...]:
        """The names of what it compiles and `KernelCache` can keep."""
        return ()

    def cache_variables(self, folders: Mapping[str, str]) -> Mapping[str, str]:
        """The variables that make it keep its caches, by their names, in these folders."""
        return {}

    def compilation(self) -> BuildCommand | None:
        """What compiles DeepGEMM's kernels before a container starts; None: nothing does."""
        return None

    def speculation(self, speculative: "SpeculativeDecoding") -> tuple[Argument, ...]:
        """The flags of speculative decoding."""
        return ()

    def refuses(self, speculative: "SpeculativeDecoding") -> Iterator[str]:
        """What of speculative decoding it can't express, as problems that begin with the field."""
        yield "algorithm: is not known to this engine; None is allowed; take speculative= out"
