"""The holder's side of the invalidation protocol: follows the one ordered log and holds the read lease.

Every process that caches follows the changes stream from `applied + 1`. A message's stream sequence is the generation
of the tags it names. Entries are stamped with `applied` as it was before their load began; `is_valid` refuses any entry
that an applied invalidation overtook. Caches are served only inside the lease: every third of `LEASE_S` the holder asks
the stream's leader for its tail, and when `applied` has reached it the lease runs until the question's start plus
`LEASE_S`. A process that was paused or cut off wakes up outside its lease, and reads go to the source.

So `LEASE_S` plus a margin after an invalidation was stored, no process serves what it replaced. Not covered: a
monotonic clock that runs at another rate; a source that itself answers stale; a log that lost its end and grew past a
holder's place again while that holder was away, and, after such a loss, what a new process finds in the shared level
until it expires. What listens to asset changes is as old as `applied`, lease or not.
"""

from __future__ import annotations

import asyncio
import contextlib
import secrets
import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import orjson
from nats.aio.msg import Msg
from nats.aio.subscription import Subscription
from nats.errors import Error as NatsError
from opswire.chassis.delivery import ack_metadata, consumer_sequence
from opswire.chassis.errors import OpswireError
from opswire.chassis.logs import get_logger
from opswire.chassis.metrics import Metrics
from opswire.chassis.provision import DriftError
from opswire.chassis.reading import read_message
from opswire.contracts.caches_invalidated import CachesInvalidated
from opswire.contracts.routes import ASSET_CHANGED, CACHES_INVALIDATED, CHANGES

if TYPE_CHECKING:
    from opswire.chassis.bus import Bus

LEASE_S = 0.25
TAGS_MAX = 200_000
HEARTBEAT_S = 1.0
PROGRESS_TIMEOUT_S = 60.0
EVERYTHING = "all"
OnAssetChanged = Callable[[Any], None]


