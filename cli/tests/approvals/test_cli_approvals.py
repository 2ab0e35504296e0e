"""`approvals` on a real broker. What the command signs is judged by the executor's own rules."""

from __future__ import annotations

import asyncio
import json
import os
import pty
import subprocess
import sys
import time
from pathlib import Path

import pytest
from approval_scene import MINUTE_NS, TARGET, Signer, ask_people, people, round_of, settled, signer, step, store
from nats.aio.client import Client
from opswire.cli.approvals import Asked
from opswire.cli.bus import connected
from opswire.cli.submission import no_outcome
from opswire.cli.testing import CommandLine, Result
from opswire.cli.views.approvals import left
from opswire.contracts.approval_decided import ApprovalDecided
from opswire.contracts.approval_requested import ApprovalRequested
from opswire.contracts.approval_requested.v1 import Asker
from opswire.contracts.plan_made import PlanMade
from opswire.contracts.routes import APPROVAL_DECIDED
from opswire.contracts.types import RequesterKind


@pytest.fixture
def dana(tmp_path: Path) -> Signer:
    return signer(tmp_path, "dana")


async def run(opswire: CommandLine, *arguments: str) -> Result:
    return await asyncio.to_thread(opswire.run, *arguments)


def signing(who: Signer, asked: ApprovalRequested, *more: str) -> list[str]:
    digest = Asked("cli", asked, asked.plan.digest).seen
    return ["--key", str(who.file), "--yes", "--digest", digest, "--wait", "0", *more]


async def decide(client: Client, asked: ApprovalRequested, outcome: str) -> None:
    subject = APPROVAL_DECIDED.subject(source="cli", request_id=asked.request_id, round=str(asked.round))
    body = {"request_id": asked.request_id, "round": asked.round, "outcome": outcome, "decided_ns": time.time_ns()}
    decision = ApprovalDecided.model_validate(body | {"plan_digest": asked.plan.digest, "people": ["dana"]})
    await store(client, subject, decision)


async def test_what_is_approved_counts(opswire: CommandLine, client: Client, dana: Signer) -> None:
    asked = round_of("approve-1")
    sequence = await ask_people(client, asked)
    result = await run(opswire, "approvals", "approve", "approve-1", *signing(dana, asked), "--json")
    assert result.status == 0, result.err
    assert result.json["given"]["approver"] == dana.public
    assert result.json["decided"] is None
    assert (await settled(client, asked, sequence, people(dana))).outcome == "granted"
    again = await run(opswire, "approvals", "approve", "approve-1", *signing(dana, asked), "--note", "twice")
    assert again.status == 0, again.err
    other = await run(opswire, "approvals", "deny", "approve-1", *signing(dana, asked))
    assert other.status == 1
    assert "approved it already" in other.err


async def test_show_tells_an_approval_in_a_line(opswire: CommandLine, client: Client, dana: Signer) -> None:
    asked = round_of("facts-1")
    await ask_people(client, asked)
    await run(opswire, "approvals", "approve", "facts-1", *signing(dana, asked), "--note", "go ahead")
    await decide(client, asked, "granted")
    shown = await run(opswire, "show", "facts-1")
    assert shown.status == 0, shown.err
    assert "1 of the role operator until " in shown.out
    assert "does not count, nobody holds this key: approve: go ahead" in " ".join(shown.out.split())
    assert "granted by dana" in shown.out


async def test_show_names_whose_words_count_and_why_others_do_not(
    opswire: CommandLine, client: Client, dana: Signer
) -> None:
    write_people(opswire, dana)
    others, own = round_of("whose-1"), round_of("whose-2", requester=Asker(id="dana", kind=RequesterKind.HUMAN))
    for asked in (others, own):
        await ask_people(client, asked)
        await run(opswire, "approvals", "approve", asked.request_id, *signing(dana, asked))
    assert "approve (signed by dana)" in (await run(opswire, "show", "whose-1")).out
    shown = await run(opswire, "show", "whose-2")
    assert "does not count, dana asked for it: approve" in " ".join(shown.out.split())


