"""Model weights in a Modal Volume, so that a container reads them there and not from the Hub."""

import attrs

from infra import validators
from infra.contribution import Contribution, ServiceFacts
from infra.resources import BuildCommand, Mount, Volume


@attrs.frozen
class WeightCache:
    """
    The Hugging Face cache of a service.

    A Volume gives 1 to 2 GB/s, the Hub a few hundred MB/s
    (https://modal.com/docs/guide/model-weights).

    Attributes:
        volume: Name of the Modal Volume; services may share one.
        mount_path: Where it is mounted; `HF_HUB_CACHE` points there.
        secret: Name of a Modal Secret that holds `HF_TOKEN`, or None for public models.
        high_performance: Sets `HF_XET_HIGH_PERFORMANCE`, which lets downloads use the whole
            network (https://huggingface.co/docs/hub/en/models-downloading#faster-downloads).
        download_at_build: Download the model and its draft model while the image is built and not
            in the first container, with `hf download` from the image's huggingface-hub (0.34 or
            newer).
    """

    volume: str = attrs.field(
        validator=validators.text(validators.NAME, example="huggingface-cache")
    )
    mount_path: str = attrs.field(
        default="/root/.cache/huggingface", validator=validators.mount_path(), kw_only=True
    )
    secret: str | None = attrs.field(
        default=None,
        validator=validators.optional(
            validators.text(validators.NAME, example="huggingface-secret")
        ),
        kw_only=True,
    )
    high_performance: bool = attrs.field(default=True, validator=validators.truth(), kw_only=True)
    download_at_build: bool = attrs.field(default=False, validator=validators.truth(), kw_only=True)

    def contribution(self, service: ServiceFacts) -> Contribution:
        """The mount, the variables that point at it, the secret, the download."""
        env = {"HF_HUB_CACHE": self.mount_path}
        if self.high_performance:
            env["HF_XET_HIGH_PERFORMANCE"] = "1"
        models = [(service.model, service.revision), *([service.draft] if service.draft else [])]
        downloads = tuple(
            BuildCommand(
                command=("hf", "download", name, *(("--revision", revision) if revision else ())),
                comment="download the weights into the Volume before the first container needs "
                "them",
            )
            for name, revision in models
            if not name.startswith("/")
        )
        return Contribution(
            env=env,
            env_comment="the Hub's cache is the Volume",
            mounts=(Mount(path=self.mount_path, volume=Volume(name=self.volume)),),
            secrets=(self.secret,) if self.secret else (),
            builds=downloads if self.download_at_build else (),
        )
