"""The two base classes of every message body, and how bytes become one.

Envelopes and facts are tolerant: a field that this release does not know is ignored, so that release N reads what
release N+1 wrote. Plans are strict: a field in a step that nobody here understands must never be run without it.
"""

from __future__ import annotations

from typing import Any, ClassVar, TypeVar

from pydantic import BaseModel, ConfigDict

MessageT = TypeVar("MessageT", bound="Message")


class Part(BaseModel):
    """A tolerant piece of a message: frozen, strictly typed, no NaN or infinity, unknown fields ignored."""

    model_config = ConfigDict(frozen=True, strict=True, extra="ignore", allow_inf_nan=False)


class StrictPart(BaseModel):
    """A piece in which an unknown field is an error. Plans and their steps are made of it."""

    model_config = ConfigDict(frozen=True, strict=True, extra="forbid", allow_inf_nan=False)


class Message(Part):
    """A message body. `STEM` is its name in schemas, examples and routes; `VERSION` its major version."""

    STEM: ClassVar[str]
    VERSION: ClassVar[int]

    def to_bytes(self) -> bytes:
        """The body as it goes on the wire: UTF-8 JSON, absent optional fields left out."""
        return self.__pydantic_serializer__.to_json(self, exclude_none=True)

    @classmethod
    def from_bytes(cls: type[MessageT], body: bytes) -> MessageT:
        """Read a body. Raises pydantic's ValidationError; check size and shape with the chassis' reader first."""
        return cls.__pydantic_validator__.validate_json(body)  # type: ignore[no-any-return]


class StrictMessage(Message):
    """A message in which an unknown field is an error."""

    model_config = ConfigDict(frozen=True, strict=True, extra="forbid", allow_inf_nan=False)


def type_name(stem: str, version: int) -> str:
    """The CloudEvents type of a message: `opswire.<stem>.v<version>`."""
    return f"opswire.{stem}.v{version}"


def message_type(message: type[Message]) -> str:
    """The CloudEvents type of a message class."""
    return type_name(message.STEM, message.VERSION)


JsonObject = dict[str, Any]
