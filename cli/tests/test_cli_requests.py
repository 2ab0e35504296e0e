"""`ask`, `publish`, `show` and `parked` on a real broker with the real streams.

No service runs here: a small task in this file stands for all four of them. It takes a submitted request from the
stream and publishes progress and one finish, as the services would.
"""

from __future__ import annotations

import asyncio
import base64
import json
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Any

import pytest
from nats.aio.client import Client
from nats.aio.msg import Msg
from nats.js.api import ConsumerConfig, DeliverPolicy
from nats.js.errors import APIError
from opswire.chassis.testing.waiting import until_told
from opswire.cli.testing import CommandLine, Result
from opswire.contracts.message_parked import MessageParked
from opswire.contracts.progress_reported import ProgressReported
from opswire.contracts.request_finished import RequestFinished
from opswire.contracts.routes import FACTS, MESSAGE_PARKED, PROGRESS_REPORTED, REQUEST_FINISHED, REQUEST_SUBMITTED

WAIT_S = 20


def finish_of(request_id: str, status: str = "completed", **more: Any) -> dict[str, Any]:
    """A finish as the services write it."""
    return {
        "request_id": request_id,
        "status": status,
        "answer": {"summary": "Two hosts.", "columns": ["name", "cpu"], "rows": [["web-01", 3], ["web-02", 4]]},
        "timings": {"total": 12.5, "intent": 2.0, "assets": 3.0, "executor": 5.5, "bus": 2.0},
    } | more


@asynccontextmanager
async def stand_in(client: Client, **more: Any) -> AsyncIterator[list[Msg]]:
    """Stands for the four services: one finish for each request that is submitted while it runs."""
    jetstream = client.jetstream()
    seen: list[Msg] = []

    async def answer(message: Msg) -> None:
        seen.append(message)
        variables = REQUEST_SUBMITTED.variables(message.subject)
        progress = ProgressReported(
            request_id=variables["request_id"], service="intent", doing="reading [bold]", at_ns=time.time_ns()
        )
        await client.publish(PROGRESS_REPORTED.subject(**variables), progress.to_bytes())
        body = json.dumps(finish_of(variables["request_id"], **more)).encode()
        RequestFinished.from_bytes(body)
        with suppress(APIError):  # it is there already: the first finish stands
            await jetstream.publish(REQUEST_FINISHED.subject(**variables), body)

    subscription = await jetstream.subscribe(
        REQUEST_SUBMITTED.wildcard,
        stream=FACTS,
        cb=answer,
        config=ConsumerConfig(deliver_policy=DeliverPolicy.NEW),
    )
    try:
        yield seen
    finally:
        await subscription.unsubscribe()


async def run(opswire: CommandLine, *arguments: str, stdin: str | None = None) -> Result:
    """Run the command beside this loop."""
    return await asyncio.to_thread(opswire.run, *arguments, stdin=stdin, timeout_s=WAIT_S)


async def test_ask_prints_the_outcome_as_json(opswire: CommandLine, client: Client) -> None:
    async with stand_in(client) as seen:
        result = await run(opswire, "ask", "list hosts", "--as", "dana", "--deadline", "5s", "--id", "ask-1", "--json")
    assert result.status == 0, result.err
    assert result.json["status"] == "completed"
    assert result.json["source"] == "cli"
    assert result.json["answer"]["rows"] == [["web-01", 3], ["web-02", 4]]
    assert result.json["elapsed_ms"] > 0
    assert not result.json["repeated"]
    sent = json.loads(seen[0].data)
    assert sent == {
        "request_id": "ask-1",
        "text": "list hosts",
        "requester": {"id": "dana", "kind": "human"},
        "deadline_ms": 5000,
    }
    headers = seen[0].headers or {}
    assert headers["ce-specversion"] == "1.0"
    assert headers["ce-id"] == "ask-1"
    assert headers["ce-type"] == "opswire.request_submitted.v1"
    assert len(headers["traceparent"]) == 55
    assert "Opswire-Fresh" not in headers


async def test_a_wish_for_fresh_results_travels_in_the_headers(opswire: CommandLine, client: Client) -> None:
    async with stand_in(client) as seen:
        result = await run(opswire, "ask", "list hosts", "--fresh", "--id", "ask-fresh")
    assert result.status == 0, result.err
    assert (seen[0].headers or {})["Opswire-Fresh"] == "1"


