"""One lock for each asset: who may change it just now, kept by the broker and written by compare and set.

The sequence of a lock's message is its fencing token: it only grows, and a holder whose token is no longer the last has
lost the lock. A request takes its own lock over from a run of it that died. A lock outlives nobody for longer than its
`expires_ns`; clocks of hosts may differ by `CLOCKS_NS`.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterable
from dataclasses import dataclass

from nats.errors import Error as NatsError
from opswire.chassis.errors import RetryableError
from opswire.chassis.publisher import BrokerAwayError, OvertakenError, Publisher, PublishTimeoutError
from opswire.chassis.reading import read_message
from opswire.chassis.wire import WireClient
from opswire.contracts.envelope import Envelope
from opswire.contracts.lock_changed import LockChanged
from opswire.contracts.routes import LOCK_CHANGED, LOCKS
from opswire.executor.errors_of_changes import AssetBusyError
from opswire.executor.usecases.story import Key

CLOCKS_NS = 2_000_000_000
ASK_AGAIN_S = 1.0


@dataclass(frozen=True, slots=True)
class _Standing:
    token: int
    lock: LockChanged


class Locks:
    """One per process."""

    def __init__(self, client: WireClient, publisher: Publisher) -> None:
        self._client = client
        self._publisher = publisher

    async def acquire(
        self, assets: Iterable[str], run_id: str, key: Key, holding_ns: int, deadline_ns: int, wait_until_ns: int
    ) -> tuple[dict[str, int], int]:
        """The token of each asset's lock, and until when all hold: `holding_ns` from now, `deadline_ns` at the latest.

        Always taken in the same order, so that two requests never wait in a ring. Raises AssetBusyError where somebody
        else holds one until `wait_until_ns`, RetryableError.
        """
        tokens: dict[str, int] = {}
        held_until_ns = deadline_ns
        try:
            for asset_id in sorted(set(assets)):
                wanted = LockChanged(asset_id=asset_id, run_id=run_id, source=key.source, request_id=key.request_id)
                tokens[asset_id], expires_ns = await self._acquire_one(wanted, holding_ns, deadline_ns, wait_until_ns)
                held_until_ns = min(held_until_ns, expires_ns)
        except BaseException:
            await self.release(tokens)
            raise
        return tokens, held_until_ns

    async def release(self, tokens: dict[str, int]) -> None:
        """Free these locks where they are still held by these tokens. A lock that cannot be freed now expires."""
        for asset_id, token in tokens.items():
            try:
                await self._write(LockChanged(asset_id=asset_id), token)
            except (OvertakenError, RetryableError):
                continue

    async def is_held(self, tokens: dict[str, int]) -> bool:
        """Whether every one of these tokens is still the last. Raises RetryableError."""
        standing = [await self._read(asset_id) for asset_id in tokens]
        return all(
            found is not None and found.token == token for found, token in zip(standing, tokens.values(), strict=True)
        )

    async def _acquire_one(
        self, wanted: LockChanged, holding_ns: int, deadline_ns: int, wait_until_ns: int
    ) -> tuple[int, int]:
        asset_id, key = wanted.asset_id, Key(wanted.source or "", wanted.request_id or "")
        while True:
            standing = await self._read(asset_id)
            if standing is not None and standing.lock.run_id == wanted.run_id:
                return standing.token, standing.lock.expires_ns or 0  # an earlier try of ours, whose answer was lost
            if standing is None or _is_free(standing.lock, key):
                expires_ns = min(time.time_ns() + holding_ns, deadline_ns)
                try:
                    lock = wanted.model_copy(update={"expires_ns": expires_ns})
                    return await self._write(lock, standing.token if standing else 0), expires_ns
                except (OvertakenError, PublishTimeoutError):
                    continue
            left_s = (wait_until_ns - time.time_ns()) / 1e9
            if left_s <= 0:
                lock = standing.lock
                raise AssetBusyError(f"{asset_id} is being changed by request {lock.source}/{lock.request_id}")
            await self._changed(asset_id, min(left_s, ASK_AGAIN_S))

    async def _changed(self, asset_id: str, timeout_s: float) -> None:
        """Until the lock is written, or so many seconds: what expires says nothing."""
        changed = asyncio.Event()
        subject = LOCK_CHANGED.subject(asset_id=asset_id)
        number = await self._client.subscribe_directly(subject, lambda *_: changed.set())
        try:
            async with asyncio.timeout(timeout_s):
                await changed.wait()
        except TimeoutError:
            return
        finally:
            await self._client.unsubscribe_directly(number)

    async def _read(self, asset_id: str) -> _Standing | None:
        subject = LOCK_CHANGED.subject(asset_id=asset_id)
        try:
            answer = await self._client.request(f"$JS.API.DIRECT.GET.{LOCKS}.{subject}", b"", timeout=5)
        except (NatsError, OSError, TimeoutError) as error:
            raise BrokerAwayError(f"locks cannot be read: {type(error).__name__}") from error
        if answer.headers is None or "Nats-Sequence" not in answer.headers:
            return None
        body, _ = read_message(LOCK_CHANGED, answer.data, {})
        assert isinstance(body, LockChanged)
        return _Standing(int(answer.headers["Nats-Sequence"]), body)

    async def _write(self, lock: LockChanged, expected: int) -> int:
        headers = Envelope(type=LOCK_CHANGED.type).to_headers()
        headers["Nats-Expected-Last-Subject-Sequence"] = str(expected)
        lines = "".join(f"{name}: {value}\r\n" for name, value in headers.items()).encode()
        subject = LOCK_CHANGED.subject(asset_id=lock.asset_id)
        return (await self._publisher.publish(subject, lines, lock.to_bytes())).sequence


def _is_free(lock: LockChanged, key: Key) -> bool:
    """Free, over, or held by an earlier run of the same request, whose claims keep its steps apart."""
    is_ours = (lock.source, lock.request_id) == (key.source, key.request_id)
    return lock.run_id is None or is_ours or time.time_ns() > lock.expires_ns + CLOCKS_NS
