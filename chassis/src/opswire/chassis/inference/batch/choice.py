"""Which way a batch goes: the provider's own where it is spoken here, single calls elsewhere."""

from __future__ import annotations

from opswire.chassis.inference.batch.anthropic_batches import AnthropicBatches
from opswire.chassis.inference.batch.calls import Caller, SingleCalls
from opswire.chassis.inference.batch.openai_batches import OpenAiBatches
from opswire.chassis.inference.batch.transport import BatchTransport
from opswire.chassis.inference.capabilities import Batch, capabilities_of
from opswire.chassis.inference.endpoint import Endpoint


def transport_for(endpoint: Endpoint, client: Caller, operation: str) -> BatchTransport:
    """The cheapest way that the endpoint's provider offers; `client` asks one by one where there is none.

    vLLM's own runner loads the model once more: it is chosen by hand (`ProgramBatches`), for a machine that is free.
    """
    known = capabilities_of(endpoint.provider, endpoint.base_url, endpoint.model)
    if known.batch is Batch.OPENAI_FILES:
        return OpenAiBatches(endpoint)
    if known.batch is Batch.ANTHROPIC_MESSAGES:
        return AnthropicBatches(endpoint)
    return SingleCalls(client, f"{endpoint.base_url} {endpoint.model}", operation, min(16, endpoint.concurrency_max))
