"""An endpoint at work: its SDK client, breaker, places, health and spans, for as long as it is configured."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from enum import StrEnum
from typing import Any

from opswire.chassis.inference.backend import Backend
from opswire.chassis.inference.breaker import Breaker
from opswire.chassis.inference.capabilities import Capabilities, capabilities_of
from opswire.chassis.inference.cost import prices_of
from opswire.chassis.inference.endpoint import Endpoint
from opswire.chassis.inference.errors import (
    CLOSED,
    InferenceRefusedError,
    InferenceTimeoutError,
    InferenceUnavailableError,
)
from opswire.chassis.inference.health import Health
from opswire.chassis.inference.lanes import Lanes
from opswire.chassis.inference.spans import AttemptSpans


class PriorityState(StrEnum):
    """What is known of a server that is sent lanes as priorities."""

    UNKNOWN = "unknown"
    HEEDED = "heeded"
    IGNORED = "ignored"
    """It takes the field and goes by order of arrival: bulk calls delay all others."""
    NOT_SENT = "not_sent"


class Place:
    """Kept over a change of configuration where the endpoint stays the same, with its breaker and connections."""

    def __init__(self, endpoint: Endpoint) -> None:
        self.endpoint = endpoint
        self.capabilities: Capabilities = capabilities_of(endpoint.provider, endpoint.base_url, endpoint.model)
        self.breaker = Breaker()
        self.lanes = Lanes(endpoint.name, endpoint.concurrency_max, endpoint.queue_max)
        self.prices = prices_of(endpoint)
        self.spans = AttemptSpans(endpoint, self.prices.source if self.prices is not None else None)
        self.health = Health(self._check)
        is_sent = self.capabilities.takes_priority and endpoint.sends_priority
        self.priority = PriorityState.UNKNOWN if is_sent else PriorityState.NOT_SENT
        self.was_asked_for_priority = False
        self._backend: Backend | None = None
        self._users = 0
        self._is_retired = False
        self._closing: asyncio.Task[None] | None = None

    @property
    def backend(self) -> Backend:
        """The SDK's client; `load` comes first."""
        assert self._backend is not None, "load() was not awaited"
        return self._backend

    async def load(self, until: float | None = None) -> None:
        """Make the SDK's client, once. Importing an SDK takes up to a second: it happens here, off the loop.

        Before any attempt, so that it is taken for no slowness of the endpoint. `until` is in the loop's time. Raises
        InferenceRefusedError where the SDK is not installed, InferenceTimeoutError when it was not loaded in time,
        InferenceUnavailableError when the place was closed meanwhile.
        """
        if self._backend is not None:
            return
        try:
            async with asyncio.timeout_at(until):
                make = await asyncio.to_thread(_maker_of, self.capabilities.protocol)
        except TimeoutError as error:
            raise InferenceTimeoutError("the model client was not loaded in time", "loading") from error
        if self._closing is not None:
            raise InferenceUnavailableError("the model client was closed", CLOSED)
        if self._backend is None:  # another call may have been first
            self._backend = make(self.endpoint, self.capabilities)

    def hold(self) -> None:
        """A call begins that may use it."""
        self._users += 1

    def release(self) -> None:
        """That call has ended."""
        self._users -= 1
        self._close_when_idle()

    def retire(self) -> None:
        """It is configured no more: closed as soon as its last call has ended."""
        self._is_retired = True
        self._close_when_idle()

    async def close(self) -> None:
        """Close at once; calls that are under way break."""
        self._is_retired = True
        if self._closing is None:
            self._closing = asyncio.create_task(self._close())
        await asyncio.shield(self._closing)

    @property
    def is_closed(self) -> bool:
        """Whether nothing of it is open any more."""
        return self._closing is not None and self._closing.done()

    def state(self) -> dict[str, Any]:
        """For health answers; never a key."""
        age_s = self.health.age_s
        return {
            "endpoint": self.endpoint.name,
            "provider": self.endpoint.provider,
            "model": self.endpoint.model,
            "base_url": self.endpoint.shown_url,
            "breaker": str(self.breaker.state),
            "priority": str(self.priority),
            "cost_source": self.prices.source if self.prices is not None else None,
            "health": self.health.state,
            "health_age_s": None if age_s is None else round(age_s, 1),
            "calls": self.lanes.taken,
            "waiting": self.lanes.waiting,
        }

    async def _check(self) -> None:
        await self.load()
        await self.backend.check()
        self.breaker.seen_well()

    def _close_when_idle(self) -> None:
        if self._is_retired and self._users == 0 and self._closing is None:
            self._closing = asyncio.create_task(self._close())

    async def _close(self) -> None:
        await self.health.close()
        if self._backend is not None:
            await self._backend.close()


def _maker_of(protocol: str) -> Callable[[Endpoint, Capabilities], Backend]:
    # Imported here and not above: a service without model calls must not pay the SDKs' memory.
    try:
        if protocol == "anthropic":
            from opswire.chassis.inference.anthropic_backend import AnthropicBackend

            return AnthropicBackend
        from opswire.chassis.inference.openai_backend import OpenAiBackend

        return OpenAiBackend
    except ImportError as error:
        message = f"the {protocol} SDK is not installed: install opswire-chassis[inference] ({error})"
        raise InferenceRefusedError(message, "not_installed") from error
