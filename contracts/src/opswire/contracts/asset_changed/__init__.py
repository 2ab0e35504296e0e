"""The newest `asset_changed`; use cases import from here, never from a version."""

from opswire.contracts.asset_changed.v1 import AssetChanged

__all__ = ["AssetChanged"]
