"""For a service that answers by documents, a policy or a catalogue of tools: tell the caches that these changed."""

from __future__ import annotations

import secrets
import time
from collections.abc import Sequence

from opswire.chassis.sending import Sender
from opswire.contracts.basis_changed import BasisChanged, BasisKind
from opswire.contracts.routes import BASIS_CHANGED

NAMES_PER_MESSAGE_MAX = 900


async def tell_basis_changed(
    sender: Sender, kind: BasisKind, names: Sequence[str] = (), version: str = ""
) -> list[BasisChanged]:
    """Store the change, in several messages where it names many; answers what was stored.

    Call it once this process answers by what is new: a cache that was filled before is then out of date everywhere, and
    what is filled after it is not. Each process of a service tells it itself, because each reloads in its own time.
    Raises RetryableError when the broker stays away: what is cached is then as old as it was, so call it again.
    """
    parts = [list(names[at : at + NAMES_PER_MESSAGE_MAX]) for at in range(0, len(names), NAMES_PER_MESSAGE_MAX)]
    told = [
        BasisChanged(kind=kind, names=part, version=version[:128], changed_ns=time.time_ns()) for part in parts or [[]]
    ]
    for change in told:
        # An id of its own: the broker drops a repeated one, and a change back and forth is three changes.
        message_id = f"{BASIS_CHANGED.template}/{secrets.token_hex(16)}"
        await sender.send(BASIS_CHANGED, BASIS_CHANGED.template, change, message_id=message_id)
    return told
