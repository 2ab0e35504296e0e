"""A selection as JSON, for the shared level of the context cache."""

from __future__ import annotations

from typing import Literal

from opswire.assets.usecases.resolve import Selection
from opswire.contracts.findings import Asset
from opswire.contracts.message import Part
from pydantic import ValidationError


class _Document(Part):
    kind: Literal["none", "named", "filtered"]
    assets: list[Asset]
    hosts: list[Asset]
    total: int


class SelectionCodec:
    """Writes and reads selections; foreign bytes raise ValueError."""

    def encode(self, value: Selection) -> bytes:
        """The selection as one JSON object."""
        document = _Document.model_construct(kind=value.kind, assets=value.assets, hosts=value.hosts, total=value.total)
        return document.model_dump_json(exclude_none=True).encode()

    def decode(self, data: bytes) -> Selection:
        """The selection again. Raises ValueError when the bytes are not one."""
        try:
            document = _Document.model_validate_json(data)
        except ValidationError as error:
            raise ValueError("not a selection") from error
        return Selection(document.kind, document.assets, document.hosts, document.total)
