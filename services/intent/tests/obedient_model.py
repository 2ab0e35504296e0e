"""A model that says what a test tells it to, through the very schema that a server would be given."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import orjson
from opswire.chassis.inference.call import InferenceCall, OutputSchema, Reply, Usage, Value
from opswire.chassis.inference.errors import ReplyInvalidError
from opswire.contracts.asset_changed import AssetChanged
from opswire.contracts.findings import Asset
from opswire.intent.language.names import NameIndex

Says = Mapping[str, Any] | Exception | Callable[[InferenceCall, OutputSchema[Any]], Mapping[str, Any]]
CLEAR = {"intent": "status.check", "entities": [], "confidence": 90, "risk": "LOW", "reason": "clear"}


class ObedientModel:
    """Notes every call. The n-th call gets the n-th answer, cut to the keys that are asked for; the last one stays."""

    def __init__(self, *says: Says, endpoint: str = "first", prices: Sequence[float | None] = (0.001,)) -> None:
        self.says = list(says)
        self.prices = prices
        self.endpoint = endpoint
        self.calls: list[InferenceCall] = []
        self.schemas: list[OutputSchema[Any]] = []

    async def decide(self, call: InferenceCall, schema: OutputSchema[Value]) -> Reply[Value]:
        self.calls.append(call)
        self.schemas.append(schema)
        said = self.says[min(len(self.calls), len(self.says)) - 1]
        if isinstance(said, Exception):
            raise said
        reply = said(call, schema) if callable(said) else said
        keys = schema.json_schema["required"]
        data = orjson.dumps({key: reply[key] for key in keys if key in reply})
        try:
            value = schema.decode(data)
        except ValueError as error:  # as the client does, after its repair
            raise ReplyInvalidError(str(error)) from error
        usage = Usage(100, 20, 90, 0)
        price = self.prices[min(len(self.calls), len(self.prices)) - 1]
        return Reply(value, data.decode(), usage, price, self.endpoint, "vllm", "m", "stop", None)


def inventory(*names: tuple[str, str, str, str]) -> NameIndex:
    """An index of assets, each as name, type, environment, criticality."""
    index = NameIndex()
    for number, (name, kind, environment, criticality) in enumerate(names):
        asset = Asset(id=f"a{number}", name=name, type=kind, environment=environment, criticality=criticality)
        index.apply(AssetChanged(asset_id=asset.id, kind="created", generation=1, asset=asset, changed_ns=1))
    return index


HOSTS: Sequence[tuple[str, str, str, str]] = (
    ("web-01", "host", "production", "critical"),
    ("web-09", "host", "test", "low"),
    ("checkout", "service", "production", "high"),
)
