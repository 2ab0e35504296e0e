"""How many requests have no outcome yet and how long the oldest waits, for people or for services."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator

from opswire.executor.adapters.open_requests import OpenRequests
from prometheus_client import CollectorRegistry
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.registry import Collector

PEOPLE, SERVICES = "people", "services"


class OpenRequestMetrics(Collector):
    """Told when asked for, from what the last sweep or tick saw: at most a sweep's interval old.

    Every replica of the executor tells the same. A person may take hours, a service may not: they are told apart.
    """

    def __init__(self, requests: OpenRequests, registry: CollectorRegistry, clock_ns: Callable[[], int]) -> None:
        """Registers itself."""
        self._requests = requests
        self._clock_ns = clock_ns
        registry.register(self)

    def collect(self) -> Iterator[GaugeMetricFamily]:
        """Both gauges, zero where there is none."""
        now_ns = self._clock_ns()
        since: dict[str, list[int]] = {PEOPLE: [], SERVICES: []}
        for request in self._requests.all:
            since[PEOPLE if request.waits_for_people else SERVICES].append(request.since_ns)
        count = GaugeMetricFamily("opswire_open_requests", "Requests without an outcome.", labels=["waiting_for"])
        oldest = GaugeMetricFamily(
            "opswire_open_request_oldest_age_seconds",
            "How long the oldest of them has waited: since accepted, asked about, or decided.",
            labels=["waiting_for"],
        )
        for whom, times in since.items():
            count.add_metric([whom], len(times))
            oldest.add_metric([whom], max((max(0, now_ns - time_ns) / 1e9 for time_ns in times), default=0.0))
        yield count
        yield oldest


def tell_open_requests(requests: OpenRequests, registry: CollectorRegistry) -> OpenRequests:
    """Have them told at /metrics; the same requests again."""
    OpenRequestMetrics(requests, registry, time.time_ns)
    return requests
