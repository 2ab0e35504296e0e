"""The short way through nats-py: what it relies on, and that it keeps nats-py's promises."""

from __future__ import annotations

import asyncio
import inspect
from collections.abc import Awaitable, Callable

import pytest
import uvloop
from faststream.nats import JStream, NatsBroker, PullSub
from nats.aio.client import Client
from nats.errors import ConnectionClosedError, MaxPayloadError
from opswire.chassis.embedded.nats_server import NatsServer
from opswire.chassis.testing.waiting import until
from opswire.chassis.wire import PENDING_BYTES_MAX, WireClient, parse_header

Connect = Callable[..., Awaitable[WireClient]]
Seen = tuple[str, str, bytes, bytes | None]


def queue_into(queue: asyncio.Queue[Seen]) -> Callable[[str, str, bytes, bytes | None], None]:
    return lambda *message: queue.put_nowait(message)


async def test_the_private_parts_of_nats_py_are_where_we_use_them(nats_server: NatsServer, connect: Connect) -> None:
    parameters = list(inspect.signature(Client._process_msg).parameters)
    assert parameters == ["self", "sid", "subject", "reply", "data", "headers"]
    assert inspect.iscoroutinefunction(Client._process_msg)
    assert Client._parse_header_lines(b"A: 1\r\nB: 2\r\n\r\n") == {"A": "1", "B": "2"}
    client = await connect(nats_server.url)
    assert isinstance(client._pending, list)
    assert isinstance(client._pending_data_size, int)
    assert isinstance(client._subs, dict)
    assert client._max_payload == 1_048_576
    assert callable(client._transport.write)  # type: ignore[union-attr]
    assert callable(client._error_cb)
    subscription = await client.subscribe("a")
    assert client._subs[subscription._id] is subscription
    assert {"in_msgs", "in_bytes"} <= client.stats.keys()


async def test_the_private_parts_of_faststream_are_where_we_use_them(nats_server: NatsServer) -> None:
    assert list(inspect.signature(NatsBroker._connect).parameters) == ["self"]
    broker = NatsBroker(nats_server.url)
    subscriber = broker.subscriber("a", durable="d", stream=JStream(name="s", declare=False), pull_sub=PullSub())
    assert inspect.iscoroutinefunction(subscriber._create_subscription)
    assert "_create_subscription" in inspect.getsource(type(subscriber).start)
    assert hasattr(broker.config.broker_config, "connection_state")


async def test_many_publishes_of_one_turn_arrive_in_order_with_reply_and_body(
    nats_server: NatsServer, connect: Connect
) -> None:
    client, seen = await connect(nats_server.url), asyncio.Queue[Seen]()
    await client.subscribe_directly("numbers.*", queue_into(seen))
    for number in range(5_000):
        client.publish_now(f"numbers.{number}", "answer.here", b"", str(number).encode())
    found = [await asyncio.wait_for(seen.get(), 10) for _ in range(5_000)]
    assert found == [(f"numbers.{n}", "answer.here", str(n).encode(), None) for n in range(5_000)]


async def test_header_lines_arrive_as_headers_for_us_and_for_a_plain_client(
    nats_server: NatsServer, connect: Connect
) -> None:
    client, plain, seen = await connect(nats_server.url), await connect(nats_server.url), asyncio.Queue[Seen]()
    await client.subscribe_directly("a", queue_into(seen))
    subscription = await plain.subscribe("a")
    await plain.flush()
    client.publish_now("a", "", b"ce-id: 1\r\nNats-Msg-Id: x.y\r\n", b"body")
    _, _, body, block = await asyncio.wait_for(seen.get(), 10)
    assert (body, parse_header(block or b"")) == (b"body", {"ce-id": "1", "Nats-Msg-Id": "x.y"})
    message = await subscription.next_msg(10)
    assert (message.data, message.headers) == (b"body", {"ce-id": "1", "Nats-Msg-Id": "x.y"})


def test_an_inline_status_is_kept() -> None:
    assert parse_header(b"NATS/1.0 503\r\n\r\n") == {"Status": "503"}
    assert parse_header(b"NATS/1.0 100 Idle Heartbeat\r\nX: 1\r\n\r\n") == {"X": "1", "Status": "100"}


