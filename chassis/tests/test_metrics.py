"""Metrics: what spans become, traces in buckets, bounded labels, late loops, and both forms over HTTP."""

from __future__ import annotations

import asyncio
import time

import pytest
from opswire.chassis.health import create_health_app
from opswire.chassis.metrics import Metrics
from opswire.chassis.metrics_histogram import OTHER, Histogram
from opswire.chassis.metrics_loop import SAMPLED_EVERY_S
from opswire.chassis.stages import Stage
from opswire.chassis.telemetry import Kind, Span
from opswire.chassis.testing.waiting import until
from prometheus_client import CollectorRegistry
from prometheus_client.openmetrics.parser import text_string_to_metric_families
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route
from starlette.testclient import TestClient

TRACE, CALLER = "4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7"
OPENMETRICS = {"Accept": "application/openmetrics-text;version=1.0.0,text/plain;version=0.0.4;q=0.5"}
BUS = {"messaging.system": "nats", "messaging.destination.template": "opswire.v1.{source}.{request_id}.finished"}


def a_span(kind: Kind, duration_ms: float, **attributes: str | float) -> Span:
    """A finished span that began a second after the broker stored its message."""
    found = Span("a name", kind, TRACE, None, "test/r1", {"opswire.stage": Stage.POLICY, **BUS, **attributes})
    found.end_ns = found.start_ns + int(duration_ms * 1e6)
    return found


def value(metrics: Metrics, name: str, **labels: str) -> float:
    """The sum of a sample over all label sets that hold `labels`."""
    return sum(
        sample.value
        for family in metrics.registry.collect()
        for sample in family.samples
        if sample.name == name and labels.items() <= sample.labels.items()
    )


def test_a_taken_message_is_counted_with_its_wait_and_its_failure() -> None:
    metrics, taken = Metrics(), a_span("CONSUMER", 40.0)
    taken.attributes |= {
        "messaging.consumer.group.name": "executor-x",
        "messaging.nats.message.stored_time": taken.start_ns - 1_000_000_000,
        "messaging.nats.message.delivery_attempt": 1,
    }
    again = a_span("CONSUMER", 40.0, **{"opswire.failure.code": "broker_away"})
    again.attributes |= taken.attributes | {"messaging.nats.message.delivery_attempt": 2}
    again.status = "ERROR"
    metrics.spans.write([taken, again])
    group = {"messaging_consumer_group_name": "executor-x", "messaging_operation_name": "process"}
    assert value(metrics, "messaging_process_duration_seconds_count", error_type="", **group) == 1
    assert value(metrics, "messaging_process_duration_seconds_count", error_type="broker_away", **group) == 1
    assert value(metrics, "messaging_process_duration_seconds_sum") == pytest.approx(0.08)
    # A redelivery is a story of its own: its wait is what the first attempt cost, not the bus.
    assert value(metrics, "opswire_bus_wait_seconds_count") == 1
    assert value(metrics, "opswire_bus_wait_seconds_sum") == pytest.approx(1.0)
    assert value(metrics, "opswire_stage_duration_seconds_count", opswire_stage="policy") == 2


def test_only_the_outcome_that_stands_is_a_request() -> None:
    metrics = Metrics()
    ending = {"opswire.outcome": "completed", "opswire.request.duration_ms": 1_500.0}
    metrics.spans.write(
        [a_span("PRODUCER", 2.0, **ending, **{"opswire.published": ours}) for ours in (True, False)]
        + [a_span("PRODUCER", 2.0)]
    )
    assert value(metrics, "messaging_client_operation_duration_seconds_count") == 3
    assert value(metrics, "opswire_request_duration_seconds_count", outcome="completed") == 1
    assert value(metrics, "opswire_request_duration_seconds_sum") == 1.5