async def test_whoever_waits_for_an_outcome_hears_that_people_are_waited_for(
    opswire: CommandLine, client: Client
) -> None:
    await ask_people(client, round_of("patience-1"))
    async with connected(opswire.environment["OPSWIRE_NATS_URL"]) as bus:
        waiting = await no_outcome(bus, "cli", "patience-1")
        lost = await no_outcome(bus, "cli", "patience-2")
    assert "patience-1 waits for approval: 0 of 1 of the role operator" in str(waiting)
    assert "opswire approvals show patience-1" in waiting.advice
    assert "patience-2 was accepted and has no outcome yet" in str(lost)


@pytest.mark.parametrize(
    ("seconds", "told"), [(-1, "over"), (0, "over"), (59, "59 s"), (61, "1 min 1 s"), (3_600, "1 h 0 min")]
)
def test_how_long_is_left(seconds: int, told: str) -> None:
    assert left(seconds * 1_000_000_000, 0) == told


def write_people(opswire: CommandLine, dana: Signer) -> None:
    """The people file of the state directory, with dana as its one operator."""
    opswire.state_dir.mkdir(exist_ok=True)
    person = {"name": "dana", "roles": ["operator"], "keys": [{"public": dana.public}]}
    (opswire.state_dir / "people.yaml").write_text(json.dumps({"people": [person]}), encoding="utf-8")


async def test_what_is_denied_counts(opswire: CommandLine, client: Client, dana: Signer) -> None:
    asked = round_of("deny-1")
    sequence = await ask_people(client, asked)
    await decide(client, round_of("unrelated"), "denied")
    result = await run(opswire, "approvals", "deny", "deny-1", *signing(dana, asked), "--note", "not today")
    assert result.status == 0, result.err
    told = "Your no is signed and stored, and does not count by the people.yaml read here: nobody holds this key."
    assert told in result.out
    assert (await settled(client, asked, sequence, people(dana))).outcome == "denied"


async def test_whoever_asked_is_told_at_once_that_their_word_does_not_count(
    opswire: CommandLine, client: Client, dana: Signer
) -> None:
    write_people(opswire, dana)
    own = round_of("own-1", requester=Asker(id="Dana@example.com", kind=RequesterKind.HUMAN))
    sequence = await ask_people(client, own)
    result = await run(opswire, "approvals", "approve", "own-1", *signing(dana, own))
    assert result.status == 0, result.err
    told = "Your yes is signed and stored, and does not count by the people.yaml read here: dana asked for it."
    assert told in result.out
    found = await settled(client, own, sequence, people(dana))
    assert [one.code for one in found.refused] == ["requester_is_approver"]
    others = round_of("own-2", people_needed=2)
    await ask_people(client, others)
    result = await run(opswire, "approvals", "approve", "own-2", *signing(dana, others), "--json")
    assert result.json["signature_of"]["person"] == "dana"


async def test_a_later_round_is_signed_for_itself(opswire: CommandLine, client: Client, dana: Signer) -> None:
    first = round_of("rounds-1")
    await ask_people(client, first)
    await decide(client, first, "void")
    moved = TARGET.model_copy(update={"address": "192.0.2.8"})
    second = round_of("rounds-1", round=2, nonce="d" * 32, targets=[moved])
    sequence = await ask_people(client, second)
    result = await run(opswire, "approvals", "approve", "rounds-1", *signing(dana, second))
    assert result.status == 0, result.err
    assert (await settled(client, second, sequence, people(dana))).outcome == "granted"
    assert (await settled(client, first, 1, people(dana))).outcome == "waiting"


