"""A secret that a tool resolved and shouts everywhere: no stream, trace, log, metric or health page holds it."""

from __future__ import annotations

import base64
import json
import logging
import sqlite3
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from urllib.parse import quote

import httpx
import pytest
import structlog
from opswire.chassis.embedded.nats_server import NatsServer
from opswire.chassis.logs import configure_logs, get_logger
from opswire.chassis.redaction import REDACTED, redactor
from opswire.chassis.sending import SecretInMessageError
from opswire.chassis.service import Service
from opswire.chassis.settings import ServiceSettings
from opswire.chassis.stages import Stage
from opswire.chassis.stream_reader import StreamReader
from opswire.chassis.telemetry import span
from opswire.chassis.testing.secret_store import SecretStoreServer
from opswire.contracts.plan_made import PlanMade
from opswire.contracts.progress_reported import ProgressReported
from opswire.contracts.request_finished import Answer, RequestFinished, Timings
from opswire.contracts.routes import FACTS, PLAN_MADE, PROGRESS, PROGRESS_REPORTED, REQUEST_FINISHED
from opswire.contracts.types import FinishStatus
from opswire.executor.adapters.redacted import redacted
from opswire.executor.adapters.secrets import Secrets, VaultSecrets
from opswire.executor.adapters.settings import VaultSettings
from opswire.executor.rules.tools import Tool, ToolCall, ToolResult
from pydantic import SecretStr

CANARY = "canary-4711-in-the-mine/+ü"
FORMS = {
    CANARY,
    json.dumps(CANARY)[1:-1],
    quote(CANARY),
    CANARY.encode().hex(),
    base64.b64encode(CANARY.encode()).decode()[:24],
}


@pytest.fixture
def _logs_restored() -> Iterator[None]:
    before = logging.getLogger().handlers[:]
    yield
    logging.getLogger().handlers[:] = before
    structlog.reset_defaults()


def has_canary(data: bytes | str) -> bool:
    text = data.decode("utf-8", "replace") if isinstance(data, bytes) else data
    return any(form in text for form in FORMS) or "canary-4711" in text


def outcome(request_id: str, said: str) -> RequestFinished:
    return RequestFinished(
        request_id=request_id,
        status=FinishStatus.COMPLETED,
        answer=Answer(summary=said, columns=["a"], rows=[[said], [base64.b64encode(said.encode()).decode()]]),
        timings=Timings(total=1.0),
    )


async def everything(service: Service, stream: str) -> list[bytes]:
    reader = StreamReader(service.bus.client, stream, [">"])
    return [message.body async for batch in reader.to_the_end() for message in batch]


def shouting_tool(secrets: Secrets) -> Tool:
    """A tool that resolves a secret and puts it into everything that it can reach."""

    async def shouting(call: ToolCall) -> ToolResult:
        value = (await secrets.resolve("vault:kv/db#password")).get_secret_value()
        with span(f"login {value}", Stage.EXECUTOR_COMPUTE, {"db.user": value, "url": f"pg://a:{quote(value)}@db"}):
            get_logger().info(f"logging in with {value}", value=value, inside={"list": [value]}, other=Exception(value))
            logging.getLogger("a.library").warning("login as %s", value)
        assert call.on_output is not None
        call.on_output(f"password is {value}\n")
        try:
            raise RuntimeError(value)
        except RuntimeError:
            get_logger().exception("it failed")
        return ToolResult(({"output": f"PGPASSWORD={value}"},), note=value)

    return shouting


@pytest.mark.usefixtures("_logs_restored")
async def test_a_secret_that_a_tool_shouts_is_nowhere_to_be_found(
    nats_server: NatsServer, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    configure_logs("executor", "DEBUG")
    traces = tmp_path / "traces.db"
    service = Service("executor", "1", ServiceSettings(nats_url=nats_server.url, http_port=0, trace_store=traces))
    service.details["shouting"] = lambda: {"said": CANARY, CANARY: 1}
    await service.start()
    async with SecretStoreServer("store-token-0002", {"kv/db": {"password": CANARY}}) as store:
        vault = VaultSecrets(VaultSettings(store.url, SecretStr("store-token-0002")))
        secrets = Secrets({"vault": vault})

        shouting = shouting_tool(secrets)
        printed: list[str] = []
        call = ToolCall(step=None, context=None, on_output=printed.append)  # type: ignore[arg-type]
        found = await redacted(shouting)(replace(call))
        await vault.close()
    assert not has_canary(repr(found))
    assert printed == [f"password is {REDACTED}\n"]

    # What did not come through a tool at all is held back by the sender.
    place = {"source": "test", "request_id": "r-1"}
    await service.sender.send(REQUEST_FINISHED, REQUEST_FINISHED.subject(**place), outcome("r-1", f"it is {CANARY}"))
    progress = ProgressReported(request_id="r-1", service="executor", doing=CANARY, at_ns=time.time_ns())
    await service.sender.mention(PROGRESS_REPORTED.subject(**place), progress)
    await service.sender.send(
        REQUEST_FINISHED, REQUEST_FINISHED.subject(source="test", request_id="r-2"), outcome("r-2", ".")
    )

    service.metrics.parked.labels(CANARY).inc()
    async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{service.http_port}") as client:
        pages = [(await client.get(path)).text for path in ("/health/ready", "/health/live", "/metrics")]
    stored = await everything(service, FACTS) + await everything(service, PROGRESS)
    await service.stop()

    assert len(stored) == 3
    assert json.loads(stored[0])["answer"]["summary"] == f"it is {REDACTED}"
    assert [page for page in pages if has_canary(page)] == []
    assert [body for body in stored if has_canary(body)] == []
    rows = [str(row) for row in sqlite3.connect(traces).execute("SELECT * FROM span_batches")]
    assert any(REDACTED in row for row in rows)
    assert [row for row in rows if has_canary(row)] == []
    out = capsys.readouterr().out
    assert out.count(REDACTED) >= 6
    assert not has_canary(out)


async def test_what_is_signed_or_needed_is_refused_and_not_changed(service: Service) -> None:
    redactor.register("restart-canary-0815")
    example = Path(__file__).parents[3] / "contracts" / "examples" / "plan_made" / "v2" / "full.json"
    plan = PlanMade.from_bytes(example.read_bytes())
    plan = plan.model_copy(update={"steps": [plan.steps[0].model_copy(update={"tool": "restart-canary-0815"})]})
    with pytest.raises(SecretInMessageError, match="plan_made"):
        await service.sender.send(PLAN_MADE, PLAN_MADE.subject(source="test", request_id="r-9"), plan)
    finish = outcome("restart-canary-0815", "done")
    with pytest.raises(SecretInMessageError, match="request_finished"):
        await service.sender.send(REQUEST_FINISHED, REQUEST_FINISHED.subject(source="test", request_id="r-9"), finish)
    assert await everything(service, FACTS) == []
