"""A model's opinion as JSON, for the shared level of its cache."""

from __future__ import annotations

import orjson
from opswire.contracts.taxonomy import IntentName
from opswire.intent.prompts.outputs import Reason
from opswire.intent.usecases.ask_model import Opinion


class OpinionCodec:
    """Writes and reads opinions; foreign bytes raise ValueError."""

    def encode(self, value: Opinion) -> bytes:
        """Intent, confidence, reason."""
        return orjson.dumps([value.name.value, value.confidence, value.reason])

    def decode(self, data: bytes) -> Opinion:
        """The opinion again. Raises ValueError when the bytes are not one."""
        try:
            name, confidence, reason = orjson.loads(data)
            opinion = Opinion(IntentName(name), float(confidence), None if reason is None else Reason(reason))
        except TypeError as error:
            raise ValueError("not an opinion") from error
        if not 0.0 <= opinion.confidence <= 1.0:
            raise ValueError("not an opinion")
        return opinion
