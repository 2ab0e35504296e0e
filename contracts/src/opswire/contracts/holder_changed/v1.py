"""A cache holder joins or leaves those that an invalidation waits for."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated, ClassVar

from opswire.contracts.message import Message
from opswire.contracts.types import Name, Nanoseconds
from pydantic import Field

HolderId = Annotated[str, Field(pattern=r"^[a-z0-9-]{1,64}$")]


class HolderState(StrEnum):
    """Whether an invalidation waits for the holder from this message on."""

    REGISTERED = "registered"
    """It may hold a read lease from now on."""
    LEFT = "left"
    """It gave its lease up for good before it said so."""
    EXPELLED = "expelled"
    """It did not answer; it may not renew its lease once it reads this, and has to register anew."""


class HolderChanged(Message):
    """A process that caches, and whether it may hold a read lease after this message.

    In the log of invalidations itself, so that who is registered is as certain as what was invalidated.
    """

    STEM: ClassVar[str] = "holder_changed"
    VERSION: ClassVar[int] = 1

    holder_id: HolderId
    service: Name
    state: HolderState
    at_ns: Nanoseconds