async def test_ask_prints_sentence_table_times_and_what_next(opswire: CommandLine, client: Client) -> None:
    intent = {"name": "asset.list", "confidence": 0.93, "entities": [], "risk": "LOW", "source": "local"}
    async with stand_in(client, intent=intent):
        result = await run(opswire, "ask", "list hosts", "--id", "ask-2")
    assert result.status == 0, result.err
    assert "completed  Two hosts." in result.out
    assert "web-02  " in result.out
    assert "asset.list 0.93 by local, risk LOW" in result.out
    assert "12.5 ms inside (intent 2.0 · assets 3.0 · executor 5.5 · waiting 2.0)" in result.out
    assert "opswire trace ask-2" in result.out


async def test_ask_again_under_the_same_id_gets_the_same_answer(opswire: CommandLine, client: Client) -> None:
    async with stand_in(client):
        first = await run(opswire, "ask", "list hosts", "--as", "dana", "--id", "again", "--json")
    second = await run(opswire, "ask", "list hosts", "--as", "dana", "--id", "again", "--json")
    other = await run(opswire, "ask", "list services", "--as", "dana", "--id", "again", "--json")
    assert first.json["answer"] == second.json["answer"]
    assert (first.json["repeated"], second.json["repeated"]) == (False, True)
    assert other.status == 1
    assert other.json["error"]["code"] == "id_conflict"


async def test_an_outcome_other_than_completed_has_its_own_status(opswire: CommandLine, client: Client) -> None:
    candidates = [{"kind": "asset", "value": "web-01", "label": "host in production", "confidence": 0.6}]
    async with stand_in(client, status="needs_clarification", reason="ambiguous", candidates=candidates):
        result = await run(opswire, "ask", "restart web", "--id", "unclear")
    assert result.status == 5
    assert "needs_clarification (ambiguous)" in result.out
    assert "asset web-01 60% host in production" in result.out


async def test_a_message_that_the_stream_refused_is_not_taken_for_the_outcome(
    opswire: CommandLine, client: Client
) -> None:
    """Core NATS shows a message to its subscribers although the stream refuses it; `ask` must not see it."""
    variables = {"source": "cli", "request_id": "forged"}
    subject = REQUEST_FINISHED.subject(**variables)
    asking = ("ask", "list hosts", "--id", "forged", "--json", "--deadline", "9s")
    process = await asyncio.to_thread(opswire.start, *asking)
    await until_told(lambda: stored(client, REQUEST_SUBMITTED.subject(**variables)))
    refused = json.dumps(finish_of("forged", status="failed")).encode()
    with pytest.raises(APIError):
        await client.jetstream().publish(subject, refused, headers={"Nats-Expected-Last-Sequence": "999999"})
    await client.jetstream().publish(subject, json.dumps(finish_of("forged")).encode())
    out, _ = await asyncio.to_thread(process.communicate, None, WAIT_S)
    assert json.loads(out)["status"] == "completed"


async def stored(client: Client, subject: str) -> bool:
    """Whether the facts stream holds this subject."""
    answer = await client.request(f"$JS.API.DIRECT.GET.{FACTS}.{subject}", b"", timeout=5)
    return (answer.headers or {}).get("Status") != "404"


async def test_publish_wraps_a_bare_payload(opswire: CommandLine, client: Client, tmp_path: Path) -> None:
    payload = {"version": "4", "status": "firing", "alerts": []}
    file = tmp_path / "alert.json"
    file.write_text(json.dumps(payload))
    async with stand_in(client) as seen:
        result = await run(
            opswire,
            "publish",
            str(file),
            "--source",
            "pager",
            "--format",
            "alertmanager.v4",
            "--id",
            "a1",
            "--as",
            "am",
        )
    assert result.status == 0, result.err
    assert "opswire trace pager/a1" in result.out
    assert seen[0].subject == "opswire.v1.pager.a1.submitted"
    body = json.loads(seen[0].data)
    assert body["event"] == {"format": "alertmanager.v4", "payload": payload}
    assert body["requester"] == {"id": "am", "kind": "service"}


