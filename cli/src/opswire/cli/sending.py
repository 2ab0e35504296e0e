"""Publishing what people say about a request: once, with the headers of any message."""

from __future__ import annotations

import hashlib
import secrets
import time

from opswire.cli.bus import Accepted, Bus
from opswire.contracts.envelope import Envelope, rfc3339
from opswire.contracts.message import Message, message_type

PATIENCE_S = 15.0


async def send(bus: Bus, subject: str, message: Message, who: str) -> Accepted:
    """Store the message and return the broker's word. Errors as `Bus.store`; ConflictError where the subject is taken.

    A repetition by us, after a word that was lost, is recognised by the id; another sender's equal bytes are not.
    """
    body = message.to_bytes()
    digest = hashlib.sha256(body).hexdigest()[:16]
    headers = Envelope(
        id=secrets.token_hex(16),
        source=f"opswire/person/{who}",
        type=message_type(type(message)),
        time=rfc3339(time.time_ns()),
        message_id=f"{subject}.{digest}",
    ).to_headers()
    return await bus.store(subject, body, headers, time.monotonic() + PATIENCE_S)
