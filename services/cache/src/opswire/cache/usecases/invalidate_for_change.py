"""Which cached answers a change puts out of date."""

from __future__ import annotations

import secrets
import time
from collections.abc import Sequence

from opswire.contracts.asset_changed import AssetChanged
from opswire.contracts.basis_changed import BasisChanged
from opswire.contracts.caches_invalidated import CachesInvalidated
from opswire.contracts.caches_invalidated.tags import tags_of_basis, tags_of_change


def invalidation_for(change: AssetChanged) -> CachesInvalidated:
    """Everything that depends on the changed asset: its state, its names before and after, every list."""
    return _invalidation(tags_of_change(change), f"asset:{change.asset_id}@{change.generation}")


def invalidation_for_basis(change: BasisChanged) -> CachesInvalidated:
    """Everything that depends on the documents, the policy or the tools that changed."""
    return _invalidation(tags_of_basis(change), cause_of_basis(change))


def cause_of_basis(change: BasisChanged) -> str:
    """What its invalidation is called: unlike that of any other change, as one version may be told of many times."""
    return f"{change.kind}:{change.version}@{change.changed_ns}"


def _invalidation(tags: Sequence[str], cause: str) -> CachesInvalidated:
    return CachesInvalidated(tags=list(tags), cause=cause, nonce=secrets.token_hex(16), at_ns=time.time_ns())
