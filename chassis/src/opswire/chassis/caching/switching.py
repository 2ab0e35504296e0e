"""A cache that was found wrong in one process is switched off in every other one.

The word for it is an invalidation like any other, with a tag that no entry carries: it is ordered and acknowledged as
they are, and a release that does not know it lets it pass. It says nothing to a process that starts later, which
compares for itself.
"""

from __future__ import annotations

from opswire.chassis.caching.holding import Holding
from opswire.chassis.caching.log import InvalidationLog
from opswire.contracts.caches_invalidated import CachesInvalidated
from opswire.contracts.caches_invalidated.tags import FOUND_ELSEWHERE, off_tag


def obey_switches(log: InvalidationLog) -> None:
    """Switch off what the log says, before it is acknowledged; what is off stays off for the reason that it has."""

    def on_invalidated(_: int, invalidation: CachesInvalidated) -> None:
        for cache in log.followers:
            if isinstance(cache, Holding) and off_tag(cache.name) in invalidation.tags and not cache.off_reason:
                cache.switch_off(FOUND_ELSEWHERE + invalidation.cause)

    log.on_invalidated.append(on_invalidated)
