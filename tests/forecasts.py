"""Random findings and estimates, as rules and components could have given them."""

from hypothesis import strategies as st

from infra.estimates import ColdStart, Download, Estimate, Kernels, MemoryFit, MemoryItem
from infra.rules import SEVERITIES, Accepted, Finding, Report

FINDINGS = st.builds(
    Finding,
    code=st.sampled_from(["INF001", "ACME7"]),
    severity=st.sampled_from(SEVERITIES),
    where=st.sampled_from(["chat.gpu", "stack.accept"]),
    what=st.just("so"),
    why=st.just("since"),
    fix=st.just("do"),
    source=st.just("seen"),
)
REPORTS = st.builds(
    Report,
    findings=st.lists(FINDINGS, max_size=3).map(tuple),
    accepted=st.lists(
        st.builds(Accepted, finding=FINDINGS, reason=st.just("measured")), max_size=2
    ).map(tuple),
)
# Some that say everything, and some that say nothing.
SECONDS = st.none() | st.just((1.5, 3.0))
ESTIMATES = st.builds(
    Estimate,
    service=st.just("service.chat"),
    memory=st.none()
    | st.builds(
        MemoryFit,
        gpu=st.just("H100"),
        gpu_count=st.integers(1, 8),
        capacity=st.just(80 * 10**9),
        items=st.lists(
            st.builds(
                MemoryItem,
                name=st.just("weights"),
                bytes=st.none() | st.integers(0, 10**12),
                note=st.just(""),
            ),
            max_size=2,
        ).map(tuple),
        notes=st.sampled_from([(), ("so",)]),
    ),
    start=st.none()
    | st.builds(
        ColdStart,
        load_bytes=st.none() | st.integers(0, 10**12),
        load_seconds=SECONDS,
        kernels=st.lists(
            st.builds(
                Kernels,
                name=st.just("Triton"),
                seconds=SECONDS,
                depends_on=st.sampled_from([(), ("gpu", "steps")]),
                source=st.just("seen"),
            ),
            max_size=2,
        ).map(tuple),
        other_seconds=st.none() | st.just(60.0),
        limit=st.none() | st.integers(1, 86400),
        downloads=st.lists(
            st.builds(
                Download,
                name=st.just("some/model"),
                bytes=st.integers(0, 10**12),
                seconds=st.just((1.5, 3.0)),
                depends_on=st.sampled_from([(), ("gpu", "model")]),
            ),
            max_size=2,
        ).map(tuple),
        notes=st.sampled_from([(), ("so",)]),
    ),
)
