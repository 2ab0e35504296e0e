"""Warming an endpoint, what it learns of its lanes, and where the prices of a cost are from."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from inference_scene import NUMBER_SCHEMA, a_call, client_of, endpoint_of, number_in
from opswire.chassis.inference.call import Usage
from opswire.chassis.inference.configuration import load_configuration
from opswire.chassis.inference.cost import cost_usd, prices_of
from opswire.chassis.inference.endpoint import Endpoint
from opswire.chassis.inference.priority import BULK_CALLS, URGENT_CALLS
from opswire.chassis.inference.savings import saved_usd
from opswire.chassis.testing.scripted_model import ScriptedCall, ScriptedModel
from opswire.chassis.testing.scripted_steps import Answer
from opswire.chassis.testing.scripted_wire import HttpRequest
from structlog.testing import capture_logs


def waited(queue_ms: float) -> Answer:
    """An answer to a call that lay in the server's queue."""
    return Answer("x", timing={"queue_time_ms": queue_ms, "time_to_first_token_ms": 1.0, "generation_time_ms": 1.0})


class Queueing(ScriptedModel):
    """Bulk calls wait for 100 ms, interactive ones as long as it is told; in whichever order they come."""

    urgent_ms = 0.0

    def begin(self, request: HttpRequest) -> ScriptedCall:
        """Each call gets the answer of its lane."""
        call = super().begin(request)
        call.step = waited(100.0 if request.body["priority"] else self.urgent_ms)
        return call


@pytest.fixture
def queueing() -> Iterator[Queueing]:
    """A server with a queue."""
    with Queueing() as running:
        yield running


@pytest.mark.parametrize(("urgent_ms", "state"), [(5.0, "heeded"), (150.0, "ignored"), (80.0, "unknown")])
async def test_a_server_is_asked_once_whether_it_heeds_lanes(queueing: Queueing, urgent_ms: float, state: str) -> None:
    model = queueing
    model.urgent_ms = urgent_ms
    with capture_logs() as logs:
        async with client_of(endpoint_of(model)) as client:
            assert client.state()["chain"][0]["priority"] == "unknown"
            await client.warm([NUMBER_SCHEMA])
            assert client.state()["chain"][0]["priority"] == state
            asked = 2 + BULK_CALLS + URGENT_CALLS
            assert len(model.calls) == asked
            await client.warm([NUMBER_SCHEMA])
            assert len(model.calls) == asked + 1
            assert client.state()["chain"][0]["calls"] == 0
    warnings = [log for log in logs if log["log_level"] == "warning"]
    assert ["--scheduling-policy priority" in log["advice"] for log in warnings] == (
        [True] if state == "ignored" else []
    )


async def test_a_server_that_tells_no_times_or_gets_no_lanes_is_not_burdened(model: ScriptedModel) -> None:
    async with client_of(endpoint_of(model)) as client:
        await client.warm([NUMBER_SCHEMA])
        assert client.state()["chain"][0]["priority"] == "unknown"
    model.always(waited(1.0))
    for settings in ({"sends_priority": False}, {"provider": "openai"}):
        async with client_of(endpoint_of(model).model_copy(update=settings)) as client:
            await client.warm([NUMBER_SCHEMA])
            assert client.state()["chain"][0]["priority"] == "not_sent"
    assert len(model.calls) == 3


def hosted(**settings: object) -> Endpoint:
    """An endpoint at the provider's own address, of a model whose price the registry knows."""
    usual: dict[str, object] = {
        "name": "a",
        "provider": "anthropic",
        "base_url": "https://api.anthropic.com/",
        "model": "claude-opus-5",
    }
    return Endpoint.model_validate(usual | settings)


def test_without_prices_of_its_own_an_endpoint_costs_what_the_registry_says() -> None:
    usage = Usage(1_000_000, 1_000_000, 200_000, 100_000)
    assert cost_usd(hosted(), usage) == pytest.approx(0.7 * 5 + 0.2 * 0.5 + 0.1 * 6.25 + 25)
    known = prices_of(hosted(model="claude-opus-5-20260801"))
    assert known is not None
    assert known.source == "https://platform.claude.com/docs/en/about-claude/pricing, 2026-11-21"
    assert saved_usd(usage, hosted()) is not None
    assert prices_of(hosted(model="claude-opus-51")) is None
    assert prices_of(hosted(base_url="http://127.0.0.1:8000")) is None, "another server has other prices"
    own = prices_of(hosted(input_usd_per_million_tokens=1.0, output_usd_per_million_tokens=2.0))
    assert own is not None
    assert (own.source, own.cost_usd(Usage(1_000_000, 1_000_000))) == ("configured", 3.0)
    assert prices_of(hosted(input_usd_per_million_tokens=1.0)) is None


async def test_the_state_says_where_prices_are_from(model: ScriptedModel) -> None:
    loaded = load_configuration("intent", None, {"LLM_PROVIDER": "anthropic", "LLM_MODEL": "claude-opus-5"})
    assert loaded is not None
    free: dict[str, Any] = {"input_usd_per_million_tokens": 0.0, "output_usd_per_million_tokens": 0.0}
    async with client_of(*loaded.chain, endpoint_of(model, **free), endpoint_of(model, "third")) as client:
        sources = [place["cost_source"] for place in client.state()["chain"]]
    assert sources == ["https://platform.claude.com/docs/en/about-claude/pricing, 2026-11-21", "configured", None]


async def test_a_call_says_what_it_cost_where_a_price_is_known(model: ScriptedModel) -> None:
    model.always(Answer(number_in, input_tokens=1_000_000, output_tokens=0))
    priced: dict[str, Any] = {"input_usd_per_million_tokens": 3.0, "output_usd_per_million_tokens": 0.0}
    async with client_of(endpoint_of(model, **priced)) as client:
        assert (await client.decide(a_call(deadline_s=5), NUMBER_SCHEMA)).cost_usd == 3.0