async def test_publish_sends_a_request_byte_for_byte(opswire: CommandLine, client: Client) -> None:
    body = '{ "request_id":"whole", "text":"hi", "requester":{"id":"x","kind":"service"}, "later_field": 1 }'
    result = await run(opswire, "publish", "-", "--no-wait", "--json", stdin=body)
    assert result.status == 0, result.err
    assert result.json == {"source": "cli", "request_id": "whole", "accepted": True, "repeated": False}
    message = await client.jetstream().get_last_msg(FACTS, "opswire.v1.cli.whole.submitted")
    assert message.data == body.encode()


async def test_publish_refuses_what_is_no_request_and_raw_publishes_it(opswire: CommandLine, client: Client) -> None:
    refused = await run(opswire, "publish", "-", "--id", "raw", stdin="{broken")
    assert refused.status == 2
    assert "--raw" in refused.err
    assert not await stored(client, "opswire.v1.cli.raw.submitted")
    sent = await run(opswire, "publish", "-", "--id", "raw", "--raw", "--no-wait", stdin="{broken")
    assert sent.status == 0, sent.err
    assert (await client.jetstream().get_last_msg(FACTS, "opswire.v1.cli.raw.submitted")).data == b"{broken"


async def test_show_lists_the_facts_in_order(opswire: CommandLine, client: Client) -> None:
    async with stand_in(client):
        await run(opswire, "ask", "list hosts", "--as", "dana", "--id", "shown")
    for_people = await run(opswire, "show", "shown")
    for_programs = await run(opswire, "show", "cli/shown", "--json")
    assert for_people.out.index("submitted") < for_people.out.index("finished")
    assert "dana: list hosts" in for_people.out
    assert "completed: Two hosts." in for_people.out
    facts = for_programs.json["facts"]
    assert [fact["fact"] for fact in facts] == ["submitted", "finished"]
    assert facts[0]["after_ms"] == 0 < facts[1]["after_ms"]
    assert facts[0]["body"]["text"] == "list hosts"


async def test_what_does_not_exist_is_said_plainly(opswire: CommandLine, client: Client) -> None:
    shown = await run(opswire, "show", "pager/nothing")
    assert (shown.status, shown.out) == (4, "")
    assert "error: there is no request pager/nothing" in shown.err
    parked = await run(opswire, "parked", "show", "nothing", "--json")
    assert parked.status == 4
    assert parked.json["error"]["code"] == "not_found"
    wrong = await run(opswire, "ask", "x", "--deadline", "soon")
    assert wrong.status == 2
    assert "such as 30s" in wrong.err


async def test_a_broker_that_is_not_there_is_said_plainly(opswire: CommandLine) -> None:
    opswire.environment["OPSWIRE_NATS_URL"] = "nats://127.0.0.1:1"
    result = await run(opswire, "ask", "list hosts")
    assert result.status == 3
    assert "no broker answers at 127.0.0.1:1" in result.err
    assert "OPSWIRE_NATS_URL" in result.err

    assert "Traceback" not in result.err
    del opswire.environment["OPSWIRE_NATS_URL"]
    result = await run(opswire, "ask", "list hosts", "--json")
    assert result.status == 3
    assert result.json["error"]["advice"] == "opswire up"


async def test_a_password_in_the_brokers_url_is_not_printed(opswire: CommandLine) -> None:
    for url, status in (("nats://user:secret@127.0.0.1:1", 3), ("nats://user:sec/ret@127.0.0.1:1", 2)):
        opswire.environment["OPSWIRE_NATS_URL"] = url
        for arguments in (("ask", "list hosts"), ("provision", "--json")):
            result = await run(opswire, *arguments)
            assert result.status == status, result.err
            said = result.out + result.err
            assert not any(word in said for word in ("sec", "ret@", "user", "Traceback")), said


async def park(client: Client, parked_id: str, subject: str, body: bytes, stream: str = FACTS) -> None:
    """Park a message as a service would."""
    record = MessageParked(
        parked_id=parked_id,
        service="intent",
        stream=stream,
        stream_sequence=7,
        consumer="intent-request-submitted",
        subject=subject,
        code="malformed",
        detail="not JSON \x1b[31m",
        delivery_attempts=1,
        headers={"traceparent": "00-x", "Nats-Rollup": "all"},
        body_base64=base64.b64encode(body).decode(),
        parked_ns=time.time_ns(),
    )
    await client.jetstream().publish(MESSAGE_PARKED.subject(service="intent", parked_id=parked_id), record.to_bytes())


