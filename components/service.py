"""One inference server: the place where its parts come together."""

import re
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import attrs

from components.engine import Engine
from components.image import ImageSpec
from components.kernels import KernelCache
from components.model import Model
from components.routing import RoutingPolicy
from components.sglang import SGLang
from components.speculative import SpeculativeDecoding
from components.weights import WeightCache
from infra import validators
from infra.contribution import Contribution, Part, ServiceFacts, merge
from infra.identifiers import class_name
from infra.resources import (
    Autoscaler,
    Image,
    ModelUse,
    Pairs,
    Resource,
    Secret,
    Service,
    pairs,
    several,
)

if TYPE_CHECKING:
    from infra.estimates import Estimate
    from infra.rules import Rule, Subject

GPU = re.compile(r"([A-Za-z0-9-]+[!+]?)(?::([1-8]))?")
# Beyond what Modal has: a slip, which must not become a table or a price.
MOST_CONTAINERS = 10_000
DAY = 86_400  # seconds


def _model(value: Any) -> Any:
    return Model(value) if isinstance(value, str) else value


@attrs.frozen(kw_only=True)
class InferenceService:
    """
    A model behind Modal's front door.

    Attributes:
        name: Its name in the stack; the constants of the generated module begin with it.
        model: What it serves; a string is a `Model` without a revision.
        gpu: A Modal GPU request such as ``H100!:2``, or several in order of preference; all with
            the same count, which is also the tensor parallelism.
        image: The container image; its tag names the engine's version.
        routing: How requests reach it.
        engine: The engine and its flags: `SGLang`, `VLLM`, or what else has their methods.
        weights: Where the weights are kept; None: nowhere, each container downloads them.
        kernels: Where compiled kernels are kept.
        speculative: Speculative decoding; None: one token per pass.
        parts: More parts, yours or ours: what has a method `contribution(service)`.
        min_containers: Containers kept running at all times; Modal bills them.
        max_containers: Containers at the most; None: Modal's own limit.
        buffer_containers: Idle containers beside the busy ones.
        scaleup_window: Seconds of demand before a container is added (front door ``server``).
        scaledown_window: Seconds that an idle container is kept, 2 to 3600; None: Modal's 60.
        startup_timeout: Seconds from a container's start until the engine is warm; None: 300.
        warm_up_timeout: Seconds of those for the first requests, which compile what is left.
        port: Port that the engine listens on.
        cpu: Cores; None leaves it to Modal.
        memory: MiB; None leaves it to Modal.
        secrets: Names of Modal Secrets.
        environment: Environment variables of the image.
        class_name: The Python class, which Modal puts into the URL; None derives it from `name`.
    """

    name: str = attrs.field(
        validator=validators.text(
            validators.Form(
                r"[A-Za-z][A-Za-z0-9._-]{0,62}",
                "a name of up to 63 letters, digits, '.', '_' and '-', a letter first,",
            ),
            example="qwen3-8b",
        )
    )
    model: Model = attrs.field(converter=_model, validator=validators.instance_of(Model))
    gpu: tuple[str, ...] = attrs.field(
        converter=several,
        validator=validators.each(
            validators.text(
                validators.Form(GPU.pattern, "a GPU, and behind a colon how many of them, 1 to 8,"),
                example="H100:2",
            ),
            one="H100:2",
        ),
    )
    image: ImageSpec = attrs.field(
        validator=validators.instance_of(
            ImageSpec, example="ImageSpec.from_registry('lmsysorg/sglang:v0.5.11')"
        )
    )
    routing: RoutingPolicy = attrs.field(
        factory=RoutingPolicy, validator=validators.instance_of(RoutingPolicy)
    )
    engine: Engine = attrs.field(
        factory=SGLang, validator=validators.has_method("served", example="engine=SGLang()")
    )
    weights: WeightCache | None = attrs.field(
        default=None, validator=validators.optional(validators.instance_of(WeightCache))
    )
    kernels: KernelCache | None = attrs.field(
        default=None, validator=validators.optional(validators.instance_of(KernelCache))
    )
    speculative: SpeculativeDecoding | None = attrs.field(
        default=None, validator=validators.optional(validators.instance_of(SpeculativeDecoding))
    )
    parts: tuple[Part, ...] = attrs.field(
        default=(),
        converter=several,
        validator=validators.each(
            validators.has_method("contribution", example="parts=[KernelCache('triton-cache')]")
        ),
    )
    min_containers: int = attrs.field(
        default=0, validator=validators.whole_number(0, MOST_CONTAINERS)
    )
    max_containers: int | None = attrs.field(
        default=None, validator=validators.optional(validators.whole_number(1, MOST_CONTAINERS))
    )
    buffer_containers: int | None = attrs.field(
        default=None, validator=validators.optional(validators.whole_number(0, MOST_CONTAINERS))
    )
    scaleup_window: int | None = attrs.field(
        default=None, validator=validators.optional(validators.whole_number(1, DAY, example=30))
    )
    scaledown_window: int | None = attrs.field(
        default=None, validator=validators.optional(validators.whole_number(2, 3600, example=300))
    )
    startup_timeout: int | None = attrs.field(
        default=None, validator=validators.optional(validators.whole_number(1, DAY, example=900))
    )
    warm_up_timeout: int = attrs.field(
        default=120, validator=validators.whole_number(1, DAY, example=120)
    )
    port: int = attrs.field(default=8000, validator=validators.whole_number(1, 65535, example=8000))
    cpu: float | None = attrs.field(
        default=None, validator=validators.optional(validators.number(0.125, 1024, example=8))
    )
    memory: int | None = attrs.field(
        default=None,
        validator=validators.optional(validators.whole_number(128, 2**24, example=32768)),
    )
    secrets: tuple[str, ...] = attrs.field(
        default=(),
        converter=several,
        validator=validators.each(
            validators.text(validators.NAME, example="my-secret"), one="my-secret"
        ),
    )
    environment: Pairs = attrs.field(default=(), converter=pairs, validator=validators.text_pairs())
    class_name: str | None = attrs.field(
        default=None,
        validator=validators.optional(
            validators.text(
                validators.Form(
                    r"[A-Z][A-Za-z0-9_]*", "a name of letters, digits and '_', a capital first,"
                ),
                example="Server",
            )
        ),
    )

    def problems(self) -> Iterator[str]:
        """What no field can know alone."""
        if len({count for _, count in self._gpus()}) > 1:
            yield (
                f"gpu: {', '.join(self.gpu)} differ in their counts; one count is allowed, since "
                "it is the tensor parallelism; write the same number behind each"
            )
        if not self.gpu:
            yield "gpu: is empty; one GPU request or more is allowed; write gpu='H100:2'"
        if self.max_containers is not None and self.max_containers < self.min_containers:
            yield (
                f"max_containers: {self.max_containers} is less than min_containers, "
                f"{self.min_containers}; as many or more are allowed; raise it"
            )
        if self.scaleup_window is not None and self.routing.front_door != "server":
            yield (
                "scaleup_window: an http_server has none; it is allowed with "
                "RoutingPolicy(front_door='server'); take it out"
            )
        if self.kernels is not None:
            yield from (f"kernels.{each}" for each in self.kernels.misfits(self.engine))
        if self.speculative is not None:
            yield from (f"speculative.{each}" for each in self.engine.refuses(self.speculative))

    def resources(self) -> tuple[Resource, ...]:
        """
        The service in Modal's terms.

        Raises:
            Conflicts: Two parts set one variable, mount path or flag differently.
        """
        facts = self._facts()
        merged = merge(self.name, self._contributions(facts))
        image = Image(
            name=self.name,
            steps=merged.steps,
            builds=merged.builds,
            files=self.image.mounted(),
        )
        service = Service(
            name=self.name,
            class_name=self.class_name or class_name(self.name),
            model=self.model.name,
            gpu=self.gpu,
            cpu=self.cpu,
            memory=self.memory,
            mounts=merged.mounts,
            secrets=merged.secrets,
            entrypoint=self.engine.command(facts),
            arguments=merged.arguments,
            port=self.port,
            startup_timeout=self.startup_timeout,
            warm_up_timeout=self.warm_up_timeout,
            autoscaler=Autoscaler(
                min_containers=self.min_containers,
                max_containers=self.max_containers,
                buffer_containers=self.buffer_containers,
                scaleup_window=self.scaleup_window,
                scaledown_window=self.scaledown_window,
            ),
            routing=self.routing.routing(),
            models=self._models(),
        )
        volumes = dict.fromkeys(mount.volume for mount in merged.mounts)
        secrets = (Secret(name=name) for name in merged.secrets)
        return (*volumes, *secrets, image, service)

    def rules(self) -> tuple["Rule", ...]:
        """The rules of inference, which know what goes wrong with a service like this."""
        return self.engine.rules()

    def estimate(self, subject: "Subject") -> "Estimate":
        """What the service is expected to take of its GPUs' memory, and of time to start."""
        from components.estimates import estimate  # for plans only: a mere synth need not load it

        return estimate(subject)

    def _models(self) -> tuple[ModelUse, ...]:
        """The model, and the draft model if it is another one."""
        model = self.model
        served = ModelUse(name=model.name, revision=model.revision, facts=model.facts)
        drafts = self.speculative
        if drafts is None or drafts.draft_model_path is None:
            return (served,)
        draft = ModelUse(name=drafts.draft_model_path, revision=drafts.draft_model_revision)
        return (served, draft)

    def _contributions(self, facts: ServiceFacts) -> dict[str, Contribution]:
        """What each part gives, in the order of the command line and of the image's steps."""
        parts: dict[str, Part | None] = {
            "engine": self.engine,
            "weights": self.weights,
            "kernels": self.kernels,
            "speculative": self.speculative,
        }
        for index, part in enumerate(self.parts):
            parts[f"parts[{index}] ({type(part).__name__})"] = part
        given = {
            label: part.contribution(facts) for label, part in parts.items() if part is not None
        }
        return {
            "image": Contribution(steps=self.image.built()),
            "the service": Contribution(arguments=self.engine.served(facts, self.port)),
            **given,
            "environment": Contribution(env=self.environment, secrets=self.secrets),
        }

    def _facts(self) -> ServiceFacts:
        gpu, count = self._gpus()[0]
        others = (each for each in self._models() if each.name != self.model.name)
        return ServiceFacts(
            name=self.name,
            model=self.model.name,
            revision=self.model.revision,
            gpu=gpu,
            gpu_count=count,
            engine_version=self.engine.version(self.image.steps),
            target_inputs=self.routing.target_inputs,
            engine=self.engine,
            draft=next(((each.name, each.revision) for each in others), None),
        )

    def _gpus(self) -> list[tuple[str, int]]:
        found = [GPU.fullmatch(request) for request in self.gpu]
        return [(match[1], int(match[2] or 1)) for match in found if match]
