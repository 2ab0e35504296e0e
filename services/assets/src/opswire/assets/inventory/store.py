"""The inventory as the rest of the service sees it: asynchronous, one writer at a time, errors classed."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Iterable, Mapping, Sequence
from functools import partial
from typing import Any, Self, TypeVar

from opswire.assets.errors import AssetNotFoundError, InventoryUnavailableError, NameTakenError
from opswire.assets.inventory import changes, comparing, queries, transactions
from opswire.assets.inventory.engine import Engines, open_engines
from opswire.assets.inventory.listening import can_listen, listen
from opswire.assets.inventory.migrate import migrate
from opswire.assets.inventory.near import nearest, pairs_of
from opswire.assets.inventory.tables import LANE_BULK, LANE_BY_HAND
from opswire.assets.records import AssetFilter, AssetRecord, ImportReport, InventoryDifference, OutboxRow
from opswire.assets.vocabulary import fold
from opswire.contracts.findings import Asset, Candidate
from sqlalchemy import Connection, Select
from sqlalchemy.exc import IntegrityError, SQLAlchemyError

UPSERT_BATCH = 1_000
NAMESAKES_MAX = 64
READ_TIMEOUT_S = 10.0
STATISTICS_CHANGES_MIN = 100
STATISTICS_GROWTH = 4
BY_HAND_MAX = 100
"""An import of more records than this gives way, in the outbox, to changes by hand."""

ResultT = TypeVar("ResultT")


class Inventory:
    """All assets, and the outbox of what changed about them. Made by `open`; safe for one event loop.

    Every method raises InventoryUnavailableError when the database does not answer. Writes of this process go one
    after another; `changed` is set after each, for whoever empties the outbox.
    """

    def __init__(self, engines: Engines, url: str) -> None:
        self._engines = engines
        self._url = url
        self._reader: Connection | None = None
        self._write_lock = asyncio.Lock()
        self._sent = asyncio.Condition()
        self.changed = asyncio.Event()

    @property
    def system(self) -> str:
        """The database's name as OpenTelemetry writes it: `sqlite`, `postgresql`."""
        return self._engines.read.dialect.name

    @classmethod
    async def open(cls, url: str) -> Self:
        """Open the database of a SQLAlchemy URL, brought to the newest schema first."""
        try:
            await asyncio.to_thread(migrate, url)
        except SQLAlchemyError as error:
            raise InventoryUnavailableError(f"the inventory cannot be opened: {_reason(error)}") from error
        return cls(open_engines(url), url)

    @property
    def tells(self) -> bool:
        """Whether the database says by itself that another process changed something; `listen` then hears it."""
        return can_listen(self._url)

    async def listen(self) -> None:
        """Set `changed` for every commit of any process, for ever. Only where the database `tells`."""
        await listen(self._url, self.changed.set)

    async def close(self) -> None:
        """Wait for a write in progress, then close all connections."""
        async with self._write_lock:
            if self._reader is not None:
                self._reader.close()
                self._reader = None
            self._engines.dispose()

    # Reading

    async def by_name(self, name: str) -> list[tuple[changes.NameKind, Asset]]:
        """Everything that answers to a name, at most 64, each with the kind of name it is."""
        rows = await self._rows(queries.BY_NAME, {"key": fold(name), "most": NAMESAKES_MAX})
        return [(kind, queries.asset_of(document)) for kind, document in rows]

    async def by_address(self, address: str) -> list[Asset]:
        """Everything at an IP address or DNS name."""
        rows = await self._rows(queries.BY_ADDRESS, {"address": changes.normal_address(address)})
        return [queries.asset_of(row[0]) for row in rows]

    async def get(self, name: str) -> Asset:
        """The asset with this primary name. Raises AssetNotFoundError."""
        for kind, asset in await self.by_name(name):
            if kind == "name":
                return asset
        raise AssetNotFoundError(f"there is no asset named {name}")

    async def search(self, wanted: AssetFilter) -> tuple[list[Asset], int]:
        """The assets that match, by name, from `offset` on and at most `limit`; and how many match in all."""
        shape, values = queries.shape_and_values(wanted)
        found: list[Asset] = []
        if wanted.limit > 0:
            paged = {**values, "most": wanted.limit, "first": wanted.offset}
            rows = await self._rows(queries.list_statement(shape), paged, reads_far=bool(wanted.attributes))
            found = [queries.asset_of(row[0]) for row in rows]
            if found and len(found) < wanted.limit:
                return found, wanted.offset + len(found)
        count = await self._rows(queries.count_statement(shape), values, reads_far=bool(wanted.attributes))
        return found, int(count[0][0])

    async def near(self, name: str, limit: int = 5) -> list[Candidate]:
        """Assets whose names look like this one, best first. For offering a choice, never for taking one."""
        pairs = pairs_of(name, queries.NEAR_PAIRS_MAX)
        values = {f"pair_{i}": _takeable(queries.like_escaped(pair)) for i, pair in enumerate(pairs)}
        rows = await self._in_time(asyncio.to_thread(self._read_apart, queries.near_statement(len(pairs)), values))
        bearers: dict[str, list[tuple[str, str]]] = {}
        for key, owner, kind, environment in rows:
            bearers.setdefault(key, []).append((owner, f"{kind} in {environment}"))
        found: dict[str, Candidate] = {}
        for key, likeness in await asyncio.to_thread(nearest, name, bearers, limit * 3):
            for owner, label in bearers[key]:
                found.setdefault(owner, Candidate(kind="asset", value=owner, label=label, confidence=likeness))
        return list(found.values())[:limit]

    # Writing

    async def upsert(
        self, records: Sequence[AssetRecord], origin: str, progress: Callable[[int], None] | None = None
    ) -> ImportReport:
        """Create or update by primary name, one transaction per 1,000; what does not change writes nothing.

        A record that makes no valid asset, or repeats a name of the same call, is rejected by line; the others go in.
        `origin` is stored as the attribute `origin` of what it creates. `progress` hears how many records are done.
        """
        report = ImportReport()
        lane = LANE_BULK if len(records) > BY_HAND_MAX else LANE_BY_HAND
        seen: dict[str, int] = {}
        renewed = UPSERT_BATCH // STATISTICS_GROWTH
        for start in range(0, len(records), UPSERT_BATCH):
            batch = transactions.without_repeats(records[start : start + UPSERT_BATCH], seen, report)
            if batch:
                await self._write(partial(transactions.upsert, records=batch, origin=origin, report=report, lane=lane))
            if progress is not None:
                progress(start + len(records[start : start + UPSERT_BATCH]))
            if report.created + report.updated >= renewed * STATISTICS_GROWTH:
                # PostgreSQL plans for the size it knows: 100,000 into empty tables took 85 s without, 18 s with it.
                await self._renew_statistics()
                renewed = report.created + report.updated
        if report.created + report.updated >= STATISTICS_CHANGES_MIN:
            await self._renew_statistics()
        return report

    async def compare(self, records: Sequence[AssetRecord], origin: str) -> InventoryDifference:
        """What `upsert` would do with these records, without doing it."""
        difference = InventoryDifference()
        seen: dict[str, int] = {}
        report = ImportReport()
        for start in range(0, len(records), UPSERT_BATCH):
            batch = transactions.without_repeats(records[start : start + UPSERT_BATCH], seen, report)
            await self._read_with(partial(comparing.compare, records=batch, origin=origin, difference=difference))
        await self._read_with(partial(comparing.find_gone, records=records, origin=origin, difference=difference))
        difference.rejected += report.rejected
        return difference

    async def set(self, name: str, values: Mapping[str, changes.EditValue], new_environment: bool = False) -> Asset:
        """Edit one asset; see `changes.edited` for the keys. Raises AssetNotFoundError, InvalidAssetError.

        An environment that nobody has heard of is refused unless `new_environment` says that it is meant.
        """
        return await self._write(partial(transactions.edit, name=name, values=values, new_environment=new_environment))

    async def rename(self, old: str, new: str) -> Asset:
        """Give an asset another name; those that name it as parent follow. Raises NameTakenError."""
        return await self._write(partial(transactions.rename, old=old, new=new))

    async def delete(self, name: str) -> Asset:
        """Remove an asset and return what it was. Raises AssetInUseError while others have it as parent."""
        return await self._write(partial(transactions.remove, name=name))

    # Outbox

    async def outbox_pending(self, limit: int = 100) -> list[OutboxRow]:
        """The messages to send next: those of changes by hand, then those of imports, each in order.

        What one asset has waiting is always in order. They may have been sent all the same.
        """
        rows = await self._rows(queries.OUTBOX_PENDING, {"most": limit})
        return [OutboxRow(row[0], row[1], row[2], bytes(row[3]), row[4] == LANE_BULK) for row in rows]

    async def outbox_sent(self, ids: Iterable[int]) -> None:
        """Forget messages whose publish was acknowledged."""
        gone = sorted(set(ids))
        await self._write(partial(transactions.forget, outbox_ids=gone), tells=False)
        async with self._sent:
            self._sent.notify_all()

    async def outbox_latest(self) -> int:
        """The highest id of a change by hand that waits, 0 when none does."""
        rows = await self._rows(queries.OUTBOX_LAST, {})
        return int(rows[0][0] or 0)

    async def outbox_is_sent(self, outbox_id: int) -> bool:
        """Whether every message up to this id, in its lane, was reported as sent."""
        return not await self._rows(queries.OUTBOX_WAITING, {"outbox_id": outbox_id})

    async def outbox_unreadable(self, row: OutboxRow) -> None:
        """Take out a message that nobody can read; what its asset is now is told in its stead (one transaction)."""
        await self._write(partial(transactions.tell_anew, row=row))

    async def wait_sent(self, outbox_id: int, timeout_s: float) -> bool:
        """Wait until every message up to this id is reported as sent by this process; False when the time is over."""
        try:
            async with asyncio.timeout(timeout_s), self._sent:
                while not await self.outbox_is_sent(outbox_id):
                    await self._sent.wait()
        except TimeoutError:
            return False
        return True

    # The database

    async def _rows(self, statement: Select[Any], values: Mapping[str, Any], reads_far: bool = False) -> Sequence[Any]:
        values = {key: _takeable(value) for key, value in values.items()}
        if reads_far or not self._engines.reads_inline:
            return await self._in_time(asyncio.to_thread(self._read_apart, statement, values))
        try:
            if self._reader is None:
                self._reader = self._engines.read.connect()
            return self._reader.execute(statement, values).fetchall()
        except SQLAlchemyError as error:
            self._drop_reader()
            raise InventoryUnavailableError(f"the inventory does not answer: {_reason(error)}") from error

    async def _in_time(self, reading: Coroutine[Any, Any, ResultT]) -> ResultT:
        """The thread of a database that hangs cannot be ended; whoever asked is told that it does not answer."""
        try:
            return await asyncio.wait_for(reading, READ_TIMEOUT_S)
        except TimeoutError as error:
            raise InventoryUnavailableError(f"the inventory did not answer within {READ_TIMEOUT_S:g} s") from error

    def _read_apart(self, statement: Select[Any], values: Mapping[str, Any]) -> Sequence[Any]:
        try:
            with self._engines.read.connect() as connection:
                return connection.execute(statement, values).fetchall()
        except SQLAlchemyError as error:
            raise InventoryUnavailableError(f"the inventory does not answer: {_reason(error)}") from error

    async def _read_with(self, work: Callable[[Connection], None]) -> None:
        def read() -> None:
            try:
                with self._engines.read.connect() as connection:
                    work(connection)
            except SQLAlchemyError as error:
                raise InventoryUnavailableError(f"the inventory does not answer: {_reason(error)}") from error

        await asyncio.to_thread(read)

    async def _renew_statistics(self) -> None:
        async with self._write_lock:
            try:
                await asyncio.to_thread(self._engines.renew_statistics)
            except SQLAlchemyError as error:
                raise InventoryUnavailableError(f"the inventory cannot be analysed: {_reason(error)}") from error
        self._drop_reader()  # an open connection keeps planning by the old statistics

    def _drop_reader(self) -> None:
        if self._reader is not None:
            self._reader.invalidate()
            self._reader.close()
            self._reader = None

    async def _write(self, work: Callable[[Connection], ResultT], tells: bool = True) -> ResultT:
        async with self._write_lock:
            result = await asyncio.to_thread(self._write_apart, work)
        if tells:
            self.changed.set()
        return result

    def _write_apart(self, work: Callable[[Connection], ResultT]) -> ResultT:
        try:
            with self._engines.write.begin() as connection:
                return work(connection)
        except IntegrityError as error:
            raise NameTakenError("another process gave this name away at the same moment; try again") from error
        except SQLAlchemyError as error:
            raise InventoryUnavailableError(f"the inventory cannot be written: {_reason(error)}") from error


def _reason(error: SQLAlchemyError) -> str:
    # The first line alone: the rest repeats the statement and its values.
    return str(getattr(error, "orig", None) or error).partition("\n")[0][:300]


def _takeable(value: Any) -> Any:
    """A text without what no database takes (NUL, half a surrogate pair); nothing in the inventory has it."""
    if isinstance(value, str) and ("\x00" in value or not value.isascii()):
        return value.replace("\x00", "\ufffd").encode("utf-8", "replace").decode()
    return value
