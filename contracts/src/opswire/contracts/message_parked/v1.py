"""A message that could not be handled: its bytes, its headers, why, and how often it was tried."""

from __future__ import annotations

from typing import Annotated, ClassVar

from opswire.contracts.message import Message
from opswire.contracts.types import Code, Name, Nanoseconds
from pydantic import Field

BODY_BASE64_CHARACTERS_MAX = 700_000
# As many and as long as the chassis keeps of any message: parking must never fail for what it is given to keep.
HEADERS_CHARACTERS_MAX = 65_536
HEADERS_MAX = HEADERS_CHARACTERS_MAX + 1
HeaderText = Annotated[str, Field(max_length=HEADERS_CHARACTERS_MAX)]


class MessageParked(Message):
    """The parked record. `body_base64` is the original body, byte for byte; `headers` the original headers."""

    STEM: ClassVar[str] = "message_parked"
    VERSION: ClassVar[int] = 1

    parked_id: Annotated[str, Field(pattern=r"^[A-Za-z0-9_-]{1,128}$")]
    service: Name
    stream: Name
    stream_sequence: Annotated[int, Field(ge=0, le=2**63 - 1)]
    consumer: Name
    subject: Annotated[str, Field(min_length=1, max_length=1_000)]
    code: Code
    detail: Annotated[str, Field(max_length=2_000)] = ""
    delivery_attempts: Annotated[int, Field(ge=1, le=2**53 - 1)]
    headers: Annotated[dict[HeaderText, HeaderText], Field(max_length=HEADERS_MAX)] = Field(default_factory=dict)
    body_base64: Annotated[str, Field(max_length=BODY_BASE64_CHARACTERS_MAX)]
    parked_ns: Nanoseconds
