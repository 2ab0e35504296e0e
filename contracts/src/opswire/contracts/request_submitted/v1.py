"""An upstream asks for something, in words or by an event."""

from __future__ import annotations

from typing import Annotated, Any, ClassVar, Self

from opswire.contracts.findings import Requester
from opswire.contracts.message import Message, Part
from opswire.contracts.types import (
    DEADLINE_MS_DEFAULT,
    DEADLINE_MS_MAX,
    DEADLINE_MS_MIN,
    RequestId,
    Text,
)
from pydantic import Field, model_validator


class Event(Part):
    """A machine's event. `json` is any object; `alertmanager.v4` is Alertmanager's webhook body, version 4."""

    format: Annotated[str, Field(pattern=r"^(alertmanager\.v4|json)$")]
    payload: Annotated[dict[str, Any], Field(max_length=1_000)]


class RequestSubmitted(Message):
    """One request: exactly one of `text` and `event`. Source and request id together are its key."""

    STEM: ClassVar[str] = "request_submitted"
    VERSION: ClassVar[int] = 1

    request_id: RequestId
    text: Text | None = None
    event: Event | None = None
    requester: Requester
    deadline_ms: Annotated[int, Field(ge=DEADLINE_MS_MIN, le=DEADLINE_MS_MAX)] = DEADLINE_MS_DEFAULT
    in_reply_to: RequestId | None = None

    @model_validator(mode="after")
    def _exactly_one_of_text_and_event(self) -> Self:
        if (self.text is None) == (self.event is None):
            raise ValueError("give exactly one of text and event")
        if self.text is not None and not self.text.strip():
            raise ValueError("text holds nothing but white space")
        return self