async def test_an_error_in_a_callback_is_reported_and_the_next_message_comes(
    nats_server: NatsServer, connect: Connect
) -> None:
    errors, seen = asyncio.Queue[Exception](), asyncio.Queue[Seen]()
    client = await connect(nats_server.url, error_cb=errors.put)

    def fail_first(*message: object) -> None:
        if message[2] == b"bad":
            raise ZeroDivisionError
        seen.put_nowait(message)  # type: ignore[arg-type]

    await client.subscribe_directly("a", fail_first)
    client.publish_now("a", "", b"", b"bad")
    client.publish_now("a", "", b"", b"good")
    assert isinstance(await asyncio.wait_for(errors.get(), 10), ZeroDivisionError)
    assert (await asyncio.wait_for(seen.get(), 10))[2] == b"good"


async def test_too_large_a_payload_is_refused_here_and_the_connection_stays(
    nats_server: NatsServer, connect: Connect
) -> None:
    client, seen = await connect(nats_server.url), asyncio.Queue[Seen]()
    await client.subscribe_directly("a", queue_into(seen))
    limit = client.max_payload
    with pytest.raises(MaxPayloadError):
        client.publish_now("a", "", b"", b"x" * (limit + 1))
    with pytest.raises(MaxPayloadError):
        client.publish_now("a", "", b"k: v\r\n", b"x" * limit)  # header and body count together
    client.publish_now("a", "", b"", b"x" * limit)
    assert len((await asyncio.wait_for(seen.get(), 10))[2]) == limit
    assert client.is_connected


async def test_more_than_the_bound_is_refused_within_one_turn(nats_server: NatsServer, connect: Connect) -> None:
    client = await connect(nats_server.url)
    chunk = b"x" * 1_000_000
    for _ in range(PENDING_BYTES_MAX // len(chunk) + 1):
        client.publish_now("a", "", b"", chunk)
    with pytest.raises(ConnectionClosedError):
        client.publish_now("a", "", b"", chunk)
    await client.flush()
    client.publish_now("a", "", b"", chunk)


async def test_a_direct_subscription_survives_a_restart_and_nothing_is_taken_meanwhile(
    nats_server: NatsServer, connect: Connect
) -> None:
    away, back, seen = asyncio.Event(), asyncio.Event(), asyncio.Queue[Seen]()

    async def gone() -> None:
        away.set()

    async def returned() -> None:
        back.set()

    client = await connect(nats_server.url, disconnected_cb=gone, reconnected_cb=returned)
    await client.subscribe_directly("a", queue_into(seen))
    nats_server.kill()
    await asyncio.wait_for(away.wait(), 10)
    with pytest.raises(ConnectionClosedError):
        client.publish_now("a", "", b"", b"lost")
    await asyncio.to_thread(nats_server.start)
    await asyncio.wait_for(back.wait(), 10)
    client.publish_now("a", "", b"", b"kept")
    assert (await asyncio.wait_for(seen.get(), 10))[2] == b"kept"
    assert seen.empty()


def test_a_socket_that_the_loop_closed_before_nats_py_read_of_it_is_connected_anew(nats_server: NatsServer) -> None:
    """Services run on uvloop, whose write to such a socket raises; asyncio's drops the bytes."""
    unhandled: list[object] = []

    async def publish_to_a_closed_socket() -> bytes:
        asyncio.get_running_loop().set_exception_handler(lambda _, context: unhandled.append(context))
        back, seen, client = asyncio.Event(), asyncio.Queue[Seen](), WireClient()

        async def returned() -> None:
            back.set()

        await client.connect(
            nats_server.url, max_reconnect_attempts=-1, reconnect_time_wait=0.02, reconnected_cb=returned
        )
        await client.subscribe_directly("a", queue_into(seen))
        for task in (client._reading_task, client._flusher_task):
            task.cancel()  # type: ignore[union-attr]  # both would notice, at times only after our next write
        transport = client._transport._io_writer.transport  # type: ignore[union-attr]
        transport.abort()
        await until(lambda: "closed=True" in repr(transport))
        assert client.is_connected
        client.publish_now("a", "", b"", b"lost")
        await asyncio.wait_for(back.wait(), 10)
        client.publish_now("a", "", b"", b"kept")
        found = await asyncio.wait_for(seen.get(), 10)
        await client.close()
        return found[2]

    assert uvloop.run(publish_to_a_closed_socket()) == b"kept"
    assert unhandled == []


async def test_an_ended_subscription_gets_nothing_and_other_subscriptions_are_nats_pys_own(
    nats_server: NatsServer, connect: Connect
) -> None:
    client, seen = await connect(nats_server.url), asyncio.Queue[Seen]()
    number = await client.subscribe_directly("a", queue_into(seen))
    plain = await client.subscribe("a")
    await client.unsubscribe_directly(number)
    client.publish_now("a", "", b"", b"1")
    assert (await plain.next_msg(10)).data == b"1"
    assert seen.empty()