async def test_list_shows_what_waits_the_first_to_expire_first(opswire: CommandLine, client: Client) -> None:
    now_ns = time.time_ns()
    late = round_of("list-late", expires_ns=now_ns + 50 * MINUTE_NS)
    soon = round_of("list-soon", expires_ns=now_ns + 5 * MINUTE_NS)
    over = round_of("list-over", expires_ns=now_ns - 1)
    gone = round_of("list-gone")
    for asked in (late, soon, over, gone):
        await ask_people(client, asked)
    await ask_people(
        client, round_of("list-other", requester=Asker(id="\u202eeve", kind=RequesterKind.SERVICE)), "pager"
    )
    await decide(client, gone, "granted")
    found = await run(opswire, "approvals", "list", "--json")
    keys = [one["request_id"] for one in found.json["approvals"] if one["request_id"].startswith("list-")]
    assert keys == ["list-soon", "list-late", "list-other"]
    everything = await run(opswire, "approvals", "list", "--all", "--json")
    states = {one["request_id"]: one["state"] for one in everything.json["approvals"]}
    assert (states["list-over"], states["list-gone"]) == ("expired", "granted")
    table = await run(opswire, "approvals", "list")
    assert "pager/list-other" in table.out
    assert "\u202e" not in table.out
    assert "U+202E" in table.out


async def test_show_leaves_nothing_out(opswire: CommandLine, client: Client) -> None:
    steps = [step(number, arguments={"unit": f"unit-{number}"}) for number in range(1, 201)]
    text = "restart it\nstep 1 of 1: harmless.read  read, risk LOW\n\x1b[2J"
    steps[149] = step(
        150, tool="file.write", arguments={"path": "/etc/p\u0430sswd", "lines": ["a", "b\u200b"], "mode": 420}
    )
    await ask_people(client, round_of("show-1", steps, text=text))
    result = await run(opswire, "approvals", "show", "show-1")
    assert result.status == 0, result.err
    for number in range(1, 201):
        assert f"step {number} of 200: " in result.out
    assert "/etc/p\u0430‹U+0430 CYRILLIC SMALL LETTER A›sswd" in result.out
    assert "lines[2] = b‹U+200B ZERO WIDTH SPACE›" in result.out
    assert "mode = 420" in result.out
    assert "step 150: U+0430" in result.out
    assert "checked by: service.status" in result.out
    assert "undone by: nothing that is known" in result.out
    assert "| step 1 of 1: harmless.read" in result.out
    assert "\nstep 1 of 1" not in result.out
    assert "\x1b" not in result.out
    assert "192.0.2.7, generation 3" in result.out
    document = (await run(opswire, "approvals", "show", "show-1", "--json")).json
    assert document["digest"] == document["plan"]["digest"]
    assert document["odd_characters"]["step 150"] == ["U+0430 CYRILLIC SMALL LETTER A", "U+200B ZERO WIDTH SPACE"]


async def test_a_plan_that_is_not_its_digest_is_not_shown_for_signing(
    opswire: CommandLine, client: Client, dana: Signer
) -> None:
    honest = round_of("forged-1")
    forged = honest.plan.model_copy(update={"steps": [step(arguments={"unit": "sshd"})]})
    await ask_people(client, honest.model_copy(update={"plan": PlanMade.model_validate(forged.model_dump())}))
    result = await run(opswire, "approvals", "approve", "forged-1", *signing(dana, honest), "--json")
    assert result.status == 1
    assert result.json["error"]["code"] == "plan_differs"


@pytest.mark.parametrize(
    ("more", "told"),
    [
        ([], "say what you have read"),
        (["--yes"], "say what you have read"),
        (["--digest", "0" * 64], "say what you have read"),
        (["--yes", "--digest", "0" * 64], "the plan of consent-1 is not"),
        (["--yes", "--digest", ""], "the plan of consent-1 is not"),
        (["--yes", "--digest", "abc"], "the plan of consent-1 is not"),
    ],
)
async def test_without_a_terminal_nobody_signs_what_they_have_not_named(
    opswire: CommandLine, client: Client, dana: Signer, more: list[str], told: str
) -> None:
    asked = round_of("consent-1", nonce="e" * 32, asked_ns=1, expires_ns=2**62, deadline_ns=2**62)
    await client.request("opswire.v1.cli.consent-1.approval.1.requested", asked.to_bytes())
    result = await run(opswire, "approvals", "approve", "consent-1", "--key", str(dana.file), *more)
    assert result.status == 2
    assert told in result.err
    assert (await settled(client, asked, 0, people(dana))).outcome == "waiting"


