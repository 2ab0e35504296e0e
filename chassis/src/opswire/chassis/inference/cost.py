"""What a call costs: by the endpoint's prices, else by the registry's, and which of them it was."""

from __future__ import annotations

from dataclasses import dataclass

from opswire.chassis.inference.call import Usage
from opswire.chassis.inference.capabilities import capabilities_of
from opswire.chassis.inference.endpoint import Endpoint

CONFIGURED = "configured"
"""The source of prices that an endpoint has of its own."""


@dataclass(frozen=True, slots=True)
class Prices:
    """US dollars per million tokens. Cached tokens without a price of their own cost as input."""

    input_usd: float
    output_usd: float
    cached_input_usd: float | None
    cache_write_usd: float | None
    source: str
    """`configured`, or the page and the day on which the registry found them."""

    def cost_usd(self, usage: Usage) -> float:
        """US dollars."""
        cached, written = self.cached_input_usd, self.cache_write_usd
        fresh = max(0, usage.input_tokens - usage.cached_input_tokens - usage.cache_write_tokens)
        millionths = (
            fresh * self.input_usd
            + usage.cached_input_tokens * (self.input_usd if cached is None else cached)
            + usage.cache_write_tokens * (self.input_usd if written is None else written)
            + usage.output_tokens * self.output_usd
        )
        return millionths / 1_000_000


def prices_of(endpoint: Endpoint) -> Prices | None:
    """The endpoint's own prices. Where it has none at all and is the provider's own address: the registry's.

    None where neither is known. One price without the other counts as not known.
    """
    own = (
        endpoint.input_usd_per_million_tokens,
        endpoint.output_usd_per_million_tokens,
        endpoint.cached_input_usd_per_million_tokens,
        endpoint.cache_write_usd_per_million_tokens,
    )
    known = capabilities_of(endpoint.provider, endpoint.base_url, endpoint.model)
    is_at_home = known.base_url is not None and endpoint.base_url.rstrip("/") == known.base_url.rstrip("/")
    listed = known.price_of(endpoint.model) if is_at_home else None
    found = None
    if listed is not None:
        source = f"{listed.source}, {listed.as_of}"
        usual = (listed.input_usd, listed.output_usd, listed.cached_input_usd, listed.cache_write_usd)
        if own in (usual, (None,) * 4):  # a configuration has filled the registry's prices in already
            found = Prices(*usual, source)
    if found is None and own[0] is not None and own[1] is not None:
        found = Prices(own[0], own[1], own[2], own[3], CONFIGURED)
    return found


def cost_usd(endpoint: Endpoint, usage: Usage) -> float | None:
    """US dollars; None where no price is known. For more than a few calls keep what `prices_of` answers."""
    prices = prices_of(endpoint)
    return None if prices is None else prices.cost_usd(usage)


class Tally:
    """What one call has cost so far, over its attempts, repairs and fallbacks."""

    __slots__ = ("calls", "cost_usd", "usage")

    def __init__(self) -> None:
        self.calls = 0
        self.usage = Usage()
        self.cost_usd: float | None = 0.0

    def add(self, usage: Usage, cost: float | None) -> None:
        """Count an answer. One unknown cost makes the whole unknown."""
        self.usage = usage if self.usage == Usage() else self.usage + usage
        self.cost_usd = None if cost is None or self.cost_usd is None else self.cost_usd + cost
