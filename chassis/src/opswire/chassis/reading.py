"""From the bytes of a message to the newest model of it: every check at the door, in one place."""

from __future__ import annotations

import json
from typing import Any

from opswire.chassis.body import read_body
from opswire.chassis.errors import PoisonError
from opswire.contracts.envelope import Envelope, EnvelopeError, parse_type, unwrap_structured
from opswire.contracts.message import Message
from opswire.contracts.route import Route
from opswire.contracts.upcasting import UnknownVersionError, is_newest, upcast
from pydantic import ValidationError

HEADERS_CHARACTERS_MAX = 16_384
UPSTREAM = "upstream"


class HeadersTooLargeError(PoisonError):
    """More header text than a message may have."""

    code = "headers_too_large"


class UnknownTypeError(PoisonError):
    """The message says it is something else than its subject carries, or a version that nobody here knows."""

    code = "unknown_type"


class UnknownMessageVersionError(PoisonError):
    """A version of a known message that this release cannot read: kept, never half-understood."""

    code = "unknown_version"


class BadEnvelopeError(PoisonError):
    """A structured CloudEvent that is not one. `code` is the envelope's own."""

    def __init__(self, error: EnvelopeError) -> None:
        super().__init__(str(error))
        self.code = error.code  # type: ignore[misc]  # the envelope names its own fault


class SchemaError(PoisonError):
    """JSON, but not the message that its type says."""

    code = "schema_mismatch"


def read_message(route: Route, body: bytes, headers: dict[str, str] | None) -> tuple[Message, Envelope]:
    """The newest model of the message in `body`, and its envelope.

    Structured CloudEvents are taken from upstreams only. Raises a PoisonError whose code says what is wrong.
    """
    if headers and sum(map(len, headers)) + sum(map(len, headers.values())) > HEADERS_CHARACTERS_MAX:
        raise HeadersTooLargeError(f"the headers are longer than {HEADERS_CHARACTERS_MAX} characters")
    envelope = Envelope.from_headers(headers)
    document = read_body(body)
    if envelope.is_structured and UPSTREAM in route.senders:
        envelope, document, body = _unwrap(document, envelope)
    version = _version(route, envelope)
    try:
        if is_newest(route.stem, version):
            return route.message.from_bytes(body), envelope
        return route.message.from_bytes(json.dumps(upcast(route.stem, version, document)).encode()), envelope
    except UnknownVersionError as error:
        raise UnknownMessageVersionError(str(error)) from error
    except ValidationError as error:
        raise SchemaError(describe(error)) from error


def _unwrap(document: dict[str, Any], headers: Envelope) -> tuple[Envelope, dict[str, Any], bytes]:
    try:
        envelope, data = unwrap_structured(document)
    except EnvelopeError as error:
        raise BadEnvelopeError(error) from error
    body = data if isinstance(data, bytes) else json.dumps(data).encode()
    inner = read_body(body)
    if envelope.traceparent is None and headers.traceparent is not None:
        envelope = Envelope(**{name: getattr(envelope, name) for name in ("id", "source", "type", "time", "subject")},
                            traceparent=headers.traceparent)  # fmt: skip
    return envelope, inner, body


def _version(route: Route, envelope: Envelope) -> int:
    """The version that the envelope names, or the first: a plain client sends no type at all."""
    if envelope.type is None:
        return 1
    try:
        stem, version = parse_type(envelope.type)
    except EnvelopeError as error:
        if UPSTREAM in route.senders and not envelope.type.startswith("opswire."):
            return 1  # An upstream's CloudEvents type is its own affair; the subject says what this is.
        raise UnknownTypeError(str(error)) from error
    if stem != route.stem:
        raise UnknownTypeError(f"{envelope.type} has no place on a subject of {route.stem}")
    return version


def describe(error: ValidationError) -> str:
    """The first three faults with their places; never the values, which may be secrets."""
    faults = error.errors(include_url=False, include_context=False, include_input=False)
    texts = [
        f"{'.'.join(str(part)[:64] for part in fault['loc']) or 'body'}: {fault['msg'][:200]}" for fault in faults[:3]
    ]
    more = f" (and {len(faults) - 3} more)" if len(faults) > 3 else ""
    return "; ".join(texts)[:900] + more
