"""An App as people write them: an HTTP class, a Server, a plain Function, a build step."""

import modal
import modal.experimental

app = modal.App("service", tags={"team": "inference"})
weights = modal.Volume.from_name("weights", create_if_missing=True)
token = modal.Secret.from_name("hub-token", required_keys=["TOKEN"])


def download() -> None:
    print("downloading")


image = (
    modal.Image.from_registry("example/engine:v1", add_python="3.12")
    .entrypoint([])
    .uv_pip_install("huggingface-hub==0.36.0")
    .env({"HUB_CACHE": "/weights"})
    .run_function(download, volumes={"/weights": weights}, gpu="H100:2")
)


@app.cls(
    image=image,
    gpu="H100!:2",
    volumes={"/weights": weights},
    secrets=[token, modal.Secret.from_dict({"LEVEL": "debug"})],
    region="us-east",
    min_containers=1,
)
@modal.experimental.http_server(port=8000, proxy_regions=["us-west"], exit_grace_period=5)
@modal.concurrent(target_inputs=10)
class Engine:
    """An HTTP service behind the low-latency router."""

    @modal.enter()
    def start(self) -> None:
        print("starting")


@app.server(image=image, port=9000, unauthenticated=True, target_concurrency=1.5)
class Gateway:
    """The newer front door."""

    @modal.enter()
    def start(self) -> None:
        print("starting")


@app.function(gpu=["H100", "A100"])
def answer(number: int) -> int:
    return number + 1


@app.cls()
class Counter:
    """A class with a method."""

    @modal.method()
    def count(self) -> int:
        return 1
