"""How late the event loop is: what a process does to all its requests at once, and no span of its own can show."""

from __future__ import annotations

import asyncio

from opswire.chassis.metrics_histogram import Histogram
from prometheus_client import CollectorRegistry

SAMPLED_EVERY_S = 0.1
LAG_BUCKETS_S = (0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0)


class LoopLag:
    """Ten times a second a timer says how late it was. One number is kept for the spans that end until the next one."""

    def __init__(self, registry: CollectorRegistry) -> None:
        """Nothing is sampled yet."""
        self.latest_ms = 0.0
        histogram = Histogram(
            "opswire_event_loop_lag_seconds",
            "How much later than asked for a timer of the event loop ran, sampled ten times a second.",
            (),
            LAG_BUCKETS_S,
            registry,
        )
        self._series = histogram.of()

    async def run(self) -> None:
        """Sample until cancelled."""
        loop = asyncio.get_running_loop()
        while True:
            wanted_s = loop.time() + SAMPLED_EVERY_S
            await asyncio.sleep(SAMPLED_EVERY_S)
            late_s = max(0.0, loop.time() - wanted_s)
            self.latest_ms = round(late_s * 1_000, 1)
            self._series.observe(late_s)
