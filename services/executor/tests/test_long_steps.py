"""Many steps that take longer than the broker waits for an acknowledgement, in one executor: none is given away."""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from pathlib import Path

import nats
from change_scene import CHANGE, Scene, change
from nats.aio.client import Client
from nats.aio.msg import Msg
from opswire.chassis.delivery import Delivery
from opswire.chassis.embedded.nats_server import NatsServer
from opswire.chassis.provision import ACK_WAIT_S, provision
from opswire.chassis.service import Service
from opswire.chassis.settings import ServiceSettings
from opswire.chassis.testing.waiting import until
from opswire.contracts.context_resolved import ContextResolved
from opswire.contracts.routes import CONTEXT_RESOLVED, FACTS, REQUEST_FINISHED
from opswire.executor.usecases.story import Key

STEPS = 50
DURABLE = "executor-context-resolved"
HEARTBEATS_MIN = 4
"""In a third of the ack wait each: the fourth comes when the message would long be somebody else's."""
BLOCKING_S = 2.0


def waiting(scene: Scene, may_end: asyncio.Event) -> Counter[str]:
    """From now on the tool waits until it may end; how often each request has begun it."""
    begun, inner = Counter[str](), scene.tools[CHANGE]

    async def long(call):
        begun[call.context.request_id] += 1
        await may_end.wait()
        return await inner(call)

    scene.tools[CHANGE] = long
    return begun


async def heartbeats(watcher: Client) -> Counter[str]:
    """How often the broker was told of each message that work on it goes on."""
    told: Counter[str] = Counter()

    async def count(message: Msg) -> None:
        told[message.subject] += message.data == b"+WPI"

    await watcher.subscribe(f"$JS.ACK.{FACTS}.{DURABLE}.>", cb=count)
    await watcher.flush()
    return told


async def test_fifty_long_steps_at_once_keep_their_messages(tmp_path: Path, make_context, make_asset) -> None:
    """Also while other work blocks the loop for seconds."""
    scenes: list[Scene] = []
    may_end = asyncio.Event()
    attempts: list[int] = []

    async def handle(context: ContextResolved, delivery: Delivery) -> None:
        attempts.append(delivery.attempt)
        outcome = await scenes[0].proceed(Key("test", context.request_id), lambda: delivery.mark("executor"))
        assert outcome is not None
        await delivery.publish(REQUEST_FINISHED, outcome)

    with NatsServer(tmp_path / "nats", sync_always=False) as server:
        await provision(server.url)
        service = Service("executor", "1", ServiceSettings(nats_url=server.url, state_dir=tmp_path))
        service.on(CONTEXT_RESOLVED, handle)
        await service.start()
        scene = Scene(service, tmp_path / "scene")
        scene.modes.mode = "normal"
        begun = waiting(scene, may_end)
        scenes.append(scene)
        watcher = await nats.connect(server.url)
        told = await heartbeats(watcher)
        keys = []
        for number in range(STEPS):
            host = make_asset(f"box-{number}", environment="development")
            step = change(1, host, host.name, timeout_ms=120_000)
            keys.append(await scene.request(make_context("service.restart", assets=[host]), step, deadline_s=120))
        await until(lambda: len(begun) == STEPS)
        end_s = time.monotonic() + BLOCKING_S
        while time.monotonic() < end_s:  # a step beside them that never lets the loop turn
            pass
        await until(lambda: len(told) == STEPS and min(told.values()) >= HEARTBEATS_MIN, 10 * ACK_WAIT_S)
        may_end.set()
        await until(lambda: len(scene.effects) == STEPS)
        stories = [await scene.story(key) for key in keys]
        info = await watcher.jetstream().consumer_info(FACTS, DURABLE)
        await watcher.close()
        await service.stop()
    assert set(attempts) == {1}
    assert info.delivered is not None
    assert (info.delivered.consumer_seq, info.num_redelivered) == (STEPS, 0)
    assert sorted(scene.effects) == sorted(f"box-{number}" for number in range(STEPS))
    assert all(len(story.claims) == 1 for story in stories)
