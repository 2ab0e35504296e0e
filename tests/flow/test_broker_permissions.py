"""Who may do what at the broker: every role tries every subject, at a real one; what is heard is what is allowed.

The tables here are written by hand from who owns what. They are not the code's own.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack
from pathlib import Path

import nats
import pytest
import pytest_asyncio
from guarded_broker import KEEPERS, ROLES, SERVICES, GuardedBroker
from nats.aio.client import Client
from nats.aio.msg import Msg
from nats.errors import Error as NatsError
from nats.errors import NoRespondersError
from opswire.chassis.nkey import new_seed
from opswire.contracts.routes import OUTPUTS, ROUTES

FACTS = "OPSWIRE_FACTS"
PERSON_ROLES = ("person-dana", "person-eve")
HOLDERS = {"assets", "cache", "executor", "intent"}
OPERATOR = {"operator"}
# By stem: who may write it under the source `chat` with the key of dana.
WRITERS: dict[str, set[str]] = {
    "request_submitted": {"upstream-chat", *KEEPERS},
    "intent_resolved": {"intent"},
    "context_resolved": {"assets"},
    "plan_made": {"executor"},
    "approval_requested": {"executor"},
    "approval_given": {"person-dana"} | OPERATOR,
    "approval_decided": {"executor"},
    "step_claimed": {"executor"},
    "step_finished": {"executor"},
    "cancellation_requested": {"upstream-chat"} | OPERATOR,
    "resolution_recorded": {"person-dana"} | OPERATOR,
    "request_finished": {"intent", "assets", "executor"},
    "progress_reported": {"intent", "assets", "executor"},
    "asset_changed": {"assets", *KEEPERS},
    "basis_changed": {"executor", "cache", *KEEPERS},
    "caches_invalidated": HOLDERS,
    "mode_changed": {*PERSON_ROLES} | OPERATOR,
    "lock_changed": {"executor"},
    "holder_changed": HOLDERS,
    "holder_reported": HOLDERS,
    "invalidation_acknowledged": {"cache"},
    "cache_statistics_reported": HOLDERS,
    "cache_keys_asked": {"cache"},
    "cache_keys_told": HOLDERS,
    "message_parked": HOLDERS,
    "audit_recorded": {"executor"},
    "deadlines_due": set(),  # the broker's own tick
}


@pytest.fixture(scope="module")
def broker(tmp_path_factory: pytest.TempPathFactory) -> Iterator[GuardedBroker]:
    """One broker with streams for all of it."""
    guarded = GuardedBroker(tmp_path_factory.mktemp("broker"))
    with guarded.server:
        asyncio.run(guarded.provision())
        yield guarded


@pytest_asyncio.fixture
async def evil(broker: GuardedBroker) -> AsyncIterator[Client]:
    """An upstream that means harm."""
    async with broker.client("upstream-evil") as client:
        yield client


def by_subject(found: dict[str, set[str]], subjects: list[str]) -> dict[str, set[str]]:
    """The roles that each subject was heard from."""
    return {subject: {role for role in ROLES if subject in found[role]} for subject in subjects}


async def test_only_its_owners_can_write_a_subject(broker: GuardedBroker) -> None:
    assert {route.stem for route in ROUTES} == set(WRITERS), "a new route needs a line in this table"
    given = {"source": "chat", "request_id": "r", "approver": broker.keys["dana"], "number": "1", "round": "1"}
    subjects: dict[str, str] = {}
    for route in ROUTES:
        names = [token[1:-1] for token in route.template.split(".") if token.startswith("{")]
        subjects[route.stem] = route.subject(**{name: given.get(name, "7") for name in names})
    found = await broker.taken(subjects.values(), "opswire.>")
    assert by_subject(found, list(subjects.values())) == {subjects[stem]: WRITERS[stem] for stem in subjects}


async def test_a_source_a_key_and_a_schedule_have_one_owner(broker: GuardedBroker) -> None:
    given = f"opswire.v1.chat.s.approval.1.given.{broker.keys['eve']}"
    wanted = {
        "opswire.v1.evil.s.submitted": {"upstream-evil", *KEEPERS},
        "opswire.v1.warmer.s.submitted": {"cache", *KEEPERS},
        "opswire.v1.canary.s.cancel": {"cache", *OPERATOR},
        given: {"person-eve"} | OPERATOR,
        "opswire.timers.v1.7.schedule": {"intent", "executor"},
        "opswire.v1.chat.s.submitted.more": set(),
        "opswire.v1.chat.s.unknown": set(),
        "opswire.elsewhere": set(),
    }
    assert by_subject(await broker.taken(wanted, "opswire.>"), list(wanted)) == wanted


async def test_nobody_deletes_or_purges_and_only_keepers_make_streams(broker: GuardedBroker) -> None:
    durable = "intent-request-submitted"
    keepers, readers = set(KEEPERS), {*SERVICES, *KEEPERS}
    wanted = {
        f"$JS.API.STREAM.CREATE.{FACTS}": keepers,
        f"$JS.API.STREAM.UPDATE.{FACTS}": keepers,
        "$JS.API.STREAM.CREATE.MINE": set(),
        f"$JS.API.CONSUMER.CREATE.{FACTS}.{durable}": keepers,
        f"$JS.API.CONSUMER.CREATE.{FACTS}.{durable}.opswire.v1.evil.*.submitted": keepers,
        f"$JS.API.CONSUMER.CREATE.{FACTS}.mine": readers,
        # Here the body would name the consumer, and could name another's.
        f"$JS.API.CONSUMER.CREATE.{FACTS}": set(),
        f"$JS.API.CONSUMER.DURABLE.CREATE.{FACTS}.{durable}": set(),
        f"$JS.API.CONSUMER.PAUSE.{FACTS}.{durable}": set(),
        "$JS.API.META.LEADER.STEPDOWN": set(),
        "$JS.API.ACCOUNT.PURGE.OPSWIRE": set(),
        f"$JS.API.STREAM.PURGE.OBJ_{OUTPUTS}": {"executor"},
        f"$JS.API.STREAM.DELETE.OBJ_{OUTPUTS}": set(),
        f"$JS.API.CONSUMER.CREATE.OBJ_{OUTPUTS}": keepers,
    }
    for stream in sorted({route.stream for route in ROUTES if route.stream.startswith("OPSWIRE_")}):
        wanted |= {f"$JS.API.STREAM.{what}.{stream}": set() for what in ("DELETE", "PURGE", "MSG.DELETE", "RESTORE")}
        wanted |= {
            f"$JS.API.CONSUMER.DELETE.{stream}.{consumer.durable}": set()
            for route in ROUTES
            for consumer in route.consumers
            if route.stream == stream
        }
    # What the broker takes it also carries out, so each is asked with a body that is no request.
    assert by_subject(await broker.taken(wanted, "$JS.API.>"), list(wanted)) == wanted


async def test_a_delivery_is_taken_and_settled_by_its_own_service_alone(broker: GuardedBroker) -> None:
    wanted: dict[str, set[str]] = {}
    for route in ROUTES:
        for consumer in route.consumers:
            place = f"{route.stream}.{consumer.durable}"
            wanted[f"$JS.ACK.{place}.1.1.1.1.0"] = {consumer.service}
            wanted[f"$JS.API.CONSUMER.MSG.NEXT.{place}"] = {consumer.service}
    found = await broker.taken(wanted, "$JS.>")
    assert by_subject(found, list(wanted)) == wanted


async def test_what_is_stored_is_read_by_those_it_concerns(broker: GuardedBroker) -> None:
    inside = {*SERVICES, *KEEPERS}
    get = "$JS.API.DIRECT.GET"
    wanted = {
        f"{get}.{FACTS}": inside | {*PERSON_ROLES},
        f"{get}.{FACTS}.opswire.v1.chat.r.finished": inside | {"upstream-chat"},
        f"{get}.{FACTS}.opswire.v1.evil.r.finished": inside | {"upstream-evil"},
        f"{get}.{FACTS}.opswire.v1.chat.r.plan": inside,
        f"{get}.{FACTS}.opswire.v1.chat.r.approval.1.requested": inside | {*PERSON_ROLES},
        f"{get}.OPSWIRE_CHANGES.opswire.changes.v1.mode": inside | {*PERSON_ROLES},
        f"{get}.OPSWIRE_LOCKS.opswire.locks.v1.asset.7": {"executor", *KEEPERS},
        f"{get}.OPSWIRE_AUDIT": {"executor", *KEEPERS},
        f"$JS.API.STREAM.MSG.GET.{FACTS}": inside,
        f"$JS.API.STREAM.INFO.{FACTS}": inside,
    }
    assert by_subject(await broker.taken(wanted, "$JS.API.>"), list(wanted)) == wanted


async def test_outcomes_are_heard_by_their_upstream_and_inboxes_by_their_owner(broker: GuardedBroker) -> None:
    heard: dict[str, set[str]] = {role: set() for role in ROLES}
    inbox = f"{broker.options('intent')['inbox_prefix']}.x"
    told = ["opswire.v1.chat.h.finished", "opswire.progress.v1.chat.h", "opswire.v1.chat.h.approval.1.requested", inbox]
    clients: list[Client] = []

    async def listen(role: str, client: Client) -> None:
        async def hear(message: Msg) -> None:
            heard[role].add(message.subject)

        for subject in (">", "opswire.>", "_INBOX.>", *told):
            await client.subscribe(subject, cb=hear)
        await client.flush()
        clients.append(client)

    async with AsyncExitStack() as stack:
        for role in ROLES:
            await listen(role, await stack.enter_async_context(broker.client(role)))
        witness = await stack.enter_async_context(broker.client("witness"))
        for subject in told:
            await witness.publish(subject, b"x")
        await witness.flush()
        for client in clients:
            await client.flush()
            for subscription in list(client._subs.values()):
                await subscription.drain()
    wanted = [
        {"upstream-chat", "operator"},
        {"upstream-chat", "operator"},
        {"executor", *PERSON_ROLES, "operator"},
        {"intent"},
    ]
    assert [{role for role in ROLES if subject in heard[role]} for subject in told] == wanted


async def test_a_request_of_its_own_is_acknowledged_and_read_back(broker: GuardedBroker, evil: Client) -> None:
    stored = await evil.request("opswire.v1.evil.own.submitted", b"{}", timeout=5)
    assert b'"seq"' in stored.data
    get = f"$JS.API.DIRECT.GET.{FACTS}.opswire.v1.evil.own.submitted"
    assert (await evil.request(get, b"", timeout=5, old_style=False)).data == b"{}"


FORGED = ("finished", "intent", "approval.1.decided", "step.1.claimed", "submitted")


@pytest.mark.parametrize("fact", FORGED)
async def test_the_brokers_answer_is_no_way_to_somebodys_subject(
    broker: GuardedBroker, evil: Client, fact: str
) -> None:
    """What the broker answers to goes back into the account that asked: it becomes nobody's fact."""
    name = fact.replace(".", "-")
    victim, mine = f"opswire.v1.chat.victim.{fact}", f"opswire.v1.evil.{name}.submitted"
    before = await broker.stored()
    await evil.publish(mine, b'{"status": "completed"}', reply=victim)
    await evil.flush()
    await evil.request(f"opswire.v1.evil.{name}-2.submitted", b"{}", timeout=5)  # handled after it
    get = f"$JS.API.DIRECT.GET.{FACTS}.{mine}"
    await evil.publish(get, b"", reply=victim)
    assert (await evil.request(get, b"", timeout=5, old_style=False)).data == b'{"status": "completed"}'
    with pytest.raises(NoRespondersError):
        await evil.request(victim, b"{}", timeout=10)
    assert await broker.stored() - before == {mine, f"opswire.v1.evil.{name}-2.submitted"}


