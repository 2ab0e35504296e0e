"""The four services behind a broker that asks everybody for a key: the same outcomes, and attacks that end there."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
import yaml
from nats.aio.client import Client
from nats.errors import NoRespondersError
from opswire.chassis.broker_keys import connect_options
from opswire.chassis.nkey import new_seed, public_of
from opswire.chassis.testing.system import SERVICES, System
from opswire.chassis.testing.upstream import Upstream
from opswire.chassis.testing.waiting import until_told
from opswire.cli.approvals import decide, decided, read_asked, read_waiting
from opswire.cli.bus import Bus, connected
from opswire.cli.errors import CommandError
from opswire.lab import Lab, start

PERSON = "sam"
SOURCES = ("chat", "evil")


@dataclass(frozen=True, slots=True)
class Scene:
    """The running system and lab, and the seed of Sam's key, which signs and connects."""

    system: System
    lab: Lab
    seed: str
    seed_file: Path


@pytest.fixture(scope="module")
def scene(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Scene]:
    """One system and one lab for all of it."""
    directory, seed = tmp_path_factory.mktemp("secured"), new_seed()
    seed_file = directory / "sam.seed"
    seed_file.touch(0o600)
    seed_file.write_text(seed)
    people = directory / "people.yaml"
    entry = {"name": PERSON, "roles": ["operator"], "keys": [{"public": public_of(seed)}]}
    people.write_text(yaml.safe_dump({"people": [entry]}))
    settings = {
        "OPSWIRE_PEOPLE_FILE": str(people),
        "OPSWIRE_ALLOW_LOOPBACK": "true",
        "OPSWIRE_SWEEP_INTERVAL_S": "0.5",
    }
    lab = start(directory)
    try:
        with System(directory, settings, upstreams=SOURCES, people={PERSON: public_of(seed)}) as system:
            system.import_inventory(lab.inventory_path.read_text())
            yield Scene(system, lab, seed, seed_file)
    finally:
        lab.down()


@pytest_asyncio.fixture
async def chat(scene: Scene) -> AsyncIterator[Upstream]:
    """An upstream with its key."""
    async with Upstream(scene.system.nats.url, "chat", scene.system.seed("upstream-chat")) as upstream:
        yield upstream


@pytest_asyncio.fixture
async def evil(scene: Scene) -> AsyncIterator[Client]:
    """Another upstream's connection, with its key."""
    async with Upstream(scene.system.nats.url, "evil", scene.system.seed("upstream-evil")) as upstream:
        yield upstream.client


@pytest_asyncio.fixture
async def sam(scene: Scene) -> AsyncIterator[Bus]:
    """A person's connection, with the key that signs."""
    async with connected(scene.system.nats.url, scene.seed_file) as bus:
        yield bus


@pytest_asyncio.fixture
async def operator(scene: Scene) -> AsyncIterator[Bus]:
    """Who may read all."""
    async with connected(scene.system.nats.url, scene.system.seed("operator")) as bus:
        yield bus


async def names(operator: Bus, request_id: str) -> set[str]:
    """Which facts stand of a request of the chat's."""
    return {
        fact.subject.removeprefix(f"opswire.v1.chat.{request_id}.") for fact in await operator.facts("chat", request_id)
    }


def refused_at_the_broker(system: System) -> list[str]:
    """What the broker wrote about publishes and subscriptions that it refused."""
    return [line for line in system.nats.log_path.read_text().splitlines() if "Violation" in line]


async def test_a_question_ends_as_without_keys(chat: Upstream) -> None:
    outcome = await chat.ask("is checkout running on web-01?")
    assert outcome["status"] == "completed"
    assert "running" in outcome["answer"]["summary"]


async def test_a_change_is_asked_for_approved_run_and_told_with_three_keys(
    scene: Scene, chat: Upstream, sam: Bus, operator: Bus
) -> None:
    request_id = await chat.submit("restart checkout on web-02", requester={"id": "dana", "kind": "human"})
    requested = f"opswire.v1.chat.{request_id}.approval.1.requested"
    async with sam.following("OPSWIRE_FACTS", requested) as feed:
        assert json.loads((await feed.next_msg(timeout=30)).data)["request_id"] == request_id
    asked = await read_asked(sam, "chat", request_id)
    assert [each.request.request_id for each in await read_waiting(sam)] == [request_id]
    await decide(sam, asked, scene.seed, "approve", "")
    said = await decided(sam, asked, 30)
    assert said is not None
    assert said.outcome == "granted"
    outcome = await chat.outcome(request_id, 60)
    assert (outcome["status"], outcome.get("reason")) == ("completed", None)
    assert {"step.1.claimed", "step.1.outcome", "finished"} <= await names(operator, request_id)


async def test_services_ask_the_broker_for_nothing_that_they_may_not(scene: Scene, chat: Upstream) -> None:
    """Whatever was done before in this module, and a restart of every service."""
    assert (await chat.ask("what can you do?"))["status"] == "completed"
    for name in SERVICES:
        assert scene.system.stop(name) == 0
        scene.system.launch(name)
    scene.system.wait_ready(*SERVICES)
    assert (await chat.ask("which hosts are in production?"))["status"] == "completed"
    assert [line for line in refused_at_the_broker(scene.system) if "opswire-" in line] == []


