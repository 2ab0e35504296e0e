"""What travels in the headers: the CloudEvents 1.0 attributes, the trace, the deadline.

Binary mode is what we write: attributes in NATS headers, the body alone in the payload. Structured mode, the whole
event as one JSON object, is read too, so that an upstream may use any CloudEvents library.
Sizes are not checked here: the chassis' reader bounds headers and bodies before anything looks at them.
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import lru_cache
from typing import Any, ClassVar
from urllib.parse import quote, unquote

SPECVERSION = "1.0"
CONTENT_TYPE_JSON = "application/json"
CONTENT_TYPE_STRUCTURED = "application/cloudevents+json"

HEADER_SPECVERSION = "ce-specversion"
HEADER_ID = "ce-id"
HEADER_SOURCE = "ce-source"
HEADER_TYPE = "ce-type"
HEADER_TIME = "ce-time"
HEADER_SUBJECT = "ce-subject"
HEADER_CONTENT_TYPE = "content-type"
HEADER_TRACEPARENT = "traceparent"
HEADER_MESSAGE_ID = "Nats-Msg-Id"
HEADER_DEADLINE = "Opswire-Deadline"
HEADER_FRESH = "Opswire-Fresh"
FRESH = "1"

ATTRIBUTE_CHARACTERS_MAX = 1_024
_DEADLINE_DIGITS_MAX = 16
_TYPE_PREFIX = "opswire."
# Graphic ASCII without the double quote and the percent sign: what the binding lets stand unencoded in a header.
_PLAIN_PUNCTUATION = "!#$&'()*+,-./:;<=>?@[\\]^_`{|}~"

_FIELD_OF_HEADER: dict[str, str] = {
    HEADER_SPECVERSION: "specversion",
    HEADER_ID: "id",
    HEADER_SOURCE: "source",
    HEADER_TYPE: "type",
    HEADER_TIME: "time",
    HEADER_SUBJECT: "subject",
    HEADER_CONTENT_TYPE: "content_type",
    HEADER_TRACEPARENT: "traceparent",
    HEADER_MESSAGE_ID.lower(): "message_id",
    HEADER_DEADLINE.lower(): "deadline_ms",
    HEADER_FRESH.lower(): "is_fresh",
    # As they are really spelt, so that the hot path needs no lower().
    HEADER_MESSAGE_ID: "message_id",
    HEADER_DEADLINE: "deadline_ms",
    HEADER_FRESH: "is_fresh",
}


class EnvelopeError(ValueError):
    """The envelope cannot be read. `code` is what the sender is told."""

    code: ClassVar[str] = "envelope_malformed"


class NotAnObjectError(EnvelopeError):
    """A structured event is not a JSON object."""

    code = "envelope_not_an_object"


class UnsupportedSpecversionError(EnvelopeError):
    """The event follows another version of CloudEvents than 1.0."""

    code = "envelope_specversion_unsupported"


class AttributeInvalidError(EnvelopeError):
    """A required attribute is missing, or one is not a string of 1 to 1,024 characters."""

    code = "envelope_attribute_invalid"


class DataInvalidError(EnvelopeError):
    """A structured event has no data, has it twice, or its `data_base64` is not base64."""

    code = "envelope_data_invalid"


class TypeInvalidError(EnvelopeError):
    """A type is not of the form `opswire.<stem>.v<version>`."""

    code = "unknown_type"


@dataclass(frozen=True, slots=True)
class Envelope:
    """The attributes of one message; None where the sender gave none.

    `time` is RFC 3339, `deadline_ms` the absolute deadline in milliseconds since 1970, `message_id` what the broker
    recognises a repeated publish by, `is_fresh` whether nothing that a tool read for another request may answer.
    An envelope that was read is never sent on as it is: `message_id` is its sender's.
    """

    id: str | None = None
    source: str | None = None
    type: str | None = None
    time: str | None = None
    subject: str | None = None
    content_type: str | None = CONTENT_TYPE_JSON
    specversion: str | None = SPECVERSION
    traceparent: str | None = None
    message_id: str | None = None
    deadline_ms: int | None = None
    is_fresh: bool = False

    def to_headers(self) -> dict[str, str]:
        """The headers of a message in binary mode: the attributes that are set, and nothing that was not named here."""
        headers: dict[str, str] = {}
        if self.specversion is not None:
            headers[HEADER_SPECVERSION] = self.specversion
        if self.id is not None:
            headers[HEADER_ID] = _encoded(self.id)
        if self.source is not None:
            headers[HEADER_SOURCE] = _encoded(self.source)
        if self.type is not None:
            headers[HEADER_TYPE] = _encoded(self.type)
        if self.time is not None:
            headers[HEADER_TIME] = _encoded(self.time)
        if self.subject is not None:
            headers[HEADER_SUBJECT] = _encoded(self.subject)
        if self.content_type is not None:
            headers[HEADER_CONTENT_TYPE] = self.content_type
        if self.traceparent is not None:
            headers[HEADER_TRACEPARENT] = self.traceparent
        if self.message_id is not None:
            headers[HEADER_MESSAGE_ID] = self.message_id
        if self.deadline_ms is not None:
            headers[HEADER_DEADLINE] = str(self.deadline_ms)
        if self.is_fresh:
            headers[HEADER_FRESH] = FRESH
        return headers

    @classmethod
    def from_headers(cls, headers: Mapping[str, str] | None) -> Envelope:
        """Read what is there. Never raises: names are compared without case, unknown headers are ignored.

        A deadline that is no plain number of at most 16 digits counts as not given.
        """
        found: dict[str, Any] = {"content_type": None, "specversion": None}
        for name, value in (headers or {}).items():
            field = _FIELD_OF_HEADER.get(name) or _FIELD_OF_HEADER.get(name.lower())
            if field is None:
                continue
            if field == "deadline_ms":
                found[field] = _deadline_ms(value)
            elif field == "is_fresh":
                found[field] = value == FRESH
            elif "%" in value and name[:3].lower() == "ce-":
                found[field] = unquote(value)
            else:
                found[field] = value
        return cls(**found)

    @property
    def is_structured(self) -> bool:
        """Whether the payload is a whole CloudEvent (structured mode) and not the body alone."""
        kind = (self.content_type or "").partition(";")[0].strip().lower()
        return kind in (CONTENT_TYPE_STRUCTURED, "application/cloudevents")


def unwrap_structured(body: object) -> tuple[Envelope, Any]:
    """The envelope and the data of an event in structured mode.

    The data is the value of `data`, or the bytes that `data_base64` stands for: these were read by nobody yet and
    must go through the same checks as a payload. Extension attributes other than `traceparent` are ignored.
    Raises EnvelopeError, whose subclass and `code` say what is wrong.
    """
    if not isinstance(body, dict):
        raise NotAnObjectError(f"a structured event is a JSON object, not {_kind(body)}")
    specversion = body.get("specversion")
    if specversion != SPECVERSION:
        raise UnsupportedSpecversionError("specversion must be the string 1.0")
    envelope = Envelope(
        id=_attribute(body, "id", required=True),
        source=_attribute(body, "source", required=True),
        type=_attribute(body, "type", required=True),
        time=_attribute(body, "time"),
        subject=_attribute(body, "subject"),
        content_type=_attribute(body, "datacontenttype") or CONTENT_TYPE_JSON,
        traceparent=_attribute(body, "traceparent"),
    )
    return envelope, _data(body)


@lru_cache(maxsize=256)
def parse_type(type_name: str) -> tuple[str, int]:
    """Stem and version of `opswire.<stem>.v<version>`. Raises TypeInvalidError for any other form."""
    stem, separator, version = type_name.removeprefix(_TYPE_PREFIX).rpartition(".v")
    plain_stem = stem.replace("_", "a").isalnum() and stem.isascii() and stem == stem.lower()
    plain_version = version.isascii() and version.isdigit() and version[:1] != "0" and len(version) <= 4
    if not (type_name.startswith(_TYPE_PREFIX) and separator and plain_stem and plain_version):
        raise TypeInvalidError("a type reads opswire.<stem>.v<version>")
    return stem, int(version)


def rfc3339(at_ns: int) -> str:
    """A time in nanoseconds since 1970 as RFC 3339 text in UTC, to the microsecond: what `ce-time` holds."""
    seconds, remainder_ns = divmod(at_ns, 1_000_000_000)
    return f"{_date_and_second(seconds)}.{remainder_ns // 1_000:06d}Z"


def without_broker_headers(headers: Mapping[str, str]) -> dict[str, str]:
    """The headers that may be published again, for whoever re-drives a parked message.

    Everything that begins with `Nats-` is left out: to the broker such a header is an order (roll up, expect,
    schedule, expire), and an order given by an upstream must not be repeated with our rights.
    """
    return {name: value for name, value in headers.items() if not name.strip().lower().startswith("nats-")}


@lru_cache(maxsize=8)
def _date_and_second(seconds: int) -> str:
    # A busy service asks for the same second a thousand times; formatting it costs ten times the look-up.
    return f"{datetime.fromtimestamp(seconds, UTC):%Y-%m-%dT%H:%M:%S}"


def _encoded(value: str) -> str:
    """Percent-encoded as the binding asks. The check costs a tenth of quote(), and nearly every value passes it."""
    if value.isascii() and value.isprintable() and not (" " in value or "%" in value or '"' in value):
        return value
    return quote(value, safe=_PLAIN_PUNCTUATION)


def _deadline_ms(value: str) -> int | None:
    plain = value.isascii() and value.isdigit() and len(value) <= _DEADLINE_DIGITS_MAX
    return int(value) if plain else None


def _kind(body: object) -> str:
    return {list: "a list", str: "a string", type(None): "null"}.get(type(body), "a scalar")


def _attribute(body: dict[str, Any], name: str, *, required: bool = False) -> str | None:
    value = body.get(name)
    if value is None and not required:
        return None
    if not isinstance(value, str) or not 1 <= len(value) <= ATTRIBUTE_CHARACTERS_MAX:
        raise AttributeInvalidError(f"{name} must be a string of 1 to {ATTRIBUTE_CHARACTERS_MAX} characters")
    return value


def _data(body: dict[str, Any]) -> Any:
    data, encoded = body.get("data"), body.get("data_base64")
    if (data is None) == (encoded is None):
        raise DataInvalidError("give exactly one of data and data_base64")
    if encoded is None:
        return data
    if not isinstance(encoded, str):
        raise DataInvalidError("data_base64 must be a string")
    try:
        return base64.b64decode(encoded, validate=True)
    except (binascii.Error, ValueError) as error:
        raise DataInvalidError("data_base64 is not base64") from error
