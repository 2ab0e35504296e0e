"""What each request takes of a model, whichever way the calls reach it: also those whose request fails."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from typing import Protocol, TypeVar

from opswire.chassis.errors import OpswireError
from opswire.chassis.inference.call import InferenceCall, OutputSchema, Reply
from opswire.intent.evaluation.answers import Spent

Value = TypeVar("Value")


class Model(Protocol):
    """Answers one question in the shape that is asked for."""

    async def decide(self, call: InferenceCall, schema: OutputSchema[Value]) -> Reply[Value]:
        """The reply. Raises OpswireError."""


@dataclass(slots=True)
class Meter:
    """What the current request has taken so far, and who answered it last."""

    spent: Spent
    model: str = ""


_METER: ContextVar[Meter | None] = ContextVar("evaluation_meter", default=None)


@contextmanager
def metering() -> Iterator[Meter]:
    """What calls inside take, in this task and those that it starts, is added to one meter."""
    meter = Meter(Spent())
    token = _METER.set(meter)
    try:
        yield meter
    finally:
        _METER.reset(token)


class MeteredModel:
    """Passes every call on and notes what it took."""

    def __init__(self, model: Model) -> None:
        self._model = model

    async def decide(self, call: InferenceCall, schema: OutputSchema[Value]) -> Reply[Value]:
        """The model's reply. Raises what the model raises; such a call counts as one, its tokens are not known."""
        meter = _METER.get()
        try:
            reply = await self._model.decide(call, schema)
        except OpswireError:
            if meter is not None:
                meter.spent += Spent(calls=1, unmeasured=1)
            raise
        if meter is not None:
            meter.spent += Spent(reply.calls, reply.usage, reply.cost_usd)
            meter.model = reply.model
        return reply
