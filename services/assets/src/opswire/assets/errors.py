"""How failures of the assets service are classed. What a sender may choose from travels with the error."""

from __future__ import annotations

from collections.abc import Iterable

from opswire.chassis.errors import ClarificationError, RejectedError, RetryableError
from opswire.contracts.findings import Candidate
from opswire.contracts.types import CANDIDATES_MAX


class AssetClarificationError(ClarificationError):
    """The words do not lead to exactly one set of assets. `candidates` are the readings the sender may choose."""

    code = "ambiguous_asset"

    def __init__(self, detail: str, candidates: Iterable[Candidate] = ()) -> None:
        """`detail` is one sentence for a person; candidates beyond the message's limit are left out."""
        super().__init__(detail)
        self.candidates: list[Candidate] = list(candidates)[:CANDIDATES_MAX]


class AmbiguousAssetError(AssetClarificationError):
    """A name has two or more bearers."""


class UnknownAssetError(AssetClarificationError):
    """A name has no bearer. Candidates are names that look like it; none is ever taken by itself."""

    code = "unknown_asset"


class AssetMismatchError(AssetClarificationError):
    """Every word is known, but together they exclude each other: a service that is not on the host named with it."""

    code = "asset_mismatch"


class UnknownFilterError(AssetClarificationError):
    """A word that narrows a list (environment, type, group, site, system) matches nothing in the inventory."""

    code = "unknown_filter"


class InventoryUnavailableError(RetryableError):
    """The database does not answer; nothing is resolved until it does."""

    code = "inventory_unavailable"


class AssetNotFoundError(RejectedError):
    """No asset has this name."""

    code = "asset_not_found"


class NameTakenError(RejectedError):
    """Another asset already has this name."""

    code = "name_taken"


class AssetInUseError(RejectedError):
    """Other assets name this one as their parent."""

    code = "asset_in_use"


class InvalidAssetError(RejectedError):
    """The values do not make an asset."""

    code = "invalid_asset"


class UnreadableInventoryError(RejectedError):
    """A file as a whole cannot be read as the format it is said to be."""

    code = "unreadable_inventory"
