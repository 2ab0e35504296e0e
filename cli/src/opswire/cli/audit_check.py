"""Whether the audit trail is whole: the chain recomputed, and compared with the facts and with the anchors.

What each comparison finds: the chain an edited entry, a deleted or swapped record; the facts an entry that was made up,
a fact that was changed or is gone, one that was never recorded; the anchors an end cut off and a chain recomputed.
"""

from __future__ import annotations

import time
from collections.abc import AsyncIterator, Callable
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from opswire.chassis.anchors import Anchor, read_anchors
from opswire.chassis.high_water import ACCEPTED_FILE, Loss, read_losses
from opswire.chassis.stream_reader import StoredMessage
from opswire.cli.views.plain import counted
from opswire.contracts.audit_recorded import AuditEntry, AuditRecorded
from opswire.contracts.audit_recorded.chain import BEGINNING, LOSS_ACCEPTED_SUBJECT, hash_of
from opswire.contracts.audit_recorded.sources import KEPT_WHOLE, SOURCES, observe
from opswire.contracts.routes import AUDIT

# The facts are kept for 90 days; what is nearly as old may go while we look.
EXPIRES_NS = 89 * 86_400 * 1_000_000_000
UNRECORDED_NS_MAX = 300 * 1_000_000_000
FINDINGS_MAX = 100
_COMPARED = ("subject", "type", "body_digest", "headers_digest", "actor", "at_ns")
Messages = Callable[[str, tuple[str, ...], int], AsyncIterator[StoredMessage]]
"""Reads a stream: its name, the subjects, the first sequence."""


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that is wrong. `kind` is for programs, `sentence` for people."""

    kind: str
    sentence: str
    stream: str = AUDIT
    sequence: int = 0


@dataclass(slots=True)
class Report:
    """What was looked at and what was found. `agreed` is how far each stream holds what was recorded of it."""

    records: int = 0
    entries: int = 0
    compared: int = 0
    anchors: int = 0
    head: str = BEGINNING
    positions: dict[str, int] = field(default_factory=dict)
    agreed: dict[str, int] = field(default_factory=dict)
    findings: list[Finding] = field(default_factory=list)
    found: int = 0
    notes: list[str] = field(default_factory=list)

    @property
    def is_whole(self) -> bool:
        """Whether nothing is wrong."""
        return self.found == 0

    def add(self, finding: Finding) -> None:
        """Keep a finding; of very many only the first hundred, all are counted."""
        self.found += 1
        if len(self.findings) < FINDINGS_MAX:
            self.findings.append(finding)

    def as_json(self) -> dict[str, Any]:
        """The report as one document."""
        return {"whole": self.is_whole, **asdict(self)}


async def verify_trail(messages: Messages, directory: Path) -> Report:
    """Look at everything. `directory` holds the anchors; without any, an end cut off cannot be seen. Raises OSError."""
    report = Report()
    anchors = _Anchors(report, directory)
    chain = _Chain(report, anchors)
    sources = {stream: _Source(report, messages, stream) for stream in SOURCES}
    async for message in messages(AUDIT, (">",), 1):
        for entry in chain.take(message):
            source = sources.get(entry.stream)
            if entry.subject == LOSS_ACCEPTED_SUBJECT:
                report.notes.append(f"{entry.actor} accepted that {entry.stream} lost what came after {entry.sequence}")
                if source is not None:
                    await source.go_back(entry.sequence)
            elif source is None:
                report.add(Finding("unknown_stream", f"entry {entry.number} is about {entry.stream}", AUDIT))
            else:
                await source.compare(entry)
    anchors.finish(chain.number)
    for source in sources.values():
        await source.finish()
    return report


class _Chain:
    """Recomputes hashes, numbers and the stream's own sequence."""

    def __init__(self, report: Report, anchors: _Anchors) -> None:
        self._report = report
        self._anchors = anchors
        self._sequence = 0
        self.number = 0

    def take(self, message: StoredMessage) -> list[AuditEntry]:
        """Check one record and answer its entries."""
        report, sequence = self._report, message.sequence
        if sequence != self._sequence + 1:
            gone = f"records {self._sequence + 1} to {sequence - 1} are gone"
            report.add(Finding("record_deleted", gone, AUDIT, self._sequence + 1))
        self._sequence = sequence
        report.records += 1
        try:
            record = AuditRecorded.from_bytes(message.body)
        except ValueError:
            report.add(Finding("record_unreadable", f"record {sequence} cannot be read", AUDIT, sequence))
            return []
        if record.previous_hash != report.head:
            sentence = f"record {sequence} does not follow the one before it: one is missing, moved or changed"
            report.add(Finding("chain_broken", sentence, AUDIT, sequence))
        report.head = record.previous_hash
        for entry in record.entries:
            self._check(entry, sequence)
        report.positions = {one.stream: one.sequence for one in record.positions}
        return record.entries

    def _check(self, entry: AuditEntry, sequence: int) -> None:
        report = self._report
        if entry.number != self.number + 1:
            sentence = f"entry {entry.number} in record {sequence} stands where {self.number + 1} must be"
            report.add(Finding("entry_out_of_order", sentence, AUDIT, sequence))
        if hash_of(report.head, entry) != entry.hash:
            sentence = f"entry {entry.number} in record {sequence} was changed: its hash is another"
            report.add(Finding("entry_edited", sentence, AUDIT, sequence))
        report.head = entry.hash
        self.number = entry.number
        report.entries += 1
        self._anchors.check(entry)


