"""What the broker holds for a service, asked of the broker itself: how much waits, since when, and what lies parked.

Each service asks for its own consumers and for the streams that it touches; several say the same of a stream, so that
no single one must be up: take the maximum. While the broker is away nothing is told, rather than what was.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterable
from datetime import datetime
from typing import Any

import orjson
from nats.errors import Error as NatsError
from opswire.chassis.bus import Bus
from opswire.chassis.logs import get_logger
from opswire.chassis.metrics import Metrics
from opswire.contracts.route import Consumer, Route
from prometheus_client import CollectorRegistry, Gauge

ASKED_EVERY_S = 5.0
_CONSUMER = ("stream", "consumer")


class BrokerWatch:
    """Asks every five seconds, for as long as the service runs: 60 microseconds of the broker's time each time."""

    def __init__(
        self, bus: Bus, metrics: Metrics, taken: Iterable[tuple[Route, Consumer]], streams: Iterable[str]
    ) -> None:
        """Nothing is asked yet. `taken` is what the service consumes."""
        self._bus = bus
        self._taken = list(taken)
        self._streams = sorted(streams)
        registry = metrics.registry
        connected = Gauge("opswire_broker_connected", "1 while the broker answers this process.", registry=registry)
        connected.set_function(lambda: float(bus.is_connected))
        self._pending = _gauge(
            registry, "consumer_pending_messages", "Stored and not yet delivered to anybody.", _CONSUMER
        )
        self._unsettled = _gauge(registry, "consumer_unsettled_messages", "Delivered, not yet acknowledged.", _CONSUMER)
        self._again = _gauge(
            registry, "consumer_redelivering_messages", "Not yet acknowledged and delivered more than once.", _CONSUMER
        )
        self._oldest = _gauge(
            registry,
            "consumer_oldest_message_age_seconds",
            "Age of the oldest message that is not acknowledged, delivered or not; 0 where there is none.",
            _CONSUMER,
        )
        self._messages = _gauge(registry, "stream_messages", "Messages that a stream holds.", ("stream",))
        self._bytes = _gauge(registry, "stream_bytes", "Bytes that a stream holds.", ("stream",))
        self._consumers = _gauge(registry, "stream_consumers", "Consumers of a stream.", ("stream",))

    async def run(self) -> None:
        """Ask until cancelled."""
        while True:
            try:
                if self._bus.is_connected:  # what is asked of a broker that is away waits in the client's buffer
                    await self.ask()
                else:
                    self._forget()
            except (NatsError, OSError, TimeoutError, KeyError) as error:
                self._forget()
                get_logger().info("the broker does not say how it stands", error=type(error).__name__)
            await asyncio.sleep(ASKED_EVERY_S)

    async def ask(self) -> None:
        """Ask once for everything. Raises nats' errors, TimeoutError or KeyError where an answer is none."""
        for route, consumer in self._taken:
            found = await self._bus.request_json(f"$JS.API.CONSUMER.INFO.{route.stream}.{consumer.durable}", {})
            names = (route.stream, consumer.durable)
            self._pending.labels(*names).set(found["num_pending"])
            self._unsettled.labels(*names).set(found["num_ack_pending"])
            self._again.labels(*names).set(found["num_redelivered"])
            self._oldest.labels(*names).set(await self._oldest_age_s(route, found))
        for stream in self._streams:
            state = (await self._bus.request_json(f"$JS.API.STREAM.INFO.{stream}", {}))["state"]
            self._messages.labels(stream).set(state["messages"])
            self._bytes.labels(stream).set(state["bytes"])
            self._consumers.labels(stream).set(state["consumer_count"])

    async def _oldest_age_s(self, route: Route, consumer: dict[str, Any]) -> float:
        if not consumer["num_pending"] + consumer["num_ack_pending"]:
            return 0.0
        wanted = {"seq": int(consumer["ack_floor"]["stream_seq"]) + 1, "next_by_subj": route.wildcard}
        subject = f"$JS.API.STREAM.MSG.GET.{route.stream}"
        reply = await self._bus.client.request(subject, orjson.dumps(wanted), timeout=5)
        message = orjson.loads(reply.data).get("message")
        if message is None:  # it was settled, or let go, since the first question
            return 0.0
        return max(0.0, time.time() - _seconds(message["time"]))

    def _forget(self) -> None:
        for gauge in (self._pending, self._unsettled, self._again, self._oldest):
            gauge.clear()
        for gauge in (self._messages, self._bytes, self._consumers):
            gauge.clear()


def _gauge(registry: CollectorRegistry, name: str, text: str, labels: tuple[str, ...]) -> Gauge:
    return Gauge(f"opswire_{name}", text, labels, registry=registry)


def _seconds(text: str) -> float:
    """Seconds since 1970 from the broker's RFC 3339, whose nanoseconds Python cannot read."""
    whole, _, fraction = text.rstrip("Z").partition(".")
    return datetime.fromisoformat(f"{whole}+00:00").timestamp() + float(f"0.{fraction or 0}")
