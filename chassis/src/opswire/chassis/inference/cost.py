"""What a call costs, by the endpoint's prices."""

from __future__ import annotations

from opswire.chassis.inference.call import Usage
from opswire.chassis.inference.endpoint import Endpoint


def cost_usd(endpoint: Endpoint, usage: Usage) -> float | None:
    """US dollars; None where a price is not known. Cached tokens without a price of their own cost as input."""
    price_in, price_out = endpoint.input_usd_per_million_tokens, endpoint.output_usd_per_million_tokens
    if price_in is None or price_out is None:
        return None
    cached, written = endpoint.cached_input_usd_per_million_tokens, endpoint.cache_write_usd_per_million_tokens
    fresh = max(0, usage.input_tokens - usage.cached_input_tokens - usage.cache_write_tokens)
    millionths = (
        fresh * price_in
        + usage.cached_input_tokens * (price_in if cached is None else cached)
        + usage.cache_write_tokens * (price_in if written is None else written)
        + usage.output_tokens * price_out
    )
    return millionths / 1_000_000


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
