"""No holder serves what an invalidation replaced. It may be lost: whoever waits knows the lease's end as well."""

from __future__ import annotations

from typing import Annotated, ClassVar

from opswire.contracts.holder_changed.v1 import HolderId
from opswire.contracts.holder_reported.v1 import Nonce
from opswire.contracts.message import Message, Part
from opswire.contracts.types import Name, Nanoseconds
from pydantic import Field

HOLDERS_MAX = 1_000


class HolderName(Part):
    """A process that caches."""

    holder_id: HolderId
    service: Name


class InvalidationAcknowledged(Message):
    """From now on no read that begins answers what the invalidation `nonce` replaced, in any process.

    `holders` were waited for; `late` are those of them that did not answer within the lease: they are fenced, and read
    from the source until they have caught up. `took_ms` counts from when the invalidation was read from the log.
    """

    STEM: ClassVar[str] = "invalidation_acknowledged"
    VERSION: ClassVar[int] = 1

    nonce: Nonce
    sequence: Annotated[int, Field(ge=1, le=2**63 - 1)]
    holders: Annotated[list[HolderName], Field(max_length=HOLDERS_MAX)]
    late: Annotated[list[HolderName], Field(max_length=HOLDERS_MAX)] = Field(default_factory=list)
    took_ms: Annotated[float, Field(ge=0, le=1e9)]
    at_ns: Nanoseconds
