"""What several formats say alike: ids, kinds, the request a span belongs to, the share of traces that was kept."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Mapping

from opswire.ledger.model import SAMPLED_SHARE

KINDS = ("UNSPECIFIED", "INTERNAL", "SERVER", "CLIENT", "PRODUCER", "CONSUMER")
STATUSES = ("UNSET", "OK", "ERROR")
REQUEST_KEY = "opswire.request_key"
_REQUEST_ID, _SOURCE = "opswire.request_id", "opswire.source"
_HEX = frozenset("0123456789abcdef")
_THRESHOLD_DIGITS = 14
_THRESHOLDS = 1 << 4 * _THRESHOLD_DIGITS


def request_key(attributes: Mapping[str, object]) -> str | None:
    """`<source>/<request id>` where the span says it, else None."""
    key = attributes.get(REQUEST_KEY)
    if isinstance(key, str) and key:
        return key
    request_id = attributes.get(_REQUEST_ID)
    if not isinstance(request_id, str) or not request_id:
        return None
    source = attributes.get(_SOURCE)
    return f"{source}/{request_id}" if isinstance(source, str) and source else request_id


def identifier(value: object, digits: int) -> str:
    """An id in lower case. Tempo writes it in base64, which has another length; other text stays as it is."""
    if not isinstance(value, str):
        return ""
    text = value
    if len(text) == digits:
        return text.lower()
    if len(text) * 3 // 4 - text.count("=") == digits // 2:
        try:
            return base64.b64decode(text, validate=True).hex()
        except binascii.Error:
            return text
    return text


def sampled_share(trace_state: str) -> float | None:
    """The share of traces that was kept, 0 to 1, from OpenTelemetry's `ot=th:`; None where it says nothing."""
    for member in trace_state.split(","):
        vendor, _, fields = member.strip().partition("=")
        if vendor != "ot":
            continue
        for field in fields.split(";"):
            name, _, value = field.partition(":")
            if name == "th" and 0 < len(value) <= _THRESHOLD_DIGITS and _HEX.issuperset(value):
                return 1.0 - int(value.ljust(_THRESHOLD_DIGITS, "0"), 16) / _THRESHOLDS
    return None


def note_sampling(attributes: dict[str, object], trace_state: str) -> None:
    """Keep what the trace state says of sampling among the attributes, where the account looks for it."""
    share = sampled_share(trace_state)
    if share is not None and SAMPLED_SHARE not in attributes:
        attributes[SAMPLED_SHARE] = share
