"""What the inventory said last of an asset, read from the log of its changes at the point of use."""

from __future__ import annotations

from collections.abc import Iterable

from nats.errors import Error as NatsError
from opswire.chassis.publisher import BrokerAwayError
from opswire.chassis.reading import read_message
from opswire.chassis.wire import WireClient
from opswire.contracts.asset_changed import AssetChanged
from opswire.contracts.routes import ASSET_CHANGED, CHANGES


class CurrentAssets:
    """One per process. What the inventory has committed and not yet published is not seen: some milliseconds."""

    def __init__(self, client: WireClient) -> None:
        self._client = client

    async def last_changes(self, asset_ids: Iterable[str]) -> dict[str, AssetChanged]:
        """The last change of each asset that has one in the log. Raises RetryableError."""
        found: dict[str, AssetChanged] = {}
        for asset_id in dict.fromkeys(asset_ids):
            subject = ASSET_CHANGED.subject(asset_id=asset_id)
            try:
                answer = await self._client.request(f"$JS.API.DIRECT.GET.{CHANGES}.{subject}", b"", timeout=5)
            except (NatsError, OSError, TimeoutError) as error:
                raise BrokerAwayError(f"the changes of assets cannot be read: {type(error).__name__}") from error
            if answer.headers is None or "Nats-Sequence" not in answer.headers:
                continue
            headers = {name: value for name, value in answer.headers.items() if not name.startswith("Nats-")}
            body, _ = read_message(ASSET_CHANGED, answer.data, headers)
            assert isinstance(body, AssetChanged)
            found[asset_id] = body
        return found
