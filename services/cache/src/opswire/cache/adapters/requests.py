"""Sends requests as an upstream does, and waits for their outcomes."""

from __future__ import annotations

import asyncio
import secrets

from opswire.chassis.body import read_body
from opswire.chassis.errors import PoisonError, RetryableError
from opswire.chassis.sending import Sender
from opswire.chassis.wire import WireClient
from opswire.contracts.findings import Requester
from opswire.contracts.request_finished import RequestFinished
from opswire.contracts.request_submitted import RequestSubmitted
from opswire.contracts.routes import REQUEST_FINISHED, REQUEST_SUBMITTED
from opswire.contracts.types import RequesterKind
from pydantic import ValidationError

DEADLINE_MS = 30_000
PATIENCE_S = DEADLINE_MS / 1_000 + 5.0


class NoOutcomeError(RetryableError):
    """A request was accepted and its outcome was not seen in time."""

    code = "no_outcome"


class Requests:
    """One per process, after the connection. `source` is the subject's part that says who asks."""

    def __init__(self, client: WireClient, sender: Sender, source: str) -> None:
        self._client = client
        self._sender = sender
        self._source = source
        self._requester = Requester(id=f"opswire-{source}", kind=RequesterKind.SERVICE)

    async def status_of(self, request_id: str, text: str) -> str:
        """How a request ended. Raises RetryableError."""
        return (await self.ask(text, request_id)).status.value

    async def ask(self, text: str, request_id: str | None = None) -> RequestFinished:
        """The outcome of a request. The same id with the same text again has the same. Raises RetryableError."""
        request_id = request_id or secrets.token_hex(16)
        variables = {"source": self._source, "request_id": request_id}
        finished = REQUEST_FINISHED.subject(**variables)
        body: asyncio.Future[bytes] = asyncio.get_running_loop().create_future()

        def on_finished(_: str, __: str, data: bytes, ___: bytes | None) -> None:
            if not body.done():
                body.set_result(data)

        # Before the request is sent: its outcome passes once, and is read from the stream only where it was missed.
        number = await self._client.subscribe_directly(finished, on_finished)
        try:
            request = RequestSubmitted(
                request_id=request_id, text=text, requester=self._requester, deadline_ms=DEADLINE_MS
            )
            ours = await self._sender.send(REQUEST_SUBMITTED, REQUEST_SUBMITTED.subject(**variables), request)
            data = await self._waited(body, finished, PATIENCE_S if ours else 0.0)
        finally:
            await self._client.unsubscribe_directly(number)
        try:
            read_body(data)
            return RequestFinished.from_bytes(data)
        except (PoisonError, ValidationError) as error:
            raise NoOutcomeError(f"the outcome of {request_id} cannot be read") from error

    async def _waited(self, body: asyncio.Future[bytes], finished: str, patience_s: float) -> bytes:
        done, _ = await asyncio.wait((body,), timeout=patience_s)
        if done:
            return body.result()
        fact = await self._sender.facts.read(finished)
        if fact is None:
            raise NoOutcomeError(f"no outcome was seen within {patience_s:g} s")
        return fact.body
