"""The holder's side of the invalidation protocol: follows the one ordered log and holds the read lease.

Every process that caches follows the changes stream. A message's stream sequence is the generation of the tags it
names. Entries are stamped with `applied` as it was before their load began; `is_valid` refuses any entry that an
applied invalidation overtook. Caches are served only inside the lease: every third of `LEASE_S` the holder asks the
stream's leader for its tail, and when `applied` has reached it the lease runs until the question's start plus
`LEASE_S`. A process that was paused or cut off wakes up outside its lease, and reads go to the source. A holder has
registered in the log before its first lease (registration.py), so whoever acknowledges knows all that could serve.

So once all registered holders have reported an invalidation, or `LEASE_S` plus a margin after it was stored, no process
serves what it replaced. A log that was replaced, rolled back, or rolled back and grown again is told by its creation
time, its end, and by when the message at `applied` was stored: then everything is dropped, here and, by an
invalidation of everything, wherever its entries lie.

Not covered: a monotonic clock that runs at another rate; a source that itself answers stale; an invalidation that the
broker acknowledged and lost while every process that had heard of it ended as well. What listens to asset changes is
as old as `applied`, lease or not.
"""

from __future__ import annotations

import asyncio
import contextlib
import secrets
import time
from collections import deque
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, Protocol

from nats.errors import Error as NatsError
from opswire.chassis.caching.registration import Registration
from opswire.chassis.caching.reports import Reports
from opswire.chassis.caching.stamp import Stamp
from opswire.chassis.caching.storing import store
from opswire.chassis.caching.stream_state import StreamState, stream_state
from opswire.chassis.caching.telling import Teller, Telling
from opswire.chassis.delivery import ack_metadata, consumer_sequence
from opswire.chassis.errors import OpswireError
from opswire.chassis.logs import get_logger
from opswire.chassis.metrics import Metrics
from opswire.chassis.reading import read_message
from opswire.chassis.stream_reader import reader_subject
from opswire.chassis.wire import parse_header
from opswire.contracts.caches_invalidated import CachesInvalidated
from opswire.contracts.caches_invalidated.tags import EVERYTHING
from opswire.contracts.holder_changed import HolderChanged
from opswire.contracts.routes import ASSET_CHANGED, CACHES_INVALIDATED, CHANGES, HOLDER_CHANGED

if TYPE_CHECKING:
    from opswire.chassis.bus import Bus

LEASE_S = 0.25
MARGIN_S = 0.03
"""What is waited beyond a lease, for clocks' grain and timers that fire late. Monotonic clocks only."""
TAGS_MAX = 200_000
MARKS_MAX = 200_000
HEARTBEAT_S = 1.0
PROGRESS_TIMEOUT_S = 60.0
FORGET_EVERY_S = 30.0
ONLY_HEARD_PREFIX = HOLDER_CHANGED.template.partition("{")[0]
OnAssetChanged = Callable[[Any], None]
OnInvalidated = Callable[[int, CachesInvalidated], None]
OnHolderChanged = Callable[[int, HolderChanged], None]


class Follower(Telling, Protocol):
    """Something that remembers what the log may put out of date: a cache's memory level."""

    ttl_max_s: float

    def drop(self, tags: list[str]) -> None:
        """Forget what carries any of `tags`."""

    def drop_all(self) -> None:
        """Forget everything."""

    def serve_until(self, lease_until_s: float) -> None:
        """Serve until then, on the monotonic clock, and not at all when that is past."""


