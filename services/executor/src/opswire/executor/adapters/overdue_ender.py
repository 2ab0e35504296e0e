"""Ends overdue requests: at the broker's ticks, at start, and every so often for those that nobody scheduled.

The same sweep looks again at what people were asked: a word that did not count when it came may count by now, because
its key was entered since.
"""

from __future__ import annotations

import asyncio
import time

from opswire.chassis.errors import OpswireError, RetryableError
from opswire.chassis.logs import get_logger
from opswire.chassis.publisher import BrokerAwayError, PublishTimeoutError
from opswire.chassis.sending import Sender
from opswire.chassis.stages import Stage
from opswire.chassis.telemetry import recorded_if_sent, root
from opswire.contracts.failure import Failure
from opswire.contracts.findings import Mark
from opswire.contracts.request_finished import RequestFinished
from opswire.contracts.request_finished.endings import ended
from opswire.contracts.routes import REQUEST_FINISHED
from opswire.contracts.types import FinishStatus
from opswire.executor.adapters.open_requests import OpenRequest, OpenRequests
from opswire.executor.usecases.expire import expired
from opswire.executor.usecases.proceed import Proceed
from opswire.executor.usecases.story import Key

LOOKING_S = 5.0


class OverdueEnder:
    """One per executor; every replica may do the same work, the broker lets one outcome stand."""

    def __init__(self, open_requests: OpenRequests, sender: Sender, proceed: Proceed) -> None:
        self._proceed = proceed
        self._open_requests = open_requests
        self._sender = sender
        self._lock = asyncio.Lock()
        self._looking: dict[Key, asyncio.Task[None]] = {}

    async def end_overdue(self) -> None:
        """Publish an outcome for every open request past its deadline: one that cannot be ended now holds up no other.

        Raises RetryableError where one is to be tried again, when the others are ended; at once where the broker is
        away.
        """
        async with self._lock:
            again: RetryableError | None = None
            for request in await self._open_requests.overdue(time.time_ns()):
                # A trace of its own: the tick that led here is of another request, and ends many.
                key = Key(request.source, request.request_id)
                with recorded_if_sent(), root(str(key), "end overdue request", Stage.EXECUTOR_COMPUTE):
                    try:
                        await self._end(key, request)
                    except (BrokerAwayError, PublishTimeoutError):
                        raise
                    except RetryableError as error:
                        get_logger().info("overdue request not ended yet", overdue=str(key), reason=str(error))
                        again = again or error
            if again is not None:
                raise again

    async def _end(self, key: Key, request: OpenRequest) -> None:
        outcome = await self._outcome(key, request)
        if outcome is None:
            return  # it is being ended elsewhere; the next tick or sweep looks again
        subject = REQUEST_FINISHED.subject(source=request.source, request_id=request.request_id)
        if await self._sender.send(REQUEST_FINISHED, subject, outcome):
            get_logger().info("overdue request ended", overdue=str(key), status=outcome.status.value)
        self._open_requests.forget(request)

    async def _outcome(self, key: Key, request: OpenRequest) -> RequestFinished | None:
        now_ns = time.time_ns()
        mark = Mark(service="executor", received_ns=now_ns, sent_ns=now_ns)
        try:
            if await self._proceed.has_nothing_to_settle(key):
                return expired(request.request_id, request.accepted_ns, time.time_ns())
            return await self._proceed.when_overdue(key, lambda: mark)
        except RetryableError:
            raise
        except OpswireError as error:
            # Trying again would find the same for ever: what stands on record, a person must look at.
            get_logger().error("overdue request cannot be settled", overdue=str(key), reason=str(error))
            detail = f"It could not be settled by the executor, look at what was begun: {error}"[:1_000]
            failure = Failure(status=FinishStatus.NEEDS_HUMAN, code=error.code, detail=detail)
            return ended(request.request_id, failure, request.accepted_ns, time.time_ns(), mark=mark)

    async def look_again(self) -> None:
        """Go on with every request that people were asked about, where their words are enough by now.

        Returns when all were looked at or begun; one whose plan runs is not waited for. Never raises.
        """
        for request in self._open_requests.undecided:
            key = Key(request.source, request.request_id)
            if key not in self._looking:
                self._looking[key] = asyncio.create_task(self._go_on(key), name=f"look again at {key}")
        waiting = [task for key, task in self._looking.items() if key not in self._proceed.running.runs]
        if waiting:
            await asyncio.wait(waiting, timeout=LOOKING_S)

    async def _go_on(self, key: Key) -> None:
        try:
            received_ns = time.time_ns()
            with recorded_if_sent(), root(str(key), "look again at what people said", Stage.EXECUTOR_COMPUTE):
                outcome = await self._proceed(
                    key, lambda: Mark(service="executor", received_ns=received_ns, sent_ns=time.time_ns())
                )
                if outcome is not None:
                    subject = REQUEST_FINISHED.subject(source=key.source, request_id=key.request_id)
                    await self._sender.send(REQUEST_FINISHED, subject, outcome)
        except OpswireError as error:
            get_logger().info("look again put off", overdue=str(key), reason=str(error))
        finally:
            del self._looking[key]

    async def sweep(self, interval_s: float) -> None:
        """Do both now and every `interval_s` seconds: also for requests that no tick was set for."""
        while True:
            try:
                await self.end_overdue()
                await self.look_again()
            except RetryableError as error:
                get_logger().info("sweep put off", reason=str(error))
            await asyncio.sleep(interval_s)