async def test_a_person_gets_no_fact_answered_onto_another_subject(broker: GuardedBroker) -> None:
    own = f"opswire.v1.chat.person.approval.1.given.{broker.keys['dana']}"
    async with broker.client("person-dana") as dana:
        await dana.request(own, b'{"decision": "approve"}', timeout=5)
        before = await broker.stored()
        for forged in (f"opswire.v1.chat.person.approval.1.given.{broker.keys['eve']}", "opswire.v1.chat.person.plan"):
            await dana.publish(f"$JS.API.DIRECT.GET.{FACTS}", b'{"last_by_subj": "%b"}' % own.encode(), reply=forged)
            await dana.publish(f"$JS.API.DIRECT.GET.{FACTS}.{own}", b"", reply=forged)
        answer = await dana.request(f"$JS.API.DIRECT.GET.{FACTS}.{own}", b"", timeout=5, old_style=False)
        assert answer.data == b'{"decision": "approve"}'
    assert await broker.stored() == before


async def test_a_read_of_ones_own_cannot_be_turned_to_anothers(broker: GuardedBroker, evil: Client) -> None:
    async with broker.client("witness") as witness:
        await witness.request("opswire.v1.chat.secret.finished", b"for chat alone", timeout=5)
        await witness.request("opswire.v1.evil.secret.finished", b"for evil", timeout=5)
    own = f"$JS.API.DIRECT.GET.{FACTS}.opswire.v1.evil.secret.finished"
    asked = b'{"last_by_subj": "opswire.v1.chat.secret.finished"}'
    answer = await evil.request(own, asked, timeout=5, old_style=False)
    assert (answer.data, (answer.headers or {})["Status"]) == (b"", "408")
    for foreign in (f"$JS.API.DIRECT.GET.{FACTS}.opswire.v1.chat.secret.finished", f"$JS.API.DIRECT.GET.{FACTS}"):
        with pytest.raises(NoRespondersError):
            await evil.request(foreign, asked, timeout=5)


