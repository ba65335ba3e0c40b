"""What is expected of a service before it runs: its memory and its start."""

from components.estimates.memory import memory_fit
from components.estimates.start import cold_start
from components.rules.engine import Engine, SGLangEngine
from infra.estimates import Estimate
from infra.resources import address
from infra.rules import Subject


def estimate(subject: Subject) -> Estimate:
    """What is expected of one service; of memory only where SGLang runs in it."""
    engine = Engine.of(subject)
    return Estimate(
        service=address(subject.service),
        memory=memory_fit(engine) if isinstance(engine, SGLangEngine) else None,
        start=None if engine is None else cold_start(engine),
    )
