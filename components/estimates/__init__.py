"""What is expected of a service before it runs: its memory and its start."""

import attrs

from components.estimates.memory import memory_fit
from components.estimates.start import cold_start
from components.rules.engine import Engine
from infra.estimates import Estimate
from infra.resources import address
from infra.rules import Subject


def estimate(subject: Subject) -> Estimate:
    """What is expected of one service; of its memory only where the engine divides it as known."""
    engine = Engine.of(subject)
    if engine is None:
        return Estimate(service=address(subject.service), memory=None, start=None)
    start = cold_start(engine)
    if engine.gpu and engine.gpu.capacity is None:
        unknown = f"how much memory {engine.gpu.name} has, and so what fits, is not known"
        start = attrs.evolve(start, notes=(*start.notes, unknown))
    return Estimate(service=address(subject.service), memory=memory_fit(engine), start=start)
