"""A reading as JSON, for the shared level of the intent cache."""

from __future__ import annotations

import orjson
from opswire.contracts.taxonomy import IntentName
from opswire.intent.classifier.model import Guess
from opswire.intent.usecases.find_intent import Reading


class ReadingCodec:
    """Writes and reads readings; foreign bytes raise ValueError."""

    def encode(self, value: Reading) -> bytes:
        """Intent names with probabilities, likeliest first."""
        return orjson.dumps([[guess.name.value, guess.probability] for guess in value.guesses])

    def decode(self, data: bytes) -> Reading:
        """The reading again. Raises ValueError when the bytes are not one."""
        try:
            guesses = tuple(Guess(IntentName(name), float(probability)) for name, probability in orjson.loads(data))
        except TypeError as error:
            raise ValueError("not a reading") from error
        if not guesses or not all(0.0 <= guess.probability <= 1.0 for guess in guesses):
            raise ValueError("not a reading")
        return Reading(guesses)
