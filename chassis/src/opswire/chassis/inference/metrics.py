"""Prometheus metrics of model calls: how many, how many tokens, what they cost, and whether the endpoints are there.

How long calls took is `gen_ai_client_operation_duration_seconds`, made of their spans.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING
from weakref import WeakKeyDictionary, WeakSet

from opswire.chassis.inference.breaker import BreakerState
from opswire.chassis.inference.call import Usage
from opswire.chassis.metrics import Metrics
from prometheus_client import Counter
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.registry import Collector

if TYPE_CHECKING:
    from opswire.chassis.inference.client import InferenceClient


class InferenceMetrics:
    """Of one process. An outcome is `ok` or the closed word that an error carries as its cause."""

    def __init__(self, metrics: Metrics) -> None:
        registry = metrics.registry
        self.calls = Counter(
            "opswire_inference_calls_total",
            "Model calls by endpoint, operation and what became of them.",
            ["endpoint", "operation", "outcome"],
            registry=registry,
        )
        self.tokens = Counter(
            "opswire_inference_tokens_total",
            "Tokens: input (cached and written ones included), output, cached_input, cache_write.",
            ["endpoint", "operation", "kind"],
            registry=registry,
        )
        self.cost = Counter(
            "opswire_inference_cost_usd_total",
            "US dollars, where prices are known.",
            ["endpoint", "operation"],
            registry=registry,
        )
        self.repairs = Counter(
            "opswire_inference_repairs_total",
            "Replies that were asked for once more, by what was wrong.",
            ["endpoint", "operation", "cause"],
            registry=registry,
        )
        self.clients: WeakSet[InferenceClient] = WeakSet()
        self._series: dict[tuple[str, str], Series] = {}
        registry.register(_Endpoints(self.clients))

    def of(self, endpoint: str, operation: str) -> Series:
        """The series of one endpoint and operation; made once, because looking labels up costs more than counting."""
        found = self._series.get((endpoint, operation))
        if found is None:
            found = self._series[endpoint, operation] = Series(self, endpoint, operation)
        return found


class _Endpoints(Collector):
    """What the configured endpoints are like at this moment, told when it is asked for."""

    def __init__(self, clients: WeakSet[InferenceClient]) -> None:
        self._clients = clients

    def collect(self) -> Iterator[GaugeMetricFamily]:
        up = GaugeMetricFamily(
            "opswire_inference_endpoint_up",
            "0 while the endpoint is left alone after failures, or did not answer when it was asked.",
            labels=["endpoint", "model"],
        )
        calls = GaugeMetricFamily(
            "opswire_inference_endpoint_calls",
            "Calls that are at the endpoint, and that wait for a place there.",
            labels=["endpoint", "state"],
        )
        places = {place.endpoint.name: place for client in list(self._clients) for place in client.places}
        for name, place in places.items():
            is_up = place.breaker.state is BreakerState.CLOSED and place.health.state in ("ok", "unknown")
            up.add_metric([name, place.endpoint.model], float(is_up))
            calls.add_metric([name, "at_endpoint"], place.lanes.taken)
            calls.add_metric([name, "waiting"], place.lanes.waiting)
        yield up
        yield calls


class Series:
    """The metrics of one endpoint and operation."""

    __slots__ = (
        "_cached",
        "_calls",
        "_cost",
        "_endpoint",
        "_input",
        "_ok",
        "_operation",
        "_output",
        "_repairs",
        "_written",
    )

    def __init__(self, metrics: InferenceMetrics, endpoint: str, operation: str) -> None:
        self._calls, self._endpoint, self._operation = metrics.calls, endpoint, operation
        self._repairs = metrics.repairs
        self._ok = metrics.calls.labels(endpoint, operation, "ok")
        self._cost = metrics.cost.labels(endpoint, operation)
        self._input = metrics.tokens.labels(endpoint, operation, "input")
        self._output = metrics.tokens.labels(endpoint, operation, "output")
        self._cached = metrics.tokens.labels(endpoint, operation, "cached_input")
        self._written = metrics.tokens.labels(endpoint, operation, "cache_write")

    def answered(self, usage: Usage, cost_usd: float | None) -> None:
        """Count an answer."""
        self._ok.inc()
        self._input.inc(usage.input_tokens)
        self._output.inc(usage.output_tokens)
        if usage.cached_input_tokens:
            self._cached.inc(usage.cached_input_tokens)
        if usage.cache_write_tokens:
            self._written.inc(usage.cache_write_tokens)
        if cost_usd:
            self._cost.inc(cost_usd)

    def failed(self, cause: str) -> None:
        """Count a call that got no answer, or was not sent."""
        self._calls.labels(self._endpoint, self._operation, cause).inc()

    def repaired(self, cause: str) -> None:
        """Count a reply that is asked for once more."""
        self._repairs.labels(self._endpoint, self._operation, cause).inc()


_known: WeakKeyDictionary[Metrics, InferenceMetrics] = WeakKeyDictionary()


def inference_metrics(metrics: Metrics) -> InferenceMetrics:
    """One set of series for a process, however many clients it has."""
    found = _known.get(metrics)
    if found is None:
        found = _known[metrics] = InferenceMetrics(metrics)
    return found
