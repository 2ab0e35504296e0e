"""`opswire keys broker` and `opswire up --secured`: keys for each role, and a broker that lets nobody else in."""

from __future__ import annotations

import asyncio
import json
import signal
from collections.abc import Iterator
from pathlib import Path

import nats
import pytest
from nats.errors import Error as NatsError
from opswire.chassis.broker_keys import ACCOUNTS_FILE, accounts_text, connect_options, members_of, seed_in, write_keys
from opswire.chassis.embedded.nats_server import NatsServer
from opswire.chassis.nkey import new_seed, public_of
from opswire.chassis.testing.waiting import wait_until
from opswire.cli.state import StateDir
from opswire.cli.testing import CommandLine

SERVICES = ("intent", "assets", "executor", "cache")


def test_every_role_gets_a_seed_of_its_own_that_nobody_else_reads(tmp_path: Path) -> None:
    opswire, folder = CommandLine(tmp_path / "state", {}), tmp_path / "keys"
    made = opswire.run("keys", "broker", str(folder), "--upstream", "chat", "--json")
    assert made.status == 0, made.err
    roles = {role["name"]: role for role in made.json["roles"]}
    assert set(roles) == {*SERVICES, "administrator", "operator", "upstream-chat"}
    accounts = (folder / ACCOUNTS_FILE).read_text()
    for role in roles.values():
        path = Path(role["seed_file"])
        assert path.stat().st_mode & 0o777 == 0o600
        assert public_of(path.read_text().strip()) == role["public"]
        assert role["public"] in accounts
        assert path.read_text().strip() not in accounts
    assert folder.stat().st_mode & 0o777 == 0o700


def test_what_is_there_stays_when_one_more_is_named(tmp_path: Path) -> None:
    opswire, folder, dana = CommandLine(tmp_path / "state", {}), tmp_path / "keys", public_of(new_seed())
    first = opswire.run("keys", "broker", str(folder), "--upstream", "chat", "--json").json["roles"]
    second = opswire.run("keys", "broker", str(folder), "--person", f"dana={dana}", "--json").json["roles"]
    assert [role for role in second if role["name"] != "person-dana"] == first
    assert second[-1] == {"name": "person-dana", "public": dana, "seed_file": None}
    assert len({role["public"] for role in second}) == len(second)


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("--upstream", "Chat!"), "is no source"),
        (("--upstream", "warmer"), "how a service of ours asks"),
        (("--person", "dana"), "is no NAME=KEY"),
        (("--person", "dana=UABC"), "public key"),
        (("--person", f"{{={'U' * 56}"), "is no name"),
    ],
)
def test_what_is_no_name_or_key_is_refused_before_a_file_is_written(
    tmp_path: Path, arguments: tuple[str, ...], said: str
) -> None:
    opswire, folder = CommandLine(tmp_path / "state", {}), tmp_path / "keys"
    refused = opswire.run("keys", "broker", str(folder), *arguments)
    assert refused.status != 0
    assert said in refused.err
    assert list(folder.glob("*")) == []


def test_one_key_is_one_role(tmp_path: Path) -> None:
    members = write_keys(tmp_path / "keys", ["chat"])
    with pytest.raises(ValueError, match="same key"):
        members_of({}, {"chat": members[0].public}, {"dana": members[0].public})


def test_a_file_that_holds_no_seed_is_named_and_never_quoted(tmp_path: Path) -> None:
    path = tmp_path / "broken.seed"
    path.write_text("SUSECRETWITHATYPO")
    with pytest.raises(ValueError, match=str(path)) as told:
        connect_options(path)
    assert "SECRET" not in str(told.value)
    opswire = CommandLine(
        tmp_path / "state", {"OPSWIRE_NATS_URL": "nats://127.0.0.1:1", "OPSWIRE_NATS_SEED_FILE": str(path)}
    )
    refused = opswire.run("parked", "list")
    assert refused.status == 2
    assert "OPSWIRE_NATS_SEED_FILE" in refused.err
    assert "SECRET" not in refused.err


