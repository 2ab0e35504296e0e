"""The walk on hand-made traces: one hard case each."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from opswire.ledger.account import account
from opswire.ledger.model import Segment, SpanLink
from opswire.ledger.stages import Stage
from opswire.ledger.testing import MILLISECOND_NS, TraceBuilder, whole_request

Booked = list[tuple[float, float, str]]


@pytest.fixture
def trace() -> TraceBuilder:
    return TraceBuilder()


def booked(trace: TraceBuilder) -> Booked:
    _, segments = account(trace.request_key, trace.spans)
    return [(_ms(trace, s.start_ns), _ms(trace, s.end_ns), s.stage.value) for s in segments]


def _ms(trace: TraceBuilder, nanoseconds: int) -> float:
    return (nanoseconds - trace.base_ns) / MILLISECOND_NS


def reasons(segments: list[Segment], stage: Stage = Stage.UNATTRIBUTED) -> list[str]:
    return [segment.why for segment in segments if segment.stage is stage]


def test_a_whole_request_is_accounted_for_from_stored_to_published(trace: TraceBuilder) -> None:
    request, segments = account("cli/r1", whole_request(trace))
    assert request.e2e_ns == 40 * MILLISECOND_NS == sum(segment.duration_ns for segment in segments)
    assert (request.unattributed_ns, request.missing_parents, request.flags) == (0, 0, ())
    assert (request.route, request.outcome, request.trusted) == ("intent>assets>executor", "completed", True)
    assert booked(trace)[4:8] == [
        (6, 7, "publish.ack"),
        (7, 10, "bus.wait"),
        (10, 11, "assets.compute"),
        (11, 15, "assets.db"),
    ]


def test_of_parallel_spans_only_the_last_finisher_is_on_the_path(trace: TraceBuilder) -> None:
    whole_request(trace)
    assert (22.5, 37, "tool.run") in booked(trace)
    assert sum(end - start for start, end, stage in booked(trace) if stage == "tool.run") == 14.5


def test_the_stored_time_is_clamped_between_send_and_take(trace: TraceBuilder) -> None:
    intent = trace.process("submitted", "intent", 0, 0, 5)
    send = trace.send("intent", "intent", 3, 4, intent)
    executor = trace.process("intent", "executor", 99, 6, 9, send)
    trace.send("finished", "executor", 7, 8, executor)
    assert booked(trace)[1:4] == [(3, 6, "publish.ack"), (6, 7, "executor.compute"), (7, 8, "publish.ack")]


def test_without_a_stored_time_the_end_of_the_send_stands_in(trace: TraceBuilder) -> None:
    intent = trace.process("submitted", "intent", 0, 0, 5)
    send = trace.send("intent", "intent", 3, 4, intent)
    executor = trace.process("intent", "executor", None, 6, 9, send)
    trace.send("finished", "executor", 7, 8, executor)
    assert booked(trace)[1:3] == [(3, 4, "publish.ack"), (4, 6, "bus.wait")]


def test_a_message_delivered_again_books_the_earlier_attempts(trace: TraceBuilder) -> None:
    intent = trace.process("submitted", "intent", 0, 1, 5)
    send = trace.send("intent", "intent", 3, 4, intent)
    trace.process("intent", "executor", 3.5, 6, 8, send, attempt=1)
    trace.process("intent", "executor", 3.5, 10, 12, send, attempt=2)
    third = trace.process("intent", "executor", 3.5, 15, 30, send, attempt=3)
    trace.send("finished", "executor", 18, 20, third)
    assert booked(trace)[2:9] == [
        (3, 3.5, "publish.ack"),
        (3.5, 6, "bus.wait"),
        (6, 8, "queue.redelivery"),
        (8, 10, "queue.redelivery"),
        (10, 12, "queue.redelivery"),
        (12, 15, "queue.redelivery"),
        (15, 18, "executor.compute"),
    ]


def test_an_attempt_that_died_with_its_process_is_redelivery_and_not_bus_wait(trace: TraceBuilder) -> None:
    intent = trace.process("submitted", "intent", 0, 1, 5)
    send = trace.send("intent", "intent", 3, 4, intent)
    executor = trace.process("intent", "executor", 3.5, 30, 40, send, attempt=2)
    trace.send("finished", "executor", 35, 36, executor)
    request, segments = account("cli/r1", trace.spans)
    assert (3.5, 30, "queue.redelivery") in booked(trace)
    assert reasons(segments, Stage.QUEUE_REDELIVERY) == ["an earlier attempt left no span"]
    assert request.unattributed_ns == 0


def test_a_finish_that_was_refused_is_not_the_finish(trace: TraceBuilder) -> None:
    executor = trace.process("submitted", "executor", 0, 1, 30)
    trace.send("finished", "executor", 4, 6, executor, opswire__published=False)
    trace.send("finished", "executor", 10, 12, executor, opswire__published=True)
    trace.send("finished", "executor", 20, 22, executor, opswire__published=True)
    request, _ = account("cli/r1", trace.spans)
    assert request.e2e_ns == 12 * MILLISECOND_NS


def test_a_sibling_still_running_when_the_path_leaves_is_not_on_it(trace: TraceBuilder) -> None:
    executor = trace.process("submitted", "executor", 0, 1, 50)
    trace.add("slow", "executor", 2, 40, executor, stage="tool.run")
    trace.send("finished", "executor", 10, 12, executor)
    assert booked(trace) == [(0, 1, "bus.wait"), (1, 10, "executor.compute"), (10, 12, "publish.ack")]


def test_an_orphan_is_never_hung_under_its_own_descendant(trace: TraceBuilder) -> None:
    orphan = trace.add("step", "executor", 10, 20, stage="policy", lost_parent=True)
    trace.add("longer than its parent", "executor", 5, 30, orphan, stage="tool.run")
    request, _ = account("cli/r1", trace.spans)
    assert request.missing_parents == 1
    assert "adopted" not in request.flags


def test_spans_of_one_host_need_no_error_bar_and_those_of_two_get_one(trace: TraceBuilder) -> None:
    whole_request(trace)
    there = [replace(s, clock_domain="there") if s.service == "assets" else s for s in trace.spans]
    request, _ = account("cli/r1", there)
    assert "skew" not in request.flags
    assert request.skew_bound_ns == 4_000_000, "half of what lies between the two sends and the two takes"


def test_a_message_taken_before_it_was_sent_is_skew(trace: TraceBuilder) -> None:
    whole_request(trace)
    late = 5 * MILLISECOND_NS
    there = [
        replace(s, clock_domain="there", start_ns=s.start_ns - late, end_ns=s.end_ns - late)
        if s.service == "assets"
        else s
        for s in trace.spans
    ]
    request, segments = account("cli/r1", there)
    assert "skew" in request.flags
    assert sum(segment.duration_ns for segment in segments) == request.e2e_ns


def test_a_child_that_outlives_its_parent_and_finishes_the_request_is_detached(trace: TraceBuilder) -> None:
    executor = trace.process("submitted", "executor", 0, 1, 5)
    trace.send("finished", "executor", 8, 10, executor)
    request, segments = account("cli/r1", trace.spans)
    assert booked(trace)[-2:] == [(5, 8, "unattributed"), (8, 10, "publish.ack")]
    assert reasons(segments) == ["detached"]
    assert not request.trusted


def test_an_orphan_is_hung_under_the_smallest_span_that_contains_it(trace: TraceBuilder) -> None:
    executor = trace.process("submitted", "executor", 0, 0, 100)
    step = trace.add("step", "executor", 10, 90, executor, stage="executor.compute")
    trace.add("http web-01", "executor", 20, 22, stage="tool.run", lost_parent=True)
    trace.send("finished", "executor", 90, 95, executor)
    request, segments = account("cli/r1", trace.spans)
    assert (20, 22, "tool.run") in booked(trace)
    assert reasons(segments, Stage.TOOL_RUN) == ["adopted"]
    assert (request.adopted_ns, request.missing_parents) == (2 * MILLISECOND_NS, 1)
    assert request.flags == ("adopted", "missing_parents")
    assert request.trusted
    assert step.span_id in {segment.span_id for segment in segments}


def test_five_percent_unexplained_or_repaired_is_untrusted(trace: TraceBuilder) -> None:
    executor = trace.process("submitted", "executor", 0, 0, 100)
    trace.add("http web-01", "executor", 20, 25, stage="tool.run", lost_parent=True)
    trace.send("finished", "executor", 99, 100, executor)
    request, _ = account("cli/r1", trace.spans)
    assert "untrusted" in request.flags


def test_a_lost_sender_leaves_a_gap_with_its_reason(trace: TraceBuilder) -> None:
    intent = trace.process("submitted", "intent", 0, 1, 5)
    trace.add("slot template", "intent", 2, 4, intent, stage="cache.lookup")
    executor = trace.process("intent", "executor", 10, 12, 20, lost_parent=True)
    trace.send("finished", "executor", 18, 19, executor)
    request, segments = account("cli/r1", trace.spans)
    assert booked(trace)[:4] == [
        (0, 1, "bus.wait"),
        (1, 2, "intent.compute"),
        (2, 4, "cache.lookup"),
        (4, 5, "intent.compute"),
    ]
    assert booked(trace)[4:6] == [(5, 10, "unattributed"), (10, 12, "bus.wait")]
    assert reasons(segments) == ["missing parent"]
    assert request.missing_parents == 1


def test_a_deadline_is_not_a_slow_publish(trace: TraceBuilder) -> None:
    intent = trace.process("submitted", "intent", 0, 1, 5)
    timer = trace.send("opswire.timers.v1.{source}.{request_id}.schedule", "intent", 2, 3, intent)
    executor = trace.process("opswire.timers.v1.{source}.{request_id}.deadline", "executor", 1_000, 1_001, 1_010, timer)
    trace.send("finished", "executor", 1_004, 1_005, executor)
    _, segments = account("cli/r1", trace.spans)
    assert (5, 1_000, "unattributed") in booked(trace)
    assert reasons(segments) == ["waited for a timer"]


def test_a_message_that_nobody_took_until_the_deadline_lay_at_the_broker(trace: TraceBuilder) -> None:
    intent = trace.process("submitted", "intent", 0, 1, 5)
    sent = trace.send("intent", "intent", 3, 4, intent)
    ender = trace.add("end overdue request", "executor", 1_000, 1_010, stage="executor.compute")
    trace.send("finished", "executor", 1_004, 1_005, ender)
    trace.process("intent", "assets", 4, 2_000, 2_010, sent)  # it came back, too late
    request, segments = account("cli/r1", trace.spans)
    assert (5, 1_000, "bus.wait") in booked(trace)
    assert reasons(segments, Stage.BUS_WAIT)[-1].startswith("no span says")
    assert request.unattributed_ns == 0


def test_what_was_going_on_at_the_deadline_is_what_the_time_went_into(trace: TraceBuilder) -> None:
    executor = trace.process("submitted", "executor", 0, 1, 2_000)
    trace.add("tool slow", "executor", 10, 1_990, executor, stage="tool.run")
    ender = trace.add("end overdue request", "executor", 1_000, 1_010, stage="executor.compute")
    trace.send("finished", "executor", 1_004, 1_005, ender)
    request, _ = account("cli/r1", trace.spans)
    assert (10, 1_000, "tool.run") in booked(trace)
    assert request.unattributed_ns == 0


def test_an_approval_without_a_link_goes_on_in_what_asked_for_it(trace: TraceBuilder) -> None:
    """The executor notes the time at which it asks before the question is published: that time is not a wait."""
    first = trace.process("submitted", "executor", 0, 1, 12)
    trace.add("judge", "executor", 2, 4, first, stage="policy")
    trace.send("approval.{round}.requested", "executor", 8, 9, first)
    second = trace.process("approval.{round}.given.{approver}", "executor", 5_000, 5_001, 5_100)
    trace.add("wait for approval", "executor", 4, 5_010, second, stage="approval.wait")
    trace.send("finished", "executor", 5_050, 5_060, second)
    request, _ = account("cli/r1", trace.spans)
    found = booked(trace)
    assert (9, 5_000, "approval.wait") in found
    assert (8, 9, "publish.ack") in found
    assert (4, 8, "executor.compute") in found
    assert (2, 4, "policy") in found
    assert request.unattributed_ns == 0


def test_waiting_for_an_approval_is_a_stage_of_its_own(trace: TraceBuilder) -> None:
    first = trace.process("submitted", "executor", 0, 1, 10)
    asked = trace.send("approval.requested", "executor", 8, 9, first)
    person = trace.add("approve", "cli", 5_000, 5_010, links=())
    decided = trace.send("approval.decided", "cli", 5_002, 5_006, person)
    second = trace.process("approval.decided", "executor", 5_004, 5_007, 5_100, decided)
    trace.add("approval", "executor", 9, 5_001, second, stage="approval.wait", links=(asked,))
    trace.send("finished", "executor", 5_050, 5_060, second)
    request, _ = account("cli/r1", trace.spans)
    assert (9, 5_000, "approval.wait") in booked(trace)
    assert (8, 9, "publish.ack") in booked(trace)
    assert request.unattributed_ns == 2 * MILLISECOND_NS, "the person's own span has no stage"


def test_a_coalesced_cache_miss_names_its_leader(trace: TraceBuilder) -> None:
    intent = trace.process("submitted", "intent", 0, 0, 10)
    waited = trace.add("answer", "intent", 1, 9, intent, stage="cache.lookup")
    link = SpanLink("b" * 32, "1" * 16)
    trace.spans[-1] = replace(waited, links=(link,))
    trace.send("finished", "intent", 9, 10, intent)
    _, segments = account("cli/r1", trace.spans)
    found = next(segment for segment in segments if segment.stage is Stage.CACHE_LOOKUP)
    assert (found.sub, found.why) == ("coalesced", "leader " + "b" * 32)


def test_spans_of_another_request_in_the_same_trace_are_left_out(trace: TraceBuilder) -> None:
    other = TraceBuilder("cli/r2", trace.base_ns)
    whole_request(trace)
    alone = booked(trace)
    executor = other.process("submitted", "executor", -50, -49, 500)
    other.send("finished", "executor", 90, 400, executor)
    shifted = [replace(s, span_id=f"e{s.span_id[1:]}") for s in other.spans]
    trace.spans.extend(shifted)
    assert booked(trace) == alone


def test_a_request_without_finish_and_without_spans_is_flagged(trace: TraceBuilder) -> None:
    request, segments = account("cli/r1", [])
    assert (request.e2e_ns, segments, request.flags) == (0, [], ("empty",))
    trace.add("lonely", "executor", 0, 5)
    request, segments = account("cli/r1", trace.spans)
    assert request.flags == ("no_accept_time", "no_finish", "untrusted")
    assert reasons(segments) == ["no stage"]


def test_parents_in_a_circle_end(trace: TraceBuilder) -> None:
    first = trace.add("one", "executor", 0, 10, stage="tool.run")
    second = trace.add("two", "executor", 2, 8, first, stage="policy")
    trace.spans[0] = replace(first, parent_id=second.span_id)
    assert booked(trace) == [(0, 2, "tool.run"), (2, 8, "policy"), (8, 10, "tool.run")]


@pytest.mark.parametrize(
    ("kind", "name", "attributes", "expected"),
    [
        ("INTERNAL", "x", {"opswire.stage": "policy", "db.system.name": "sqlite"}, "policy"),
        ("CLIENT", "SELECT", {"db.system.name": "postgresql"}, "assets.db"),
        ("CLIENT", "GET", {"db.system.name": "redis"}, "cache.lookup"),
        ("CLIENT", "chat qwen", {"gen_ai.operation.name": "chat"}, "llm.unsplit"),
        ("SERVER", "llm_request", {}, "llm.unsplit"),
        ("PRODUCER", "x", {}, "publish.ack"),
        ("INTERNAL", "tool.run", {}, "tool.run"),
        ("INTERNAL", "x", {"opswire.stage": "no such stage"}, "executor.compute"),
        ("CLIENT", "POST", {}, "executor.compute"),
    ],
)
def test_the_first_rule_that_answers_gives_the_stage(
    trace: TraceBuilder, kind: str, name: str, attributes: dict[str, Any], expected: str
) -> None:
    executor = trace.process("submitted", "executor", 0, 0, 10)
    trace.add(name, "executor", 2, 4, executor, kind, **attributes)
    trace.send("finished", "executor", 8, 9, executor)
    assert (2, 4, expected) in booked(trace)
