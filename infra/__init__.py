"""Infrastructure as code for low-latency LLM inference on Modal."""

TYPE_CHECKING = False  # typing's, without loading typing
if TYPE_CHECKING:
    from infra.stack import App, Stack

__all__ = ["App", "Stack"]


def __getattr__(name: str) -> object:
    """What a stack file needs is loaded when it asks, so that the command line is there at once."""
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from infra import stack

    return getattr(stack, name)
