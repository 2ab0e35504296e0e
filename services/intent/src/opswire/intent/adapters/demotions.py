"""Takes a template back in every process: an invalidation of its tag, in the background."""

from __future__ import annotations

import asyncio
import secrets
import time
from collections.abc import Callable

from opswire.chassis.errors import RetryableError
from opswire.chassis.logs import get_logger
from opswire.chassis.sending import Sender
from opswire.contracts.caches_invalidated import CachesInvalidated
from opswire.contracts.routes import CACHES_INVALIDATED
from opswire.intent.usecases.shadow import TemplateKey

AGAIN_AFTER_S = 1.0


class Demotions:
    """One per process. What is waiting when the process ends is lost: the next one that is checked says so again."""

    def __init__(self, sender: Callable[[], Sender]) -> None:
        """`sender` is asked for when there is something to send; it exists once the service is connected."""
        self._sender = sender
        self._waiting: asyncio.Queue[TemplateKey] = asyncio.Queue()

    def announce(self, key: TemplateKey) -> None:
        """Have the template forgotten everywhere, soon."""
        self._waiting.put_nowait(key)

    async def run(self) -> None:
        """Send what is announced, each until the broker has taken it."""
        while True:
            key = await self._waiting.get()
            subject, nonce = CACHES_INVALIDATED.template, secrets.token_hex(16)
            message = CachesInvalidated(
                tags=[key.tag], cause="intent:template_demoted", nonce=nonce, at_ns=time.time_ns()
            )
            while True:
                try:
                    await self._sender().send(CACHES_INVALIDATED, subject, message, message_id=f"{subject}/{nonce}")
                    break
                except RetryableError as error:
                    get_logger().info("a demoted template is not taken back yet", error=str(error))
                    await asyncio.sleep(AGAIN_AFTER_S)
            get_logger().warning("a template that served was contradicted and is taken back", template=key.template)