def test_a_model_call_and_a_query_go_by_the_names_of_the_conventions() -> None:
    metrics = Metrics()
    call = {"gen_ai.operation.name": "chat", "gen_ai.provider.name": "vllm", "gen_ai.request.model": "tiny"}
    usage = {"gen_ai.usage.input_tokens": 120, "gen_ai.usage.output_tokens": 7}
    failed = a_span("CLIENT", 30.0, **call, **{"error.type": "timeout"})
    failed.status = "ERROR"
    metrics.spans.write(
        [a_span("CLIENT", 30.0, **call, **usage), failed, a_span("INTERNAL", 3.0, **{"db.system.name": "sqlite"})]
    )
    model = {"gen_ai_provider_name": "vllm", "gen_ai_request_model": "tiny"}
    assert value(metrics, "gen_ai_client_operation_duration_seconds_count", error_type="", **model) == 1
    assert value(metrics, "gen_ai_client_operation_duration_seconds_count", error_type="timeout", **model) == 1
    assert value(metrics, "gen_ai_client_token_usage_sum", gen_ai_token_type="input", **model) == 120
    assert value(metrics, "gen_ai_client_token_usage_sum", gen_ai_token_type="output", **model) == 7
    assert value(metrics, "db_client_operation_duration_seconds_count", db_system_name="sqlite") == 1


def test_labels_that_somebody_chooses_do_not_fill_the_memory() -> None:
    registry = CollectorRegistry()
    histogram = Histogram("bomb", "Chosen by a stranger.", ["word"], (1.0,), registry, series_max=10)
    for number in range(10_000):
        histogram.of(f"{number}{'x' * 1_000}").observe(0.5)
    (family,) = histogram.collect()
    counts = {sample.labels["word"]: sample.value for sample in family.samples if sample.name == "bomb_count"}
    assert len(counts) == 11
    assert counts[OTHER] == 9_990
    assert max(map(len, counts)) <= 120


def test_a_value_beyond_the_last_bound_is_seen_to_be_there() -> None:
    histogram = Histogram("h", "Two bounds.", [], (1.0, 2.0), CollectorRegistry())
    for each in (0.5, 1.0, 1.5, 9.0):
        histogram.of().observe(each)
    (family,) = histogram.collect()
    buckets = [sample.value for sample in family.samples if sample.name == "h_bucket"]
    assert buckets == [2, 3, 4]


async def test_a_loop_that_was_held_up_says_so() -> None:
    metrics = Metrics()
    sampling = asyncio.create_task(metrics.loop_lag.run())
    await until(lambda: value(metrics, "opswire_event_loop_lag_seconds_count") > 0)
    before = value(metrics, "opswire_event_loop_lag_seconds_sum")
    held_s = 3 * SAMPLED_EVERY_S
    until_s = time.perf_counter() + held_s
    while time.perf_counter() < until_s:
        pass  # a handler that computes and never awaits
    await until(lambda: value(metrics, "opswire_event_loop_lag_seconds_sum") > before + SAMPLED_EVERY_S)
    sampling.cancel()
    assert value(metrics, "opswire_event_loop_lag_seconds_sum") - before >= held_s - SAMPLED_EVERY_S - 0.01


async def slow(request: Request) -> Response:
    """Fails when asked to."""
    if request.query_params.get("fail"):
        raise RuntimeError("as asked")
    return PlainTextResponse("well")


def test_http_requests_are_counted_by_route_and_never_by_what_a_caller_wrote() -> None:
    metrics = Metrics("shop", "1.2")
    app = create_health_app("shop", "1.2", dict, metrics, [Route("/things/{name}", slow)])
    with TestClient(app, raise_server_exceptions=False) as client:
        for number in range(300):
            client.get(f"/nowhere/{number}")
            client.get(f"/things/{number}", headers={"traceparent": f"00-{TRACE}-{CALLER}-01"})
        client.get("/things/1?fail=1")
        client.request("BREW", "/things/1")
        plain = client.get("/metrics")
        exact = client.get("/metrics", headers=OPENMETRICS)
    name = "http_server_request_duration_seconds_count"
    found = {"http_route": "/things/{name}", "http_request_method": "GET"}
    assert value(metrics, name, http_response_status_code="200", **found) == 300
    assert value(metrics, name, http_response_status_code="500", **found) == 1
    assert value(metrics, name, http_route="", http_response_status_code="404") == 300
    assert value(metrics, name, http_request_method=OTHER) == 1
    assert plain.headers["content-type"].startswith("text/plain")
    assert "trace_id" not in plain.text
    traces = {
        sample.exemplar.labels["trace_id"]
        for family in text_string_to_metric_families(exact.text)
        for sample in family.samples
        if sample.exemplar is not None
    }
    assert traces == {TRACE}
    assert 'target_info{service_name="shop",service_version="1.2"} 1.0' in exact.text
    assert "_created" not in exact.text
