"""Services that do not come up, each for a reason of its own."""

import signal
import subprocess
import sys
import time

import modal
import modal.experimental

app = modal.App("trouble")


@app.cls()
@modal.experimental.http_server(port=8000, proxy_regions=["us-east"])
class DeadEngine:
    """Its enter hook raises."""

    @modal.enter()
    def enter(self):
        engine = subprocess.run(
            [sys.executable, "-c", "import sys; sys.exit('CUDA out of memory')"], check=False
        )
        raise RuntimeError(f"the engine ended with exit code {engine.returncode}")


@app.server(port=8000, routing_region="us-east", startup_timeout=1)
class Late:
    """Its enter hook is not done in time."""

    @modal.enter()
    def enter(self):
        print("loading weights", flush=True)
        time.sleep(600)


@app.server(port=8000, routing_region="us-east", startup_timeout=2)
class Deaf:
    """Its hooks are done, but nobody listens on its port."""

    @modal.enter()
    def enter(self):
        print("entered", flush=True)


@app.cls()
@modal.experimental.http_server(port=8000, proxy_regions=["us-east"])
class Vanishing:
    """Its process is killed."""

    @modal.enter()
    def enter(self):
        signal.raise_signal(signal.SIGKILL)


@app.server(port=8000, routing_region="us-east")
class Stubborn:
    """Its exit hook never ends."""

    @modal.enter()
    def enter(self):
        subprocess.Popen([sys.executable, "-m", "http.server", "8000"], start_new_session=True)

    @modal.exit()
    def exit(self):
        print("thinking about it", flush=True)
        time.sleep(600)
