"""What no cache may serve any longer. Its sequence in the stream is the generation of the tags it names."""

from __future__ import annotations

from typing import Annotated, ClassVar

from opswire.contracts.message import Message
from opswire.contracts.types import Name, Nanoseconds
from pydantic import Field

Tag = Annotated[str, Field(min_length=1, max_length=300)]


class CachesInvalidated(Message):
    """Entries that carry any of `tags` and were loaded before this message are no longer true. `all` names every entry.

    `nonce` is unlike any other message's, so that a holder can tell a replaced log from its own.
    """

    STEM: ClassVar[str] = "caches_invalidated"
    VERSION: ClassVar[int] = 1

    tags: Annotated[list[Tag], Field(min_length=1, max_length=1_000)]
    cause: Name
    nonce: Annotated[str, Field(pattern=r"^[0-9a-f]{32}$")]
    at_ns: Nanoseconds
