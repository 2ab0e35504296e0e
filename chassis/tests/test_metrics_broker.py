"""What a real broker says of consumers and streams: how much waits, since when, what is parked."""

from __future__ import annotations

from opswire.chassis.bus import Bus
from opswire.chassis.embedded.nats_server import NatsServer
from opswire.chassis.metrics import Metrics
from opswire.chassis.metrics_broker import BrokerWatch
from opswire.chassis.settings import ServiceSettings
from opswire.chassis.testing.upstream import Upstream
from opswire.contracts.routes import FACTS, PARKED, REQUEST_SUBMITTED

DURABLE = REQUEST_SUBMITTED.consumer_of("intent").durable


async def test_what_waits_is_seen_with_its_age(nats_server: NatsServer, upstream: Upstream) -> None:
    bus = Bus("test", ServiceSettings(nats_url=nats_server.url))
    await bus.connect()
    metrics = Metrics()
    watch = BrokerWatch(bus, metrics, [(REQUEST_SUBMITTED, REQUEST_SUBMITTED.consumer_of("intent"))], [FACTS, PARKED])

    def value(name: str, **labels: str) -> float:
        return metrics.registry.get_sample_value(f"opswire_{name}", labels) or 0.0

    of_consumer = {"stream": FACTS, "consumer": DURABLE}
    await watch.ask()
    assert value("broker_connected") == 1
    before = value("stream_messages", stream=FACTS)
    pending = value("consumer_pending_messages", **of_consumer)
    await upstream.submit("nobody takes it: no service runs here")
    await watch.ask()
    assert value("stream_messages", stream=FACTS) == before + 1
    assert value("consumer_pending_messages", **of_consumer) == pending + 1
    first = value("consumer_oldest_message_age_seconds", **of_consumer)
    assert first > 0
    await watch.ask()
    assert value("consumer_oldest_message_age_seconds", **of_consumer) > first
    assert value("stream_messages", stream=PARKED) == 0
    await bus.stop()
