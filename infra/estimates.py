"""What a service is expected to take of its GPUs' memory, and of time when it starts."""

from typing import Literal

import attrs

KernelState = Literal["compiled at build", "kept in a Volume", "compiled in every container"]


@attrs.frozen(kw_only=True)
class MemoryItem:
    """
    A use of one GPU's memory.

    Attributes:
        name: What it is for, such as ``weights``.
        bytes: Bytes on the GPU that has most of it; None: not known.
        note: Where the figure comes from, or what is missing for it; an estimate begins with "~".
    """

    name: str
    bytes: int | None
    note: str


@attrs.frozen(kw_only=True)
class MemoryFit:
    """
    Whether a service fits into its GPUs.

    Attributes:
        gpu: The GPU, such as ``H100!``.
        gpu_count: GPUs per container.
        capacity: Bytes of one GPU.
        items: What takes them.
        free: Bytes that are left on each GPU; negative: it does not fit; None: something is not
            known.
        context: Tokens of a request, prompt and answer; None: not known.
        concurrency: Requests at once in one container; None: not known.
        largest_context: Tokens of a request that fit at this concurrency, never more than the
            model has and the stack allows; 0: not even one; None: not known.
        largest_concurrency: Requests at once that fit with this context, never more than the stack
            allows; 0: not even one; None: not known.
        notes: What else there is to say.
    """

    gpu: str
    gpu_count: int
    capacity: int
    items: tuple[MemoryItem, ...]
    free: int | None
    context: int | None
    concurrency: int | None
    largest_context: int | None
    largest_concurrency: int | None
    notes: tuple[str, ...] = ()


@attrs.frozen(kw_only=True)
class Kernels:
    """
    Kernels that are compiled on the GPU.

    Attributes:
        name: Whose, such as ``DeepGEMM``.
        state: When they are compiled.
        seconds: Of the compilation, (fast, slow); None: no source states it.
        depends_on: Paths of the fields of the service or its image, as `infra.diff.FieldChange`
            spells them, whose change asks for others; of the field ``gpu``, ``gpu`` stands for
            the type of GPU and ``gpu architecture`` for its compute capability.
        source: Where that is known from.
    """

    name: str
    state: KernelState
    seconds: tuple[float, float] | None
    depends_on: tuple[str, ...]
    source: str


@attrs.frozen(kw_only=True)
class Download:
    """
    What the first container puts into a Volume, where the others find it.

    Attributes:
        name: The repository.
        bytes: Its size.
        seconds: Of the download, (fast, slow).
        depends_on: Paths of the fields whose change makes it be downloaded again.
    """

    name: str
    bytes: int
    seconds: tuple[float, float]
    depends_on: tuple[str, ...]


@attrs.frozen(kw_only=True)
class ColdStart:
    """
    What a new container does before it is ready.

    Attributes:
        load_bytes: Bytes of the weights that a container reads, the draft model's included as far
            as they are known; None: not known.
        load_seconds: Of reading them, (fast, slow); None: not known.
        kernels: The kernels that it uses.
        other_seconds: Of all else: the boot, CUDA graphs, a warm-up; None: not known.
        limit: Seconds that a start may take; None: not known.
        is_limit_given: Whether the stack says that, and not Modal.
        downloads: What the first container downloads.
        notes: What else there is to say.
    """

    load_bytes: int | None
    load_seconds: tuple[float, float] | None
    kernels: tuple[Kernels, ...]
    other_seconds: float | None = None
    limit: int | None = None
    is_limit_given: bool = True
    downloads: tuple[Download, ...] = ()
    notes: tuple[str, ...] = ()


@attrs.frozen(kw_only=True)
class Estimate:
    """
    What is expected of a service.

    Attributes:
        service: Its address, such as ``service.qwen3-8b``.
        memory: None: the GPU's memory is not known.
        start: None: nothing is known of the engine.
    """

    service: str
    memory: MemoryFit | None
    start: ColdStart | None