class InvalidationLog:
    """One per process. Not thread-safe: lives on the event loop."""

    def __init__(self, bus: Bus, metrics: Metrics, service: str = "unnamed") -> None:
        self._bus = bus
        self._metrics = metrics
        self._subscription = 0
        self._consumer_sequence = 0
        self._last_heard_s = 0.0
        self._task: asyncio.Task[None] | None = None
        self._caught_up = asyncio.Event()
        self._follow_lock = asyncio.Lock()
        self._created = ""
        self._marks: dict[int, Stamp] = {}
        self._ages: deque[tuple[float, int]] = deque()
        self._must_drop_everywhere = False
        self.lease_until_s = 0.0
        """On the monotonic clock."""
        self.version = 0
        """Rises with whatever may make an entry invalid."""
        self.stamp = Stamp("", 0, 0)
        """What a load that begins now is stamped with."""
        self.floor = 0
        self.tag_sequences: dict[str, int] = {}
        self.followers: list[Follower] = []
        self.registration = Registration(bus, service)
        self.reports = Reports(bus, self.registration)
        self.teller = Teller(
            bus, self.registration, lambda: list(self.followers), lambda: (self.applied, self.inside_lease)
        )
        self.on_asset_changed: OnAssetChanged | None = None
        self.on_restart: Callable[[], None] | None = None
        """Called before a history is read from its beginning: what was learnt from another one is forgotten."""
        self.on_invalidated: list[OnInvalidated] = []
        self.on_holder_changed: list[OnHolderChanged] = []
        self.on_stop: list[Callable[[], None]] = []
        self.on_history: list[Callable[[], None]] = []
        """Called when messages of the log may have been missed: at every new history and every gap."""

    @property
    def holder_id(self) -> str:
        """This process among all holders; new at every start."""
        return self.registration.holder_id

    @property
    def epoch(self) -> str:
        """The creation time of the log that is followed."""
        return self._created

    @property
    def applied(self) -> int:
        """The last sequence applied."""
        return self.stamp.sequence

    @property
    def inside_lease(self) -> bool:
        """Whether caches may be served at this moment."""
        return time.monotonic() < self.lease_until_s

    def is_valid(self, stamp: Stamp, tags: Sequence[str]) -> bool:
        """Whether an entry loaded at `stamp` with `tags` is still true, as far as this holder has applied the log."""
        return self.valid_stamp(stamp.sequence, stamp.proof, tags) is not None

    def valid_stamp(self, sequence: int, proof: bytes, tags: Sequence[str]) -> Stamp | None:
        """Our own stamp of that place when an entry loaded there is still true; None when it is not."""
        own = self._marks.get(sequence)
        if own is None or own.proof != proof or sequence < self.floor or own.history != self._created:
            return None
        sequences = self.tag_sequences
        for tag in tags:
            if tag in sequences and sequences[tag] > sequence:
                return None
        return None if EVERYTHING in sequences and sequences[EVERYTHING] > sequence else own

    async def start(self) -> None:
        """Follow the log. Whoever listens to asset changes gets all of them from the beginning, before this returns."""
        self._bus.on_reconnected(self._refollow)
        await self._begin()
        await self.teller.start()
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
        """Give the lease up for good, say so, and follow no longer."""
        if self._task is not None:
            self._task.cancel()
        self._set_lease(0.0)
        self.reports.stop()
        self.teller.stop()
        self.registration.leave()
        for callback in self.on_stop:
            callback()
        await self._unfollow()

    async def _begin(self) -> None:
        """Start a history: nothing cached is trusted, and the log is read from its end, or whole for asset changes."""
        state = await stream_state(self._bus)
        self._set_lease(0.0)
        self.registration.forget()
        self._created = state.created
        if self.on_restart is not None:
            self.on_restart()
        self.floor = state.last
        self.tag_sequences.clear()
        self._ages.clear()
        end = Stamp(state.created, state.last, state.last_ns)
        self._marks = {state.last: end}
        self.stamp = Stamp(state.created, 0, 0) if self.on_asset_changed else end
        self._missed()
        await self._follow()

    def _missed(self) -> None:
        """Nothing that is remembered can be trusted."""
        self.version += 1
        for follower in self.followers:
            follower.drop_all()
        for callback in self.on_history:
            callback()

    async def _unfollow(self) -> None:
        # Forgotten first: a subscription that is already ended must not keep us from following anew.
        subscription, self._subscription = self._subscription, 0
        if subscription:
            with contextlib.suppress(NatsError):
                await self._bus.client.unsubscribe_directly(subscription)

    async def _follow(self) -> None:
        """Read the log from `applied` itself on: whether that message is still the one we applied is seen by it."""
        async with self._follow_lock:
            await self._unfollow()
            client = self._bus.client
            inbox = client.new_inbox()
            self._consumer_sequence = 0
            self._last_heard_s = time.monotonic()
            self._subscription = await client.subscribe_directly(inbox, self._on_message)
            config = {
                "deliver_subject": inbox,
                "deliver_policy": "by_start_sequence",
                "opt_start_seq": max(1, self.applied),
                "ack_policy": "none",
                "idle_heartbeat": int(HEARTBEAT_S * 1e9),
                "inactive_threshold": int(10e9),
                "mem_storage": True,
                "num_replicas": 1,
            }
            answer = await self._bus.request_json(reader_subject(CHANGES), {"stream_name": CHANGES, "config": config})
            if "error" in answer:
                raise ConnectionError(f"cannot follow {CHANGES}: {answer['error'].get('description')}")

    async def _refollow(self) -> None:
        try:
            await self._follow()
        except (NatsError, ConnectionError, TimeoutError) as error:
            get_logger().info("cannot follow the log yet", error=str(error))
            self._last_heard_s = 0.0  # the lease task tries again

    def _on_message(self, subject: str, reply: str, body: bytes, header: bytes | None) -> None:
        if not reply.startswith("$JS.ACK"):
            self._last_heard_s = time.monotonic()  # a heartbeat
            return
        _, sequence, stored_ns = ack_metadata(reply)
        place = consumer_sequence(reply)
        if place != self._consumer_sequence + 1:
            self._distrust("gap in the log; following anew")
            return
        self._consumer_sequence = place
        self._last_heard_s = time.monotonic()
        if sequence > self.applied:
            self._apply(subject, body, parse_header(header) if header else None, sequence, stored_ns)
        elif sequence in self._marks and not self._is_same(sequence, stored_ns):
            self._created = ""  # the next question finds another history
            self._distrust("the log holds another message where we are; it was rolled back")

    def _distrust(self, event: str) -> None:
        get_logger().warning(event, applied=self.applied)
        self._last_heard_s = 0.0
        self._set_lease(0.0)

    def _is_same(self, sequence: int, stored_ns: int) -> bool:
        """Whether the message is the one that we applied: sequences come again after a roll-back, this does not."""
        return sequence in self._marks and self._marks[sequence].mark_ns == stored_ns

    def _apply(self, subject: str, body: bytes, headers: dict[str, str] | None, sequence: int, stored_ns: int) -> None:
        if sequence != self.applied + 1:
            # Messages between were removed by the stream's limit: what they invalidated is not known.
            self._raise_floor(sequence - 1)
        nonce = ""
        try:
            nonce = self._take(subject, body, headers, sequence)
        except Exception:  # noqa: BLE001  an unreadable change may have meant anything: nothing older is trusted
            get_logger().exception("unreadable change; every cache entry is dropped", sequence=sequence)
            self._raise_floor(sequence)
        self.stamp = Stamp(self._created, sequence, stored_ns)
        if sequence >= self.floor:
            self._marks[sequence] = self.stamp
        self.version += 1
        self.reports.applied(sequence, nonce)
        if len(self.tag_sequences) > TAGS_MAX or len(self._marks) > MARKS_MAX:
            self._raise_floor(sequence)

    def _take(self, subject: str, body: bytes, headers: dict[str, str] | None, sequence: int) -> str:
        """Do what one message says; the nonce of an invalidation, else nothing. Raises what reading it raises."""
        if subject == CACHES_INVALIDATED.template:
            invalidation, _ = read_message(CACHES_INVALIDATED, body, headers)
            assert isinstance(invalidation, CachesInvalidated)
            for tag in invalidation.tags:
                self.tag_sequences[tag] = sequence
            self._drop(invalidation.tags)
            self._metrics.invalidations.inc()
            for callback in self.on_invalidated:
                callback(sequence, invalidation)
            return invalidation.nonce
        if subject.startswith(ONLY_HEARD_PREFIX):
            change, _ = read_message(HOLDER_CHANGED, body, headers)
            assert isinstance(change, HolderChanged)
            if self.registration.hear(sequence, change):
                self._set_lease(0.0)
            for heard in self.on_holder_changed:
                heard(sequence, change)
        elif self.on_asset_changed is not None:
            self.on_asset_changed(read_message(ASSET_CHANGED, body, headers)[0])
        return ""

    def _drop(self, tags: list[str]) -> None:
        for follower in self.followers:
            if EVERYTHING in tags:
                follower.drop_all()
            else:
                follower.drop(tags)

    def _raise_floor(self, floor: int) -> None:
        if floor <= self.floor:
            return
        self.floor = floor
        self.tag_sequences.clear()
        self._marks = {sequence: mark for sequence, mark in self._marks.items() if sequence >= floor}
        self._ages.clear()
        self._missed()

    async def _hold_lease(self) -> None:
        while True:
            try:
                if await self._probe():
                    continue
            except (NatsError, OpswireError, OSError, KeyError, ValueError) as error:
                get_logger().debug("the log's end is not known", error=str(error))
                await asyncio.sleep(LEASE_S)  # the lease runs out by itself
            await asyncio.sleep(LEASE_S / 3)

    async def _probe(self) -> bool:
        """Ask the stream for its end; take the lease when nothing before it is unknown to us. True: again at once."""
        asked_s, before = time.monotonic(), self.applied
        state = await stream_state(self._bus)
        if self._is_other_history(state, before):
            get_logger().warning("the log was replaced or rolled back; every cache entry is dropped")
            self._must_drop_everywhere = True
            await self._begin()
            return True
        if asked_s - self._last_heard_s > 3 * HEARTBEAT_S:
            await self._follow()
        elif self._must_drop_everywhere:
            await self._drop_everywhere()
            return True
        elif not self.registration.is_registered:
            await self.registration.register()
            return True
        elif self.applied >= state.last:
            self._extend_lease(asked_s)
            self._caught_up.set()
            self._forget_old(asked_s)
        return False

    def _extend_lease(self, asked_s: float) -> None:
        """From when the question was asked: the answer may have been on its way for long."""
        self._set_lease(asked_s + LEASE_S)

    def _set_lease(self, until_s: float) -> None:
        self.lease_until_s = until_s
        for follower in self.followers:
            follower.serve_until(until_s)

    def _is_other_history(self, state: StreamState, before: int) -> bool:
        """Whether the log is not the one we applied until `before`, which was before the question."""
        if state.created != self._created or state.last < before:
            return True
        return state.last in self._marks and not self._is_same(state.last, state.last_ns)

    async def _drop_everywhere(self) -> None:
        """What was loaded before the log lost its end may lie in the shared level: nobody may take it for valid."""
        message = CachesInvalidated(
            tags=[EVERYTHING], cause="log:rolled_back", nonce=secrets.token_hex(16), at_ns=time.time_ns()
        )
        await store(self._bus, self.registration.service, CACHES_INVALIDATED, CACHES_INVALIDATED.template, message)
        self._must_drop_everywhere = False

    def _forget_old(self, now_s: float) -> None:
        """Raise the floor over what only entries could know that have expired."""
        if not self._ages or now_s - self._ages[-1][0] > FORGET_EVERY_S:
            self._ages.append((now_s, self.applied))
        keep_s = max((follower.ttl_max_s for follower in self.followers), default=0.0) + 2 * FORGET_EVERY_S
        floor = self.floor
        while self._ages and now_s - self._ages[0][0] > keep_s:
            floor = max(floor, self._ages.popleft()[1])
        if floor > self.floor:
            self.floor = floor
            self.tag_sequences = {tag: last for tag, last in self.tag_sequences.items() if last > floor}
            self._marks = {sequence: mark for sequence, mark in self._marks.items() if sequence >= floor}
            self.version += 1