class InvalidationLog:
    """One per process. Not thread-safe: lives on the event loop."""

    def __init__(self, bus: Bus, metrics: Metrics) -> None:
        self._bus = bus
        self._metrics = metrics
        self._subscription: Subscription | None = None
        self._consumer_sequence = 0
        self._lease_until_s = 0.0
        self._last_heard_s = 0.0
        self._task: asyncio.Task[None] | None = None
        self._caught_up = asyncio.Event()
        self._follow_lock = asyncio.Lock()
        self._created = ""
        self.epoch = ""
        self.applied = 0
        self.floor = 0
        self.tag_sequences: dict[str, int] = {}
        self.on_asset_changed: OnAssetChanged | None = None
        self.on_restart: Callable[[], None] | None = None
        """Called before a history is read from its beginning: what was learnt from another one is forgotten."""

    @property
    def inside_lease(self) -> bool:
        """Whether caches may be served at this moment."""
        return time.monotonic() < self._lease_until_s

    def is_valid(self, epoch: str, stamp: int, tags: list[str] | tuple[str, ...]) -> bool:
        """Whether an entry loaded at `stamp` with `tags` is still true, as far as this holder has applied the log."""
        if epoch != self.epoch or not self.floor <= stamp <= self.applied:
            return False
        sequences = self.tag_sequences
        return all(sequences.get(tag, 0) <= stamp for tag in tags) and sequences.get(EVERYTHING, 0) <= stamp

    async def start(self) -> None:
        """Follow the log. Whoever listens to asset changes gets all of them from the beginning, before this returns."""
        self._bus.on_reconnected(self._refollow)
        await self._begin()
        self._task = asyncio.create_task(self._hold_lease(), name="read lease")
        await self._catch_up()

    async def _catch_up(self) -> None:
        """Wait for the first lease; a long log may take long, as long as it moves. Raises ConnectionError."""
        while not self._caught_up.is_set():
            before = self.applied
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._caught_up.wait(), timeout=PROGRESS_TIMEOUT_S)
            if not self._caught_up.is_set() and self.applied == before:
                raise ConnectionError(f"the log {CHANGES} does not move on from {before}")

    async def stop(self) -> None:
        """Give the lease up and follow no longer."""
        self._lease_until_s = 0.0
        if self._task is not None:
            self._task.cancel()
        await self._unfollow()

    async def _stream_state(self) -> tuple[str, int]:
        """Creation time and last sequence, from the stream's leader."""
        info = await self._bus.request_json(f"$JS.API.STREAM.INFO.{CHANGES}", {})
        if "error" in info:
            raise DriftError(f"run `opswire provision`: stream {CHANGES}: {info['error'].get('description')}")
        return str(info["created"]), int(info["state"]["last_seq"])

    async def _begin(self) -> None:
        """Start a history: nothing cached is trusted, and the log is read from its end, or whole for asset changes."""
        epoch, last = await self._stream_state()
        # A rolled-back stream keeps its creation time, and its sequences come again: what was stamped in the lost part
        # must not pass for what will be stamped anew.
        self.epoch = f"{epoch}/{secrets.token_hex(8)}" if epoch == self._created and last < self.applied else epoch
        self._created = epoch
        if self.on_restart is not None:
            self.on_restart()
        self.applied = 0 if self.on_asset_changed else last
        self.floor = last
        self.tag_sequences.clear()
        await self._follow()

    async def _unfollow(self) -> None:
        # Forgotten first: a subscription that is already ended must not keep us from following anew.
        subscription, self._subscription = self._subscription, None
        if subscription is not None:
            with contextlib.suppress(NatsError):
                await subscription.unsubscribe()

    async def _follow(self) -> None:
        async with self._follow_lock:
            await self._unfollow()
            client = self._bus.client
            inbox = client.new_inbox()
            self._consumer_sequence = 0
            self._last_heard_s = time.monotonic()
            self._subscription = await client.subscribe(
                inbox, cb=self._on_message, pending_msgs_limit=1_000_000, pending_bytes_limit=512 * 1024 * 1024
            )
            config = {
                "deliver_subject": inbox,
                "deliver_policy": "by_start_sequence",
                "opt_start_seq": self.applied + 1,
                "ack_policy": "none",
                "idle_heartbeat": int(HEARTBEAT_S * 1e9),
                "inactive_threshold": int(10e9),
                "mem_storage": True,
                "num_replicas": 1,
            }
            answer = await self._bus.request_json(
                f"$JS.API.CONSUMER.CREATE.{CHANGES}", {"stream_name": CHANGES, "config": config}
            )
            if "error" in answer:
                raise ConnectionError(f"cannot follow {CHANGES}: {answer['error'].get('description')}")

    async def _refollow(self) -> None:
        try:
            await self._follow()
        except (NatsError, ConnectionError, TimeoutError) as error:
            get_logger().info("cannot follow the log yet", error=str(error))
            self._last_heard_s = 0.0  # the lease task tries again

    async def _on_message(self, message: Msg) -> None:
        if self._subscription is None or message.subject.startswith("_INBOX"):
            self._last_heard_s = time.monotonic()  # a heartbeat
            return
        _, sequence, _ = ack_metadata(message.reply)
        place = consumer_sequence(message.reply)
        if place != self._consumer_sequence + 1:
            get_logger().warning("gap in the log; following anew", applied=self.applied)
            self._last_heard_s = 0.0
            self._lease_until_s = 0.0
            return
        self._consumer_sequence = place
        self._last_heard_s = time.monotonic()
        self._apply(message, sequence)

    def _apply(self, message: Msg, sequence: int) -> None:
        if sequence != self.applied + 1:
            # Messages between were removed by the stream's limit: what they invalidated is not known.
            self.floor = max(self.floor, sequence - 1)
        try:
            if message.subject == CACHES_INVALIDATED.template:
                body, _ = read_message(CACHES_INVALIDATED, message.data, message.headers)
                assert isinstance(body, CachesInvalidated)
                for tag in body.tags:
                    self.tag_sequences[tag] = sequence
                self._metrics.invalidations.inc()
            elif self.on_asset_changed is not None:
                self.on_asset_changed(read_message(ASSET_CHANGED, message.data, message.headers)[0])
        except Exception:  # noqa: BLE001  an unreadable change may have meant anything: nothing older is trusted
            get_logger().exception("unreadable change; every cache entry is dropped", sequence=sequence)
            self.floor = sequence
        self.applied = sequence
        if len(self.tag_sequences) > TAGS_MAX:
            self.floor = self.applied
            self.tag_sequences.clear()

    async def _hold_lease(self) -> None:
        while True:
            asked_s = time.monotonic()
            try:
                epoch, last = await self._stream_state()
                if epoch != self._created or last < self.applied:
                    get_logger().warning("the log was replaced or rolled back; every cache entry is dropped")
                    await self._begin()
                elif asked_s - self._last_heard_s > 3 * HEARTBEAT_S:
                    await self._follow()
                elif self.applied >= last:
                    self._lease_until_s = asked_s + LEASE_S
                    self._caught_up.set()
            except (NatsError, OpswireError, OSError, KeyError, orjson.JSONDecodeError):
                await asyncio.sleep(LEASE_S)  # the lease runs out by itself
            await asyncio.sleep(LEASE_S / 3)