async def lets_in(server: NatsServer, seed_file: Path) -> bool:
    """Whether a key opens it now."""

    async def quiet(_: Exception) -> None:
        """A refusal is an answer here."""

    try:
        client = await nats.connect(
            server.url, allow_reconnect=False, error_cb=quiet, nkeys_seed_str=seed_in(seed_file)
        )
    except (NatsError, OSError):  # it hangs up, at times before its word is read
        return False
    await client.close()
    return True


def test_a_key_that_is_taken_away_opens_nothing_after_a_reload(tmp_path: Path) -> None:
    folder = tmp_path / "keys"
    members = write_keys(folder, ["chat", "gone"])
    kept, gone = folder / "upstream-chat.seed", folder / "upstream-gone.seed"
    with NatsServer(tmp_path / "nats", sync_always=False, accounts=accounts_text(members)) as server:
        assert asyncio.run(lets_in(server, gone))
        roles = json.loads((folder / "roles.json").read_text())
        roles["upstreams"].remove("gone")
        (folder / "roles.json").write_text(json.dumps(roles))
        before = server.accounts
        write_keys(folder)
        configuration = tmp_path / "nats" / "nats.conf"
        configuration.write_text(configuration.read_text().replace(before, (folder / ACCOUNTS_FILE).read_text()))
        server.process.send_signal(signal.SIGHUP)
        wait_until(lambda: not asyncio.run(lets_in(server, gone)), lambda: "it still opens the broker")
        assert asyncio.run(lets_in(server, kept))


@pytest.fixture(scope="module")
def secured(tmp_path_factory: pytest.TempPathFactory) -> Iterator[CommandLine]:
    """A system that asks for keys, started behind, with one upstream."""
    opswire = CommandLine(tmp_path_factory.mktemp("secured") / "state", {})
    assert opswire.run("keys", "broker", "--upstream", "chat").status == 0
    started = opswire.run("up", "--detach", "--secured", "--json", timeout_s=150)
    try:
        assert started.status == 0, started.err + started.out
        yield opswire
    finally:
        opswire.run("down", timeout_s=60)


def with_key(opswire: CommandLine, role: str) -> CommandLine:
    """The same with the key of a role named."""
    seed_file = StateDir(opswire.state_dir).seed(role)
    return CommandLine(opswire.state_dir, {"OPSWIRE_NATS_SEED_FILE": str(seed_file)})


def test_the_owner_of_the_state_directory_goes_on_as_before(secured: CommandLine) -> None:
    assert secured.run("doctor", "--json").status == 0
    asked = secured.run("ask", "what can you do?", "--json")
    assert (asked.status, asked.json["status"]) == (0, "completed"), asked.err
    assert secured.run("show", asked.json["request_id"]).status == 0
    for words in (("parked", "list"), ("approvals", "list"), ("mode", "show"), ("audit", "list")):
        done = secured.run(*words)
        assert done.status == 0, f"{words}: {done.err}"
    log = (secured.state_dir / "logs" / "nats.log").read_text()
    assert [line for line in log.splitlines() if "Violation" in line] == []


def test_an_upstreams_key_asks_as_that_upstream_alone(secured: CommandLine) -> None:
    chat = with_key(secured, "upstream-chat")
    asked = chat.run("ask", "what can you do?", "--source", "chat", "--json")
    assert (asked.status, asked.json["status"]) == (0, "completed"), asked.err
    other = chat.run("ask", "what can you do?", "--source", "other", "--deadline", "1s")
    assert other.status != 0
    assert "this key may not" in other.err
    assert chat.run("parked", "list").status != 0


def test_a_services_key_submits_nothing(secured: CommandLine) -> None:
    refused = with_key(secured, "intent").run("ask", "what can you do?", "--source", "chat")
    assert refused.status != 0
    assert "this key may not publish" in refused.err


def test_without_a_key_the_broker_is_shut(secured: CommandLine, tmp_path: Path) -> None:
    record = StateDir(secured.state_dir).read_run()
    assert record is not None
    stranger = CommandLine(tmp_path / "elsewhere", {"OPSWIRE_NATS_URL": record.urls["nats"]})
    refused = stranger.run("ask", "what can you do?")
    assert refused.status != 0
    assert "asks for a key" in refused.err