def forged(request_id: str) -> dict[str, dict[str, Any]]:
    """Facts that somebody else would gain by, by the end of their subject."""
    return {
        "finished": {"request_id": request_id, "status": "completed", "answer": {"summary": "all is well"}},
        "intent": {"request_id": request_id},
        "context": {"request_id": request_id},
        "plan": {"request_id": request_id},
        "approval.1.requested": {"request_id": request_id},
        "approval.1.decided": {"request_id": request_id, "outcome": "granted"},
        "step.1.claimed": {"request_id": request_id},
        "step.1.outcome": {"request_id": request_id, "status": "succeeded"},
        "cancel": {"request_id": request_id},
    }


async def test_an_upstream_forges_no_fact_of_anothers_request(
    scene: Scene, chat: Upstream, evil: Client, operator: Bus
) -> None:
    """Tried while the request is open: by publishing, and by having the broker answer onto the subject."""
    scene.system.pause("assets")
    try:
        request_id = await chat.submit("is checkout running on web-01?", deadline_ms=60_000)
        await chat_intent(operator, request_id)
        for place, (fact, body) in enumerate(forged(request_id).items()):
            victim, mine = f"opswire.v1.chat.{request_id}.{fact}", f"opswire.v1.evil.{request_id}-{place}.submitted"
            await evil.publish(victim, json.dumps(body).encode())
            await evil.publish(mine, json.dumps(body).encode(), reply=victim)
            await evil.flush()
            get = f"$JS.API.DIRECT.GET.OPSWIRE_FACTS.{mine}"
            await evil.publish(get, b"", reply=victim)
            await evil.request(get, b"", timeout=5)  # handled after it
        assert await names(operator, request_id) == {"submitted", "intent"}
    finally:
        scene.system.resume("assets")
    outcome = await chat.outcome(request_id, 60)
    assert (outcome["status"], "running" in outcome["answer"]["summary"]) == ("completed", True)


async def chat_intent(operator: Bus, request_id: str) -> None:
    """Wait until the request is understood."""

    async def is_understood() -> bool:
        return "intent" in await names(operator, request_id)

    await until_told(is_understood)


@pytest.mark.parametrize(
    ("stream", "subject"),
    [
        ("OPSWIRE_CHANGES", "opswire.changes.v1.invalidated"),
        ("OPSWIRE_CHANGES", "opswire.changes.v1.mode"),
        ("OPSWIRE_CHANGES", "opswire.changes.v1.asset.forged"),
        ("OPSWIRE_CHANGES", "opswire.changes.v1.holder.forged"),
        ("OPSWIRE_LOCKS", "opswire.locks.v1.asset.forged"),
        ("OPSWIRE_AUDIT", "opswire.audit.v1.records"),
        ("OPSWIRE_PARKED", "opswire.parked.v1.intent.forged"),
    ],
)
async def test_an_upstream_writes_into_no_other_stream(evil: Client, operator: Bus, stream: str, subject: str) -> None:
    body = b'{"forged": "%b"}' % subject.encode()
    mine = f"opswire.v1.evil.{subject.replace('.', '-')}.submitted"
    with pytest.raises(NoRespondersError):
        await evil.request(subject, body, timeout=10)
    await evil.publish(mine, body, reply=subject)
    await evil.publish(f"$JS.API.DIRECT.GET.OPSWIRE_FACTS.{mine}", b"", reply=subject)
    await evil.request(f"$JS.API.DIRECT.GET.OPSWIRE_FACTS.{mine}", b"", timeout=5)
    standing = await operator.last(stream, subject)
    assert standing is None or standing.body != body  # the trail may tell of the subject by now


async def test_a_message_id_taken_by_somebody_else_still_costs_no_outcome(chat: Upstream, evil: Client) -> None:
    """Permissions do not cover headers: what holds here is that our services read back what stands."""
    victim = "victim-of-an-id"
    taken = {"Nats-Msg-Id": f"opswire.v1.chat.{victim}.finished"}
    await evil.request("opswire.v1.evil.thief.submitted", b"{}", timeout=5, headers=taken)
    assert (await chat.ask("what can you do?", request_id=victim))["status"] == "completed"


async def test_a_person_says_no_word_with_anothers_key(scene: Scene, chat: Upstream, sam: Bus) -> None:
    request_id = await chat.submit("restart storefront on web-02", requester={"id": "dana", "kind": "human"})
    async with sam.following("OPSWIRE_FACTS", f"opswire.v1.chat.{request_id}.approval.1.requested") as feed:
        await feed.next_msg(timeout=30)
    asked = await read_asked(sam, "chat", request_id)
    other = public_of(new_seed())
    with pytest.raises(NoRespondersError):
        await sam.client.request(f"opswire.v1.chat.{request_id}.approval.1.given.{other}", b"{}", timeout=10)
    await decide(sam, asked, scene.seed, "deny", "")
    outcome = await chat.outcome(request_id, 60)
    assert outcome["status"] == "rejected"


async def test_without_a_key_nobody_is_let_in(scene: Scene, tmp_path: Path) -> None:
    with pytest.raises(CommandError, match="asks for a key"):
        async with connected(scene.system.nats.url):
            pass
    strange = tmp_path / "strange.seed"
    strange.write_text(new_seed())
    with pytest.raises(CommandError, match="refuses this key"):
        async with connected(scene.system.nats.url, strange):
            pass
    assert connect_options(None) == {}
