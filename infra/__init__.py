"""Infrastructure as code for low-latency LLM inference on Modal."""

from infra.stack import App, Stack

__all__ = ["App", "Stack"]
