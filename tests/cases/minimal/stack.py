"""The least that a service can say."""

from components import ImageSpec, InferenceService
from infra import Stack

stack = Stack(
    "example-minimal",
    services=[
        InferenceService(
            name="chat",
            model="Qwen/Qwen3-8B-FP8",
            gpu="H100",
            image=ImageSpec.from_registry("lmsysorg/sglang:v0.5.11"),
        )
    ],
)