class _Anchors:
    """The heads that were written down outside the broker."""

    def __init__(self, report: Report, directory: Path) -> None:
        self._report = report
        self._losses = [loss for loss in read_losses(directory / ACCEPTED_FILE) if loss.stream == AUDIT]
        self._heads: dict[int, set[str]] = {}
        self._last: Anchor | None = None
        for one in read_anchors(directory):
            if isinstance(one, str):
                report.add(Finding("anchor_unreadable", one))
            elif not any(_was_given_up(one, loss) for loss in self._losses):
                report.anchors += 1
                self._heads.setdefault(one.entries, set()).add(one.head)
                self._last = one
        if not report.anchors:
            report.notes.append("there are no anchors: an end cut off, or a chain made anew, would not be seen")
        report.notes += [f"{loss.person} accepted that the trail lost its end: {loss.reason}" for loss in self._losses]

    def check(self, entry: AuditEntry) -> None:
        """An anchored entry has the hash that was anchored."""
        heads = self._heads.pop(entry.number, None)
        if heads is not None and heads != {entry.hash}:
            sentence = f"entry {entry.number} is not the one that was anchored: the chain was made anew"
            self._report.add(Finding("chain_recomputed", sentence, AUDIT))

    def finish(self, last_number: int) -> None:
        """Nothing that was anchored is missing at the end."""
        beyond = [number for number in self._heads if number > last_number]
        if beyond:
            sentence = f"the trail ends at entry {last_number}, and {max(beyond)} was anchored: its end was cut off"
            self._report.add(Finding("trail_truncated", sentence, AUDIT))
        if [number for number in self._heads if number <= last_number]:
            self._report.add(Finding("entry_deleted", "an entry that was anchored is not in the trail", AUDIT))


def _was_given_up(anchor: Anchor, loss: Loss) -> bool:
    return anchor.at_ns <= loss.at_ns and anchor.sequence > loss.now.sequence


class _Source:
    """One recorded stream, walked beside the trail."""

    def __init__(self, report: Report, messages: Messages, stream: str) -> None:
        self._report = report
        self._messages = messages
        self._stream = stream
        self._next: StoredMessage | None = None
        self._reading: AsyncIterator[StoredMessage] | None = None
        self._position = 0
        self._wrong: list[Finding] = []
        self._agrees = True
        self._oldest_kept_ns = time.time_ns() - EXPIRES_NS

    async def compare(self, entry: AuditEntry) -> None:
        """The message that the entry is about is as it was recorded, and none before it was left out."""
        if entry.sequence <= self._position:
            sentence = f"entry {entry.number} is about {self._stream} {entry.sequence}, which was recorded before"
            self._add("entry_out_of_order", sentence, entry.sequence)
            return
        message = await self._at(entry.sequence)
        self._position = entry.sequence
        if message is not None:
            self._compare(entry, message)
        elif self._stream in KEPT_WHOLE and entry.at_ns > self._oldest_kept_ns:
            sentence = f"{self._stream} {entry.sequence} ({entry.subject}) was recorded and is gone"
            self._add("fact_missing", sentence, entry.sequence)
        if self._agrees:
            self._report.agreed[self._stream] = entry.sequence

    def _compare(self, entry: AuditEntry, message: StoredMessage) -> None:
        self._report.compared += 1
        seen = observe(
            self._stream, message.sequence, message.subject, message.stored_ns, message.body, message.headers
        )
        differing = [name for name in _COMPARED if getattr(entry, name) != getattr(seen, name)]
        if differing:
            what = ", ".join(differing)
            sentence = f"{self._stream} {entry.sequence} and entry {entry.number} differ in {what}"
            self._add("fact_differs", sentence, entry.sequence)

    def _add(self, kind: str, sentence: str, sequence: int) -> None:
        self._agrees = False
        if len(self._wrong) < FINDINGS_MAX:
            self._wrong.append(Finding(kind, sentence, self._stream, sequence))

    async def _at(self, sequence: int) -> StoredMessage | None:
        """The message at a sequence, None when it is not there; what is passed over was not recorded."""
        while True:
            message = await self._peek()
            if message is None or message.sequence > sequence:
                return None
            self._next = None
            if message.sequence == sequence:
                return message
            sentence = f"{self._stream} {message.sequence} ({message.subject}) was never recorded"
            self._add("fact_unrecorded", sentence, message.sequence)

    async def _peek(self) -> StoredMessage | None:
        if self._reading is None:
            self._reading = aiter(self._messages(self._stream, SOURCES[self._stream], self._position + 1))
            self._next = None
        if self._next is None:
            self._next = await anext(self._reading, None)
        return self._next

    async def go_back(self, agreed: int) -> None:
        """A person accepted that what came after `agreed` is lost: what was recorded of it is compared no more."""
        self._wrong = [finding for finding in self._wrong if finding.sequence <= agreed]
        self._agrees = not self._wrong
        if agreed < self._position:
            self._position = agreed
            self._report.agreed[self._stream] = min(agreed, self._report.agreed.get(self._stream, agreed))
            self._reading = None

    async def finish(self) -> None:
        """What came after the last entry is not recorded yet; if it is old, nobody records."""
        for finding in self._wrong:
            self._report.add(finding)
        waiting, first = 0, await self._peek()
        while await self._peek() is not None:
            self._next = None
            waiting += 1
        if first is None:
            return
        self._report.notes.append(f"not recorded yet: {counted(waiting, 'message')} of {self._stream}")
        if time.time_ns() - first.stored_ns > UNRECORDED_NS_MAX:
            sentence = f"{self._stream} {first.sequence} is five minutes old and not recorded: does an executor run?"
            self._report.add(Finding("not_recorded", sentence, self._stream, first.sequence))
