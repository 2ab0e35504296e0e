"""How the intent service's failures are classed."""

from __future__ import annotations

from collections.abc import Sequence

from opswire.chassis.errors import ClarificationError, Disposition, OpswireError, PoisonError
from opswire.contracts.findings import Candidate


class UnclearRequestError(ClarificationError):
    """No reading of the request is likely enough; the likeliest are the candidates."""

    code = "unclear_request"

    def __init__(self, message: str, candidates: Sequence[Candidate]) -> None:
        super().__init__(message)
        self.candidates = list(candidates)


class IdMismatchError(PoisonError):
    """The body names another request id than the subject."""

    code = "id_mismatch"


class EventMalformedError(PoisonError):
    """The payload is not what its format says."""

    code = "event_malformed"


class ModelAwayError(OpswireError):
    """No model answered, and the request has no time left for another attempt."""

    code = "inference_unavailable"
    disposition = Disposition.REJECT
