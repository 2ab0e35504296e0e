"""An SDK's error, in our words: what became of the call, and whether a repetition can help."""

from __future__ import annotations

import math
from typing import Any

import httpx2
from opswire.chassis.errors import OpswireError
from opswire.chassis.inference.endpoint import Endpoint
from opswire.chassis.inference.errors import (
    BROKEN,
    CONNECT,
    DISCONNECTED,
    InferenceOverloadedError,
    InferenceRefusedError,
    InferenceTimeoutError,
    InferenceUnavailableError,
    StreamBrokenError,
)

OVERLOADED = frozenset({429, 503, 529})
_TEXT_MAX = 300


def of_status(endpoint: Endpoint, status: int, body: object, retry_after: str | None) -> OpswireError:
    """What an HTTP status means for a call."""
    said = _said(endpoint, body)
    if status < 400:
        hint = f"set base_url to where it really is, not {endpoint.shown_url}"
        return InferenceRefusedError(f"model endpoint {endpoint.name} redirects (HTTP {status}): {hint}", "redirect")
    if status in OVERLOADED:
        cause = "rate_limited" if status == 429 else "overloaded"
        return InferenceOverloadedError(
            f"model endpoint {endpoint.name} is overloaded (HTTP {status}){said}", cause, _seconds(retry_after)
        )
    if status == 408 or status >= 500:
        return InferenceUnavailableError(f"model endpoint {endpoint.name} failed (HTTP {status}){said}", "server_error")
    if status in (401, 403):
        hint = "check its API key"
        return InferenceRefusedError(
            f"model endpoint {endpoint.name} refuses us (HTTP {status}): {hint}", "credentials"
        )
    if status == 404:
        hint = f"check base_url {endpoint.shown_url} and model {endpoint.model}"
        return InferenceRefusedError(f"model endpoint {endpoint.name} does not know it (HTTP 404): {hint}", "not_found")
    return InferenceRefusedError(f"model endpoint {endpoint.name} refuses the call (HTTP {status}){said}", "refused")


def of_connection(endpoint: Endpoint, error: BaseException) -> InferenceUnavailableError:
    """What a connection's error means; `error` is the SDK's, or httpx2's that lies under it."""
    under = error if isinstance(error, httpx2.HTTPError) else error.__cause__
    where = f"model endpoint {endpoint.name} at {endpoint.shown_url}"
    if isinstance(under, httpx2.ConnectTimeout):
        return InferenceTimeoutError(f"{where} took no connection in {endpoint.connect_timeout_s:g} s", CONNECT)
    if isinstance(under, httpx2.ConnectError):
        return InferenceUnavailableError(f"{where} cannot be reached: {str(under)[:_TEXT_MAX]}", CONNECT)
    if isinstance(under, httpx2.RemoteProtocolError):
        return InferenceUnavailableError(f"{where} closed the connection without an answer", DISCONNECTED)
    return InferenceUnavailableError(f"{where} broke off in its answer", BROKEN)


def within_stream(error: OpswireError) -> OpswireError:
    """The same once an answer has begun: where another endpoint might answer, this one's stream is broken."""
    return StreamBrokenError(str(error), BROKEN) if isinstance(error, InferenceUnavailableError) else error


def of_early_end(endpoint: Endpoint) -> StreamBrokenError:
    """A stream that ended without a word that it was the end."""
    return StreamBrokenError(f"model endpoint {endpoint.name} ended its stream before its end", BROKEN)


def of_sdk(endpoint: Endpoint, error: Exception) -> OpswireError:
    """Any error of either SDK; both name them alike."""
    status = getattr(error, "status_code", None)
    if isinstance(status, int):
        response = getattr(error, "response", None)
        headers = response.headers if response is not None else {}
        return of_status(endpoint, status, getattr(error, "body", None), headers.get("retry-after"))
    if isinstance(error.__cause__, OpswireError):
        return error.__cause__  # the anthropic SDK takes any error of its transport for a broken connection
    return of_connection(endpoint, error)


def _said(endpoint: Endpoint, body: object) -> str:
    found: Any = body
    if isinstance(found, dict):
        found = found.get("error", found)
    if isinstance(found, dict):
        found = found.get("message")
    if not isinstance(found, str) or not found.strip():
        return ""
    key = endpoint.api_key.get_secret_value() if endpoint.api_key else ""
    text = " ".join(found.split())
    return f": {(text.replace(key, '[redacted]') if key else text)[:_TEXT_MAX]}"


def _seconds(text: str | None) -> float | None:
    try:
        found = float(text) if text is not None else None
        return None if found is None or not math.isfinite(found) else max(0.0, found)
    except ValueError:
        return None  # an HTTP date: no model server was seen to send one