@pytest.mark.parametrize("ending", ["expired", "granted", "void"])
async def test_what_is_over_is_not_signed(opswire: CommandLine, client: Client, dana: Signer, ending: str) -> None:
    expires_ns = time.time_ns() - 1 if ending == "expired" else time.time_ns() + MINUTE_NS
    asked = round_of(f"over-{ending}", expires_ns=expires_ns)
    sequence = await ask_people(client, asked)
    if ending != "expired":
        await decide(client, asked, ending)
    result = await run(opswire, "approvals", "approve", f"over-{ending}", *signing(dana, asked))
    assert result.status == 1
    assert f"is {ending}: nobody is asked" in result.err
    assert (await settled(client, asked, sequence, people(dana))).people == ()


async def test_the_decision_is_waited_for_and_told(opswire: CommandLine, client: Client, dana: Signer) -> None:
    asked = round_of("wait-1")
    await ask_people(client, asked)
    given = await client.subscribe("opswire.v1.cli.wait-1.approval.1.given.>")
    waiting = asyncio.create_task(run(opswire, "approvals", "approve", "wait-1", *signing(dana, asked), "--wait", "60"))
    await given.next_msg(timeout=60)
    await decide(client, asked, "granted")
    result = await waiting
    assert result.status == 0, result.err
    assert "Approved. The plan is granted by dana." in result.out


async def test_unknown_requests_and_requests_that_ask_nobody(opswire: CommandLine, client: Client) -> None:
    result = await run(opswire, "approvals", "show", "nothing-here")
    assert result.status == 4
    assert "nobody is asked about nothing-here" in result.err


async def test_watch_tells_what_waits_and_what_comes(opswire: CommandLine, client: Client) -> None:
    await ask_people(client, round_of("watch-1"))
    process = await asyncio.to_thread(opswire.start, "approvals", "watch", "--json")
    assert process.stdout is not None
    seen: list[str] = []
    try:
        while "watch-1" not in seen:
            seen.append(json.loads(await asyncio.to_thread(process.stdout.readline))["request_id"])
        await ask_people(client, round_of("watch-2"), "pager")
        while "watch-2" not in seen:
            seen.append(json.loads(await asyncio.to_thread(process.stdout.readline))["request_id"])
    finally:
        process.terminate()
        await asyncio.to_thread(process.communicate)
    assert seen.count("watch-1") == 1


def on_a_terminal(opswire: CommandLine, answer: str, *arguments: str) -> tuple[int, str]:
    """The command on a terminal of its own, with one line typed."""
    ours, its = pty.openpty()
    command = [sys.executable, "-m", "opswire.cli", *arguments]
    process = subprocess.Popen(command, stdin=its, stdout=its, stderr=its, env=opswire.environment | {"TERM": "dumb"})
    os.close(its)
    os.write(ours, f"{answer}\n".encode())
    said = b""
    while True:
        try:
            part = os.read(ours, 65_536)
        except OSError:
            break  # Linux says so when the other side is gone
        if not part:
            break
        said += part
    os.close(ours)
    return process.wait(timeout=60), said.decode(errors="replace")


async def test_on_a_terminal_the_plan_is_shown_and_asked_about(
    opswire: CommandLine, client: Client, dana: Signer
) -> None:
    asked = round_of("terminal-1")
    sequence = await ask_people(client, asked)
    arguments = ("approvals", "approve", "terminal-1", "--key", str(dana.file), "--wait", "0")
    status, said = await asyncio.to_thread(on_a_terminal, opswire, "n", *arguments)
    assert status == 1
    assert "step 1 of 1: service.restart" in said
    assert "nothing is signed" in said
    assert (await settled(client, asked, sequence, people(dana))).outcome == "waiting"
    status, said = await asyncio.to_thread(on_a_terminal, opswire, "y", *arguments)
    assert status == 0, said
    assert "Your yes is signed and stored" in said
    assert (await settled(client, asked, sequence, people(dana))).outcome == "granted"
