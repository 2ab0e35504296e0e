"""How far a cache holder has applied the log. It may be lost: an acknowledgement then comes with the lease's end."""

from __future__ import annotations

from typing import Annotated, ClassVar

from opswire.contracts.holder_changed.v1 import HolderId
from opswire.contracts.message import Message
from opswire.contracts.types import Name, Nanoseconds
from pydantic import Field

NONCES_MAX = 256
Nonce = Annotated[str, Field(pattern=r"^[0-9a-f]{32}$")]


class HolderReported(Message):
    """The invalidations applied since the last report, named by nonce: after a roll-back sequences come a second time.

    `applied` is the sequence of the last message applied, of whatever kind.
    """

    STEM: ClassVar[str] = "holder_reported"
    VERSION: ClassVar[int] = 1

    holder_id: HolderId
    service: Name
    applied: Annotated[int, Field(ge=0, le=2**63 - 1)]
    nonces: Annotated[list[Nonce], Field(max_length=NONCES_MAX)]
    at_ns: Nanoseconds
