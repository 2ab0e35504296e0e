"""The newest `basis_changed`; use cases import from here, never from a version."""

from opswire.contracts.basis_changed.v1 import BasisChanged, BasisKind

__all__ = ["BasisChanged", "BasisKind"]