async def test_services_are_kept_apart_by_subject_but_not_by_the_brokers_answers(broker: GuardedBroker) -> None:
    """The limit that permissions.py tells of: one account, so a service that is taken over can forge another's fact."""
    async with broker.client("intent") as intent:
        await intent.publish("opswire.v1.chat.limit.plan", b"{}")
        await intent.publish("opswire.v1.chat.limit.intent", b"{}", reply="opswire.v1.chat.limit.step.1.claimed")
        await intent.request("opswire.v1.chat.limit-2.intent", b"{}", timeout=5)
    found = {subject for subject in await broker.stored() if ".limit." in subject}
    assert found == {"opswire.v1.chat.limit.intent", "opswire.v1.chat.limit.step.1.claimed"}


async def test_who_has_no_key_or_a_strange_one_is_not_let_in(broker: GuardedBroker, tmp_path: Path) -> None:
    async def quiet(_: Exception) -> None:
        """The refusal is what is asked for."""

    for options in ({}, {"nkeys_seed_str": new_seed()}):
        with pytest.raises((NatsError, OSError)):  # it hangs up, at times before its word is read
            await nats.connect(broker.server.url, allow_reconnect=False, error_cb=quiet, **options)


async def test_a_whole_output_is_kept_by_the_executor_and_read_by_those_who_may_read_all(broker: GuardedBroker) -> None:
    async with broker.client("executor") as executor:
        store = await executor.jetstream().object_store(OUTPUTS)
        for body in (b"first", b"second" * 100_000):
            await store.put("chat/r/1", body)
    for role in KEEPERS:
        async with broker.client(role) as keeper:
            found = await (await keeper.jetstream().object_store(OUTPUTS)).get("chat/r/1")
            assert found.data == b"second" * 100_000
    wanted: dict[str, set[str]] = {
        f"$O.{OUTPUTS}.M.7": {"executor"},
        f"$O.{OUTPUTS}.C.7": {"executor"},
    }
    assert by_subject(await broker.taken(wanted, "$O.>"), list(wanted)) == wanted
