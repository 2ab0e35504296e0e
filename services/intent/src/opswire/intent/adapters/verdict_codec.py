"""A template's verdict as JSON, for the shared level."""

from __future__ import annotations

import orjson
from opswire.contracts.taxonomy import IntentName
from opswire.intent.usecases.shadow import Verdict


class VerdictCodec:
    """Writes and reads verdicts; foreign bytes raise ValueError."""

    def encode(self, value: Verdict) -> bytes:
        """Intent and confidence."""
        return orjson.dumps([value.name.value, value.confidence])

    def decode(self, data: bytes) -> Verdict:
        """The verdict again. Raises ValueError when the bytes are not one."""
        try:
            name, confidence = orjson.loads(data)
            verdict = Verdict(IntentName(name), float(confidence))
        except TypeError as error:
            raise ValueError("not a verdict") from error
        if not 0.0 <= verdict.confidence <= 1.0:
            raise ValueError("not a verdict")
        return verdict
