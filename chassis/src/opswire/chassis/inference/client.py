"""One client for every model server: deadlines, lanes, fallback, typed replies, cost and spans."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Callable, Sequence
from contextlib import aclosing
from functools import partial
from typing import TYPE_CHECKING, Any

from opswire.chassis.errors import OpswireError
from opswire.chassis.inference.attempt import Attempt, ask, loop_deadline
from opswire.chassis.inference.backend import Answer, Question
from opswire.chassis.inference.call import Chunk, InferenceCall, OutputSchema, Reply, Value
from opswire.chassis.inference.chain import asked_all, is_last, question_for, stream_chain, time_for
from opswire.chassis.inference.cost import Tally
from opswire.chassis.inference.errors import (
    InferenceRefusedError,
    InferenceUnavailableError,
    ReplyInvalidError,
)
from opswire.chassis.inference.metrics import inference_metrics
from opswire.chassis.inference.place import Place
from opswire.chassis.inference.structured import REFUSED_CAUSE, decoded, repair_of
from opswire.chassis.inference.warming import warm_place
from opswire.chassis.metrics import Metrics

if TYPE_CHECKING:
    from opswire.chassis.inference.configuration import InferenceConfiguration
    from opswire.chassis.inference.endpoint import Endpoint


class InferenceClient:
    """Asks the configured endpoints in their order. Every call ends by its deadline, with an answer or a typed error.

    `configuration` is called once for each call and each answer of it is taken over from then on: endpoints that
    stay the same keep their connections and breakers, those that are gone are closed when their last call has ended.
    Belongs to one event loop.
    """

    def __init__(self, service: str, configuration: Callable[[], InferenceConfiguration], metrics: Metrics) -> None:
        self._service = service
        self._configuration = configuration
        self._metrics = inference_metrics(metrics)
        self._current: InferenceConfiguration | None = None
        self._places: tuple[Place, ...] = ()
        self._retired: list[Place] = []
        self._metrics.clients.add(self)

    async def complete(self, call: InferenceCall) -> Reply[str]:
        """The model's text. `finish_reason` is `length` where it was cut by the token limit.

        Raises InferenceUnavailableError (its subclasses say how), InferenceRefusedError or ReplyInvalidError.
        """
        places = self._hold()
        try:
            return await self._ask(places, call, None, _text)
        finally:
            _release(places)

    async def decide(self, call: InferenceCall, schema: OutputSchema[Value]) -> Reply[Value]:
        """A value of the schema, decoded by its own `decode`; never a guess.

        A reply that is cut, no JSON or not of the schema is asked for once more, at the same endpoint and within the
        same deadline; where that is no better either, the next endpoint is asked. Raises as `complete` does;
        ReplyCutError or ReplyInvalidError where no endpoint gave a value.
        """
        places = self._hold()
        try:
            return await self._ask(places, call, schema, partial(decoded, schema))
        finally:
            _release(places)

    async def stream(self, call: InferenceCall) -> AsyncGenerator[Chunk]:
        """The model's text as it comes; the last chunk holds the whole reply. Raises as `complete` does.

        Where a stream breaks, the next endpoint begins anew: its first chunk has `is_restart`. Close the iterator
        (`contextlib.aclosing`) when you stop early, so that the server stops too.
        """
        places = self._hold()
        try:
            tally = Tally()
            async with aclosing(stream_chain(places, call, tally, self._metrics)) as parts:
                async for place, part, is_restart in parts:
                    if isinstance(part, Answer):
                        yield Chunk("", is_restart, _reply(part.text, part, place, tally))
                    else:
                        yield Chunk(part, is_restart)
        finally:
            _release(places)

    async def warm(self, schemas: Sequence[OutputSchema[Any]], learns_lanes: bool = True) -> None:
        """Load the SDKs, connect, and let each endpoint see each schema once: a new one costs time. Never raises.

        With `learns_lanes` a vLLM that says how long calls wait is asked once whether it heeds lanes; `state` shows it
        (`priority`).
        """
        places = self._hold()
        try:
            await asyncio.gather(*(warm_place(place, schemas, self._metrics, learns_lanes) for place in places))
        finally:
            _release(places)

    async def is_healthy(self) -> bool:
        """Whether any endpoint is there. Each is asked at most once in 30 s. Never raises."""
        places = self._hold()
        try:
            return any(await asyncio.gather(*(place.health.is_well() for place in places)))
        finally:
            _release(places)

    @property
    def places(self) -> tuple[Place, ...]:
        """The endpoints of the configuration that was taken over last, in their order."""
        return self._places

    def state(self) -> dict[str, Any]:
        """For `/health/ready`: the chain in its order, each endpoint with address, breaker and health; never a key."""
        self._take_over()
        return {"service": self._service, "chain": [place.state() for place in self._places]}

    async def close(self) -> None:
        """Close every connection; calls under way break."""
        places, self._places, self._current = (*self._places, *self._retired), (), None
        await asyncio.gather(*(place.close() for place in places))
        self._retired.clear()

    def _hold(self) -> tuple[Place, ...]:
        self._take_over()
        for place in self._places:
            place.hold()
        return self._places

    def _take_over(self) -> None:
        configuration = self._configuration()
        if configuration is self._current:
            return
        known: dict[Endpoint, Place] = {place.endpoint: place for place in self._places}
        places = tuple(
            known.pop(endpoint) if endpoint in known else Place(endpoint) for endpoint in configuration.chain
        )
        self._current, self._places = configuration, places
        self._retired = [place for place in self._retired if not place.is_closed]
        for place in known.values():
            self._retired.append(place)
            place.retire()

    async def _ask(
        self,
        places: Sequence[Place],
        call: InferenceCall,
        schema: OutputSchema[Any] | None,
        decode: Callable[[Answer], Value],
    ) -> Reply[Value]:
        deadline = loop_deadline(call)
        tally = Tally()
        errors: list[OpswireError] = []
        has_repaired = False
        for number, place in enumerate(places):
            try:
                await place.load(deadline)
                until = time_for(places[number:], deadline)
                if until is None:
                    break
                question = question_for(place, call, schema)
                answer = await ask(
                    Attempt(place, call, question, until, tally, self._metrics), is_last(places[number:])
                )
                try:
                    value = decode(answer)
                except ReplyInvalidError as problem:
                    if has_repaired or problem.cause == REFUSED_CAUSE:
                        raise
                    has_repaired = True
                    answer = await self._repaired(place, call, question, answer, problem, until, tally)
                    value = decode(answer)
                return _reply(value, answer, place, tally)
            except OpswireError as error:
                errors.append(error)
        raise asked_all(errors)

    async def _repaired(
        self,
        place: Place,
        call: InferenceCall,
        question: Question,
        answer: Answer,
        problem: ReplyInvalidError,
        until: float,
        tally: Tally,
    ) -> Answer:
        self._metrics.of(place.endpoint.name, call.operation).repaired(problem.cause)
        again = repair_of(question, answer, problem, place.endpoint.max_tokens)
        try:
            return await ask(Attempt(place, call, again, until, tally, self._metrics), is_last=False)
        except (InferenceUnavailableError, InferenceRefusedError) as error:
            raise problem from error  # it did answer, and that answer was no good


def _text(answer: Answer) -> str:
    return answer.text


def _release(places: Sequence[Place]) -> None:
    for place in places:
        place.release()


def _reply(value: Value, answer: Answer, place: Place, tally: Tally) -> Reply[Value]:
    endpoint = place.endpoint
    return Reply(
        value,
        answer.text,
        tally.usage,
        tally.cost_usd,
        endpoint.name,
        endpoint.provider,
        answer.model,
        answer.finish_reason,
        answer.timing,
        tally.calls,
    )
