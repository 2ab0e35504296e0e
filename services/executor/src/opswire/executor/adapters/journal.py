"""The facts of one request, read in one question to the broker or two, and added one by one, each once."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from typing import Any, cast

from nats.aio.msg import Msg
from opswire.chassis.direct_get import newest_of, own_headers, sequence_of
from opswire.chassis.errors import PoisonError, RetryableError
from opswire.chassis.reading import read_message
from opswire.chassis.sending import Sender
from opswire.chassis.stages import Stage
from opswire.chassis.telemetry import span
from opswire.chassis.wire import WireClient
from opswire.contracts.approval_decided import ApprovalDecided
from opswire.contracts.approval_given import ApprovalGiven
from opswire.contracts.approval_requested import ApprovalRequested
from opswire.contracts.message import Message, MessageT
from opswire.contracts.route import Route
from opswire.contracts.routes import (
    APPROVAL_DECIDED,
    APPROVAL_GIVEN,
    APPROVAL_REQUESTED,
    CANCELLATION_REQUESTED,
    CONTEXT_RESOLVED,
    FACTS,
    PLAN_MADE,
    REQUEST_FINISHED,
    STEP_CLAIMED,
    STEP_FINISHED,
)
from opswire.contracts.step_finished import StepFinished
from opswire.executor.usecases.story import Given, Key, Round, Story

_ROUTES = (
    CONTEXT_RESOLVED,
    PLAN_MADE,
    APPROVAL_REQUESTED,
    APPROVAL_GIVEN,
    APPROVAL_DECIDED,
    STEP_CLAIMED,
    STEP_FINISHED,
    CANCELLATION_REQUESTED,
    REQUEST_FINISHED,
)
_OWN_ROUTES = tuple(route for route in _ROUTES if route is not APPROVAL_GIVEN)
_Found = tuple[Route, dict[str, str], Message, Msg]


class Journal:
    """One per process."""

    def __init__(self, client: WireClient, sender: Sender) -> None:
        self._client = client
        self._sender = sender

    async def read(self, key: Key) -> Story:
        """Every fact of the request as it stands. Raises RetryableError when the broker cannot be asked."""
        with span("read facts", Stage.EXECUTOR_COMPUTE) as current:
            messages = await newest_of(self._client, FACTS, [_subject(route, key) for route in _OWN_ROUTES])
            found = [each for message in messages if (each := _read(message)) is not None]
            # Only of rounds that were asked: of others a person may have written thousands, and hidden all the rest.
            rounds = {variables["round"] for route, variables, *_ in found if route is APPROVAL_REQUESTED}
            if rounds:
                given = [_subject(APPROVAL_GIVEN, key, number) for number in sorted(rounds)]
                words = await newest_of(self._client, FACTS, given)
                found += [each for message in words if (each := _read(message)) is not None]
            current.set("opswire.facts", len(found))
        by_route: dict[str, list[_Found]] = {route.stem: [] for route in _ROUTES}
        for each in found:
            by_route[each[0].stem].append(each)
        numbered = {route.stem: _numbered(by_route[route.stem]) for route in (STEP_CLAIMED, STEP_FINISHED)}
        return Story(
            key,
            context=_only(by_route[CONTEXT_RESOLVED.stem]),
            plan=_only(by_route[PLAN_MADE.stem]),
            rounds=_rounds(
                by_route[APPROVAL_REQUESTED.stem], by_route[APPROVAL_GIVEN.stem], by_route[APPROVAL_DECIDED.stem]
            ),
            claims=numbered[STEP_CLAIMED.stem],
            outcomes=numbered[STEP_FINISHED.stem],
            cancelled=_only(by_route[CANCELLATION_REQUESTED.stem]),
            finish=_only(by_route[REQUEST_FINISHED.stem]),
        )

    async def add(
        self, key: Key, route: Route, message: MessageT, deadline_ns: int | None = None, **variables: str
    ) -> tuple[MessageT, bool]:
        """Make `message` the fact, or learn which stands: the fact, and whether it is ours. Raises RetryableError."""
        subject = route.subject(source=key.source, request_id=key.request_id, **variables)
        if await self._sender.send(route, subject, message, deadline_ns):
            return message, True
        fact = await self._sender.facts.read_message(subject)
        if fact is None:
            raise RetryableError(f"{subject} was refused as present but cannot be read back")
        body, _ = read_message(route, fact.data, own_headers(fact))
        return cast(MessageT, body), False

    async def outcome(self, key: Key, number: int) -> StepFinished | None:
        """The outcome of one step, where it stands. Raises RetryableError when the broker cannot be asked."""
        subject = STEP_FINISHED.subject(source=key.source, request_id=key.request_id, number=str(number))
        message = await self._sender.facts.read_message(subject)
        if message is None:
            return None
        body, _ = read_message(STEP_FINISHED, message.data, own_headers(message))
        return cast(StepFinished, body)

    async def is_claimed(self, key: Key, number: int) -> bool:
        """Whether any run has claimed the step. Raises RetryableError when the broker cannot be asked."""
        return await self.exists(key, STEP_CLAIMED, number=str(number))

    async def sequence(self, key: Key, route: Route, **variables: str) -> int:
        """Where the fact lies in the stream; 0 where it is not there. Raises RetryableError."""
        subject = route.subject(source=key.source, request_id=key.request_id, **variables)
        fact = await self._sender.facts.read(subject)
        return fact.sequence if fact is not None else 0

    async def exists(self, key: Key, route: Route, **variables: str) -> bool:
        """Whether the fact stands. Raises RetryableError when the broker cannot be asked."""
        subject = route.subject(source=key.source, request_id=key.request_id, **variables)
        return await self._sender.facts.read_message(subject) is not None


def _subject(route: Route, key: Key, number: str = "*") -> str:
    return route.subject(source=key.source, request_id=key.request_id, round=number, number="*", approver="*")


def _read(message: Msg) -> _Found | None:
    headers = message.headers or {}
    subject = headers["Nats-Subject"]
    for route in _ROUTES:
        try:
            variables = route.variables(subject)
        except ValueError:
            continue
        try:
            body, _ = read_message(route, message.data, own_headers(message))
        except PoisonError:
            return None
        return route, variables, body, message
    return None


def _only(found: list[_Found]) -> Any:
    return found[0][2] if found else None


def _numbered(found: list[_Found]) -> dict[int, Any]:
    """By the number of the subject, which is what the broker keeps apart; a body that says another is left out."""
    return {
        int(variables["number"]): body
        for _, variables, body, _ in found
        if variables["number"] == str(getattr(body, "number", None))
    }


def _rounds(asked: list[_Found], given: list[_Found], decided: list[_Found]) -> dict[int, Round]:
    rounds: dict[int, Round] = {}
    for _, variables, body, message in asked:
        request = cast(ApprovalRequested, body)
        if variables["round"] != str(request.round):
            continue
        rounds[request.round] = Round(
            request, sequence_of(message), tuple(_given(request.round, given)), _decided(request.round, decided)
        )
    return rounds


def _given(number: int, found: list[_Found]) -> Iterable[Given]:
    for _, variables, body, message in found:
        approval = cast(ApprovalGiven, body)
        if variables["round"] == str(number) == str(approval.round) and variables["approver"] == approval.approver:
            yield Given(approval, _stored_ns(message), sequence_of(message))


def _decided(number: int, found: list[_Found]) -> ApprovalDecided | None:
    for _, variables, body, _ in found:
        if variables["round"] == str(number):
            return cast(ApprovalDecided, body)
    return None


def _stored_ns(message: Msg) -> int:
    """The broker's time: RFC 3339 with up to nine digits after the second."""
    text = (message.headers or {})["Nats-Time-Stamp"]
    whole, _, fraction = text.rstrip("Z").partition(".")
    seconds = int(datetime.fromisoformat(f"{whole}+00:00").timestamp())
    return seconds * 1_000_000_000 + int(fraction.ljust(9, "0")[:9] or 0)
