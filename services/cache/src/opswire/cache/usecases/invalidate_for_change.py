"""Which cached answers a change puts out of date."""

from __future__ import annotations

import secrets
import time

from opswire.contracts.asset_changed import AssetChanged
from opswire.contracts.caches_invalidated import CachesInvalidated
from opswire.contracts.caches_invalidated.tags import tags_of_change


def invalidation_for(change: AssetChanged) -> CachesInvalidated:
    """Everything that depends on the changed asset: its state, its names before and after, every list."""
    return CachesInvalidated(
        tags=tags_of_change(change),
        cause=f"asset:{change.asset_id}@{change.generation}",
        nonce=secrets.token_hex(16),
        at_ns=time.time_ns(),
    )
