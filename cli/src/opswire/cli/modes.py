"""The mode of all executors: read from the stream of changes, tightened by anybody, loosened by a signature."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import Any, Literal

from opswire.chassis.nkey import public_of, sign
from opswire.chassis.statements import mode_statement
from opswire.cli.bus import Bus
from opswire.cli.errors import CommandError
from opswire.cli.http import ServiceClient
from opswire.cli.sending import send
from opswire.cli.state import StateDir
from opswire.contracts.mode_changed import ModeChanged
from opswire.contracts.routes import CHANGES, MODE_CHANGED
from pydantic import ValidationError

Mode = Literal["normal", "read_only", "stopped"]


@dataclass(frozen=True, slots=True)
class Told:
    """The newest word on the mode, and when the broker stored it (nanoseconds since 1970); 0 where there is none."""

    changed: ModeChanged | None
    at_ns: int

    def as_json(self) -> dict[str, Any]:
        """The mode with who changed it, when and why."""
        if self.changed is None:
            return {"mode": "normal", "at_ns": None}
        return self.changed.model_dump(mode="json", exclude_none=True) | {"at_ns": self.at_ns}


async def read_mode(bus: Bus) -> Told:
    """The newest word. Whether executors took it, a `normal` with a bad signature for one, is theirs to judge."""
    stored = await bus.last(CHANGES, MODE_CHANGED.subject())
    if stored is None:
        return Told(None, 0)
    try:
        return Told(ModeChanged.from_bytes(stored.body), stored.at_ns)
    except ValidationError as error:
        raise CommandError(
            "the newest word on the mode cannot be read", "opswire mode stop, then look into it"
        ) from error


def mode_in_force(state: StateDir) -> tuple[str, str] | None:
    """The mode that the executor of `opswire up` is in, and why; None where none of ours answers."""
    record = state.read_run()
    if record is None or not record.alive or "executor" not in record.urls:
        return None
    try:
        told = ServiceClient(record.urls["executor"], record.token).call("GET", "/health/ready")["details"]["mode"]
        return str(told["mode"]), str(told["reason"])
    except (CommandError, KeyError, TypeError):  # it starts, or it is another release's
        return None


async def change_mode(bus: Bus, mode: Mode, reason: str, seed: str | None) -> Told:
    """Store another mode; signed where a seed is given. `normal` without one counts for nothing."""
    now_ns = time.time_ns()
    person = public_of(seed) if seed else None
    signature = sign(seed, mode_statement(mode, reason, person, now_ns)) if seed and person else None
    changed = ModeChanged(mode=mode, reason=reason, person=person, changed_ns=now_ns, signature=signature)
    await send(bus, MODE_CHANGED.subject(), changed, person or "unsigned")
    return await read_mode(bus)