async def test_parked_messages_are_listed_shown_and_driven_again(opswire: CommandLine, client: Client) -> None:
    body = {"request_id": "stuck", "text": "list hosts", "requester": {"id": "dana", "kind": "human"}, "future": True}
    await client.jetstream().publish("opswire.v1.pager.stuck.submitted", json.dumps(body).encode())
    # What was parked is a later message of the request: the request itself is driven again.
    await park(client, "p-later", "opswire.v1.pager.stuck.intent", b"\x00broken\x1b]0;x\x07")

    listed = await run(opswire, "parked", "list")
    assert "p-later" in listed.out
    shown = await run(opswire, "parked", "show", "p-lat")
    assert "\x1b" not in shown.out
    assert "malformed: not JSON \\x1b[31m" in shown.out
    assert "\\x00broken" in shown.out

    again = await run(opswire, "parked", "redrive", "p-later", "--json")
    assert again.status == 0, again.err
    assert (again.json["request_id"], again.json["in_reply_to"]) == ("stuck-r1", "stuck")
    message = await client.jetstream().get_last_msg(FACTS, "opswire.v1.pager.stuck-r1.submitted")
    assert json.loads(message.data or b"") == body | {"request_id": "stuck-r1", "in_reply_to": "stuck"}
    once_more = await run(opswire, "parked", "redrive", "p-later", "--json")
    assert once_more.json["request_id"] == "stuck-r2"
    found = {
        one["parked_id"]: one["redriven_as"] for one in (await run(opswire, "parked", "list", "--json")).json["parked"]
    }
    assert found["p-later"] == "stuck-r1"


async def test_bytes_that_cannot_be_read_need_a_file(opswire: CommandLine, client: Client, tmp_path: Path) -> None:
    await client.jetstream().publish("opswire.v1.pager.bytes.submitted", b"{broken")
    await park(client, "p-bytes", "opswire.v1.pager.bytes.submitted", b"{broken")
    refused = await run(opswire, "parked", "redrive", "p-bytes")
    assert refused.status == 2
    assert "--file" in refused.err
    file = tmp_path / "fixed.json"
    file.write_text(json.dumps({"request_id": "any", "text": "list", "requester": {"id": "x", "kind": "human"}}))
    fixed = await run(opswire, "parked", "redrive", "p-bytes", "--file", str(file), "--json")
    assert fixed.status == 0, fixed.err
    assert fixed.json["request_id"] == "bytes-r1"


async def test_a_parked_change_goes_out_on_its_own_subject_without_the_brokers_orders(
    opswire: CommandLine, client: Client
) -> None:
    subject = "opswire.changes.v1.asset.a1"
    await park(client, "p-change", subject, b'{"asset_id":"a1"}', stream="OPSWIRE_CHANGES")
    again = await run(opswire, "parked", "redrive", "p-change", "--json")
    assert again.status == 0, again.err
    message = await client.jetstream().get_last_msg("OPSWIRE_CHANGES", subject)
    assert message.data == b'{"asset_id":"a1"}'
    assert "Nats-Rollup" not in (message.headers or {})
    assert (message.headers or {})["traceparent"] == "00-x"


async def test_provision_is_safe_to_repeat(opswire: CommandLine, client: Client) -> None:
    result = await run(opswire, "provision", "--json")
    assert result.status == 0, result.err
    assert (result.json["created"], result.json["updated"]) == ([], [])
    assert "stream OPSWIRE_FACTS" in result.json["unchanged"]


async def test_doctor_looks_at_the_broker_of_another_machine(opswire: CommandLine, client: Client) -> None:
    async def findings() -> list[tuple[str, str]]:
        found = (await run(opswire, "doctor", "--json")).json["findings"]
        return [(one["check"], one["verdict"]) for one in found]

    assert client.is_connected, "its fixture made the streams"
    assert [one for one in await findings() if one[0] == "streams"] == [("streams", "ok")]
    opswire.environment["OPSWIRE_NATS_URL"] = "nats://127.0.0.1:1"
    away = await findings()
    assert away.count(("broker", "wrong")) == 1
    assert "streams" not in dict(away)
