"""What prompt caching and batches saved, from the provider's own usage fields and the endpoint's prices."""

from __future__ import annotations

from dataclasses import dataclass

from opswire.chassis.inference.call import Usage
from opswire.chassis.inference.capabilities import capabilities_of
from opswire.chassis.inference.cost import prices_of
from opswire.chassis.inference.endpoint import Endpoint


@dataclass(frozen=True, slots=True)
class Savings:
    """US dollars against the same tokens uncached and one by one. Caching that wrote more than it read is negative."""

    by_cache_usd: float
    by_batch_usd: float

    @property
    def total_usd(self) -> float:
        """Both together."""
        return self.by_cache_usd + self.by_batch_usd


def saved_usd(usage: Usage, endpoint: Endpoint, is_batch: bool = False) -> Savings | None:
    """What was saved; None where a price that it takes is not known. Never estimated from prompts: only from usage.

    Where it is not known that the two discounts stack, cached tokens count without the batch's.
    """
    prices = prices_of(endpoint)
    if prices is None or (prices.cached_input_usd is None and usage.cached_input_tokens):
        return None
    price_in, price_out = prices.input_usd, prices.output_usd
    price_read, price_write = prices.cached_input_usd, prices.cache_write_usd
    read_usd = usage.cached_input_tokens * (price_read or 0.0) / 1e6
    written_usd = usage.cache_write_tokens * (price_in if price_write is None else price_write) / 1e6
    uncached_usd = (usage.cached_input_tokens + usage.cache_write_tokens) * price_in / 1e6
    by_cache_usd = uncached_usd - read_usd - written_usd
    known = capabilities_of(endpoint.provider, endpoint.base_url, endpoint.model)
    if not is_batch or known.batch_discount is None:
        return Savings(by_cache_usd, 0.0)
    fresh = max(0, usage.input_tokens - usage.cached_input_tokens - usage.cache_write_tokens)
    discounted_usd = (fresh * price_in + usage.output_tokens * price_out) / 1e6 + written_usd
    if known.discounts_stack:
        discounted_usd += read_usd
        # What caching saves is worth less where the tokens would have cost the batch's price.
        by_cache_usd *= 1 - known.batch_discount
        discounted_usd += uncached_usd - read_usd - written_usd
    return Savings(by_cache_usd, discounted_usd * known.batch_discount)
