"""Traces that are not ours: which root counts, what a model server tells, how many traces a kept one stands for."""

from __future__ import annotations

from dataclasses import replace

import pytest
from opswire.ledger.account import account, account_trace
from opswire.ledger.model import SAMPLED_SHARE, Segment, Span, SpanLink
from opswire.ledger.readers.attributes import sampled_share
from opswire.ledger.stages import Stage
from opswire.ledger.testing import MILLISECOND_NS, TraceBuilder, whole_request
from opswire.ledger.walk import GAP, NO_STAGE

SECOND_NS = 1_000 * MILLISECOND_NS


@pytest.fixture
def trace() -> TraceBuilder:
    return TraceBuilder()


def booked(trace: TraceBuilder) -> tuple[tuple[str, ...], list[tuple[float, float, str]]]:
    spans = [replace(span, request_key=None) for span in trace.spans]
    names = {span.span_id: span.name for span in spans}
    request, segments = account_trace("a", spans)
    assert sum(segment.duration_ns for segment in segments) == request.e2e_ns
    return request.flags, [(ms(trace, s.start_ns), ms(trace, s.end_ns), names.get(s.span_id, s.why)) for s in segments]


def ms(trace: TraceBuilder, nanoseconds: int) -> float:
    return (nanoseconds - trace.base_ns) / MILLISECOND_NS


def test_the_root_counts_and_what_goes_on_after_it_does_not(trace: TraceBuilder) -> None:
    root = trace.add("root", "shop", 0, 10)
    trace.add("later", "shop", 12, 30, root)
    trace.add("follows", "shop", 40, 50, links=(root,))
    assert booked(trace) == (("foreign",), [(0, 10, "root")])


def test_several_roots_are_counted_from_the_first_start_to_the_last_end(trace: TraceBuilder) -> None:
    trace.add("one", "shop", 0, 10)
    second = trace.add("two", "shop", 20, 30)
    trace.add("step", "shop", 22, 30, second)
    flags, found = booked(trace)
    assert flags == ("foreign", "several_roots", "untrusted")
    assert found == [(0, 10, "one"), (10, 20, GAP), (20, 22, "two"), (22, 30, "step")]


def test_without_its_root_a_trace_is_counted_over_what_lacks_a_parent(trace: TraceBuilder) -> None:
    trace.add("one", "shop", 0, 10, lost_parent=True)
    trace.add("two", "shop", 12, 20, lost_parent=True)
    flags, found = booked(trace)
    assert "no_root" in flags
    assert found == [(0, 10, "one"), (10, 12, "missing parent"), (12, 20, "two")]


def test_time_in_a_span_without_a_stage_has_that_reason_and_is_no_doubt(trace: TraceBuilder) -> None:
    trace.add("root", "shop", 0, 10)
    request, segments = account_trace("a", [replace(trace.spans[0], request_key=None)])
    assert (request.unattributed_ns, request.trusted, request.route) == (10 * MILLISECOND_NS, True, "shop root")
    assert [(segment.why, segment.span_id) for segment in segments] == [(NO_STAGE, trace.spans[0].span_id)]


def test_a_request_of_ours_without_its_key_is_still_taken_as_one() -> None:
    spans = whole_request(TraceBuilder())
    with_key = account("cli/r1", spans)
    without, segments = account_trace("cli/r1", [replace(span, request_key=None) for span in spans])
    assert (without, segments) == with_key
    assert without.flags == ()


def stages(segments: list[Segment]) -> list[tuple[float, str]]:
    return [(segment.duration_ns / MILLISECOND_NS, segment.stage.value) for segment in segments]


def model_call(**latency: float) -> list[Span]:
    builder = TraceBuilder()
    call = builder.add("chat", "intent", 0, 100, kind="CLIENT", gen_ai__operation__name="chat")
    post = builder.add("POST", "intent", 2, 98, call, kind="CLIENT")
    attributes = {f"gen_ai__latency__{name}": seconds for name, seconds in latency.items()}
    builder.add("llm_request", "vllm", 10, 90, post, kind="SERVER", **attributes)  # type: ignore[arg-type]
    return [replace(span, request_key=None) for span in builder.spans]


def test_a_model_servers_own_times_split_its_span_and_the_rest_is_the_frontends() -> None:
    spans = model_call(
        time_in_queue=0.02, time_in_model_prefill=0.01, time_in_model_decode=0.04, time_to_first_token=0.035
    )
    _, segments = account_trace("a", spans)
    assert stages(segments) == [
        (2, "llm.frontend"),
        (8, "llm.frontend"),
        (5, "llm.frontend"),
        (20, "llm.queue"),
        (10, "llm.prefill"),
        (40, "llm.decode"),
        (5, "llm.frontend"),
        (8, "llm.frontend"),
        (2, "llm.frontend"),
    ]


@pytest.mark.parametrize(
    "latency",
    [
        {},
        {"time_in_queue": 0.02},
        {"time_in_queue": 0.05, "time_in_model_prefill": 0.02, "time_in_model_decode": 0.04},
        {"time_in_queue": -1, "time_in_model_prefill": 0.01, "time_in_model_decode": 0.01},
        {"time_in_queue": "x", "time_in_model_prefill": 0.01, "time_in_model_decode": 0.01},
    ],
)
def test_a_server_whose_times_are_missing_or_longer_than_the_call_leaves_it_unsplit(latency: dict[str, float]) -> None:
    _, segments = account_trace("a", model_call(**latency))
    assert {segment.stage for segment in segments} == {Stage.LLM_UNSPLIT}


@pytest.mark.parametrize(
    ("state", "share"),
    [
        ("ot=th:c", 0.25),
        ("vendor=1,ot=rv:0123;th:8", 0.5),
        ("ot=th:0", 1.0),
        ("", None),
        ("ot=rv:01", None),
        ("ot=th:xyz", None),
        ("th:8", None),
    ],
)
def test_the_trace_state_tells_which_share_was_kept(state: str, share: float | None) -> None:
    assert sampled_share(state) == share


@pytest.mark.parametrize(("share", "weight"), [(0.05, 20.0), (1, 1.0), (0, 1.0), (-1, 1.0), ("x", 1.0), (True, 1.0)])
def test_a_kept_trace_stands_for_those_that_were_not(share: object, weight: float) -> None:
    span = Span("a", "1", None, "shop", "x", "SERVER", 0, 5, attributes={SAMPLED_SHARE: share})
    request, _ = account_trace("a", [span])
    assert request.weight == pytest.approx(weight)


def test_a_link_to_a_span_elsewhere_leaves_a_root_a_root() -> None:
    span = Span("a", "1", None, "shop", "x", "SERVER", 0, 5, links=(SpanLink("b", "2"),))
    assert account_trace("a", [span])[0].flags == ("foreign",)
