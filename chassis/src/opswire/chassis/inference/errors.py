"""How a model call fails. Each class carries its disposition; `cause` is a closed word for metrics and spans."""

from __future__ import annotations

from opswire.chassis.errors import Disposition, OpswireError, RetryableError
from opswire.contracts.types import FinishStatus

CONNECT = "connect"
"""Nothing was sent: the connection was refused or never made."""
DISCONNECTED = "disconnected"
"""Sent, and the connection was closed before any byte of an answer."""
CLOSED = "closed"
"""Our own client was closed while the call ran."""
BROKEN = "broken"
"""The answer stopped before its end."""


class InferenceUnavailableError(RetryableError):
    """No endpoint answered: refused, broken, overloaded, too slow. A repetition may help; a request waits.

    Its subclasses keep the code: a sender is told `inference_unavailable` whichever way the model was away.
    """

    code = "inference_unavailable"

    def __init__(self, message: str, cause: str = "unavailable", retry_after_s: float | None = None) -> None:
        super().__init__(message)
        self.cause = cause
        self.retry_after_s = retry_after_s


class InferenceTimeoutError(InferenceUnavailableError):
    """The endpoint took the call and did not answer in the time there was."""


class InferenceOverloadedError(InferenceUnavailableError):
    """Too many calls: the endpoint said 429 or 503, or our own queue for it is full."""


class StreamBrokenError(InferenceUnavailableError):
    """A streamed answer ended before its end."""


class CircuitOpenError(InferenceUnavailableError):
    """The endpoint failed too often just now; it is not asked until it is well again."""


class InferenceRefusedError(OpswireError):
    """The endpoint understood and refuses: credentials, model name, parameters. A repetition says the same."""

    code = "inference_refused"
    disposition = Disposition.REJECT
    status = FinishStatus.FAILED

    def __init__(self, message: str, cause: str = "refused") -> None:
        super().__init__(message)
        self.cause = cause


class ReplyInvalidError(OpswireError):
    """The answer is not what was asked for, also after the bounded repair. What it meant is never guessed."""

    code = "inference_reply_invalid"
    disposition = Disposition.REJECT
    status = FinishStatus.FAILED

    def __init__(self, message: str, cause: str = "invalid") -> None:
        super().__init__(message)
        self.cause = cause


class ReplyCutError(ReplyInvalidError):
    """The answer reached its token limit before its end."""


class ReplyTooLargeError(ReplyInvalidError):
    """The answer is larger than any that was asked for; the rest was not read."""


class InferenceSettingsError(OpswireError):
    """The file or the variables that name the model servers are wrong; the service does not start."""

    code = "inference_settings_wrong"
