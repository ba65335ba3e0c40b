"""What a stack says of a service, from the record that infra keeps of its deployments."""

import json

from infra.local import apps, objects, volume_tree
from infra.local.call import Call
from infra.local.objects import VOLUME
from infra.local.services import ServiceVersion
from infra.local.volume_tree import BLOCK_BYTES
from infra.manifest import FINGERPRINT_TAG, STACK_TAG, Manifest
from infra.records import STATE_VOLUME, record_path


def recorded(call: Call, service: ServiceVersion) -> tuple[str, str]:
    """
    Its name in the stack, and the model that it was deployed for.

    Without a record the class's name, and no model: `modal deploy` leaves none.
    """
    try:
        return next(
            (str(each["name"]), str(each["model"]))
            for each in _record(call, service).resources.values()
            if each.get("class_name") == service.class_name
        )
    except Exception:  # any client may set the tags and write the record, whatever it likes
        return service.class_name, ""


def _record(call: Call, service: ServiceVersion) -> Manifest:
    app = apps.get(call, service.app_id)
    tags = json.loads(app["tags"])
    path = record_path(tags[STACK_TAG], service.app_name, tags[FINGERPRINT_TAG])
    volume = objects.find(call, VOLUME, app["environment_id"], STATE_VOLUME)
    entry = volume and volume_tree.entry(call, volume["id"], volume_tree.clean(f"{path}.json"))
    if entry is None:
        raise LookupError(f"there is no record {path}")
    text = b"".join(
        call.blobs.path(sha256_hex).read_bytes()[offset : offset + BLOCK_BYTES]
        for sha256_hex, offset in volume_tree.content(entry).segments
    )
    return Manifest.from_json(text, tags[FINGERPRINT_TAG])
