"""Secrets: references become values in the executor alone, errors hold none, and no text that leaves holds one."""

from __future__ import annotations

import asyncio
import base64
import json
from collections.abc import AsyncIterator
from pathlib import Path
from urllib.parse import quote

import asyncssh
import pytest
from opswire.chassis.redaction import REDACTED, Redactor
from opswire.chassis.testing.secret_store import SecretStoreServer
from opswire.contracts.request_finished import Answer
from opswire.executor.adapters.credentials import client_key
from opswire.executor.adapters.redacted import LINE_CHARACTERS_MAX, redacted
from opswire.executor.adapters.secrets import (
    EnvironmentSecrets,
    FileSecrets,
    Secrets,
    VaultSecrets,
    secrets_of,
)
from opswire.executor.adapters.settings import VaultSettings
from opswire.executor.errors import CredentialUnusableError, ToolError
from opswire.executor.rules.tools import Judgement, Tool, ToolCall, ToolResult, Verdict
from opswire.executor.settings import ExecutorSettings
from pydantic import SecretStr

CANARY = 'canary-"7f3\\e/ü+0'
TOKEN = "store-token-0001"


@pytest.fixture
def own() -> Redactor:
    return Redactor()


@pytest.fixture
async def store() -> AsyncIterator[SecretStoreServer]:
    async with SecretStoreServer(TOKEN, {"kv/db/main": {"password": CANARY, "port": 5432, "empty": ""}}) as server:
        yield server


@pytest.fixture
async def secrets(own: Redactor, store: SecretStoreServer, tmp_path: Path) -> AsyncIterator[Secrets]:
    vault = VaultSecrets(VaultSettings(store.url, SecretStr(TOKEN), namespace="team"), own)
    yield Secrets({"env": EnvironmentSecrets(), "file": FileSecrets(tmp_path / "state"), "vault": vault}, own)
    await vault.close()


async def test_each_kind_of_reference_is_resolved_and_kept_out_of_text(
    secrets: Secrets, own: Redactor, store: SecretStoreServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OPSWIRE_SECRET_DB", "canary-of-env")
    (tmp_path / "state" / "db").mkdir(parents=True)
    (tmp_path / "state" / "db" / "password").write_text("canary-of-file\n")
    found = [
        await secrets.resolve(one) for one in ("env:OPSWIRE_SECRET_DB", "file:db/password", "vault:kv/db/main#password")
    ]
    assert [one.get_secret_value() for one in found] == ["canary-of-env", "canary-of-file", CANARY]
    assert store.namespaces == ["team"]
    for value in ("canary-of-env", "canary-of-file", CANARY, TOKEN):
        assert own.text(f"<{value}>") == f"<{REDACTED}>"
    assert "canary" not in repr(found)


async def test_a_value_is_asked_for_once_by_many_and_again_when_it_is_old(
    secrets: Secrets, store: SecretStoreServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    await asyncio.gather(*(secrets.resolve("vault:kv/db/main#password") for _ in range(20)))
    assert store.asked == ["kv/db/main"]
    monkeypatch.setattr("opswire.executor.adapters.secrets.KEPT_S", -1.0)
    secrets._kept.clear()
    store.secrets["kv/db/main"]["password"] = "rotated-canary"
    await secrets.resolve("vault:kv/db/main#password")
    assert (await secrets.resolve("vault:kv/db/main#password")).get_secret_value() == "rotated-canary"
    assert len(store.asked) == 3


REFUSED = [
    "",
    "plain-value",
    "ftp:somewhere",
    "env:HOME",
    "env:OPSWIRE_HTTP_TOKEN",
    "env:OPSWIRE_SECRET_",
    "env:OPSWIRE_SECRET_MISSING",
    "env:OPSWIRE_SECRET_SHORT",
    "env:OPSWIRE_SECRET_DB\n",
    "file:",
    "file:../outside",
    "file:/etc/passwd",
    "file:link",
    "file:folder",
    "file:missing",
    "file:binary",
    "file:large",
    "vault:kv/db/main",
    "vault:kv/db/../../sys/health#password",
    "vault:kv/db/main#missing",
    "vault:kv/db/main#port",
    "vault:kv/db/main#empty",
    "vault:kv/db/other#password",
    "vault:kv/db/main?version=1#password",
    "vault:http://127.0.0.1/x#y",
    "vault:" + "a" * 2_000,
]


@pytest.mark.parametrize("reference", REFUSED, ids=[repr(one[:40]) for one in REFUSED])
async def test_a_reference_that_is_none_or_leads_nowhere_is_refused_without_a_value(
    secrets: Secrets, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, reference: str
) -> None:
    monkeypatch.setenv("OPSWIRE_SECRET_SHORT", "canary")
    monkeypatch.setenv("OPSWIRE_SECRET_DB", "canary-of-env")
    state = tmp_path / "state"
    (state / "folder").mkdir(parents=True)
    (tmp_path / "outside").write_text("canary-outside")
    (state / "link").symlink_to(tmp_path / "outside")
    (state / "binary").write_bytes(b"canary\xff\xfe")
    (state / "large").write_bytes(b"canary" * 20_000)
    with pytest.raises(CredentialUnusableError) as caught:
        await secrets.resolve(reference)
    assert "canary" not in str(caught.value)
    assert caught.value.__cause__ is None


@pytest.mark.parametrize("mode", ["huge", "redirect", "broken", "403", "500", "503"])
async def test_a_store_that_answers_badly_is_told_without_what_it_said(
    secrets: Secrets, store: SecretStoreServer, mode: str
) -> None:
    store.mode = mode
    with pytest.raises(CredentialUnusableError, match="secret store") as caught:
        await secrets.resolve("vault:kv/db/main#password")
    assert "canary" not in str(caught.value)
    store.mode = ""
    assert (await secrets.resolve("vault:kv/db/main#password")).get_secret_value() == CANARY


async def test_a_store_that_is_away_silent_or_lacks_our_token_is_told(
    own: Redactor, store: SecretStoreServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("opswire.executor.adapters.secrets.TIMEOUT_S", 0.2)
    silent = await asyncio.start_server(lambda reader, writer: asyncio.Event().wait(), "127.0.0.1", 0)
    port = silent.sockets[0].getsockname()[1]
    (tmp_path / "token").write_text(f"{TOKEN}\n")
    cases = [
        (VaultSettings("http://127.0.0.1:1", SecretStr(TOKEN)), "does not answer"),
        (VaultSettings(f"http://127.0.0.1:{port}", SecretStr(TOKEN)), "does not answer"),
        (VaultSettings(store.url), "OPSWIRE_VAULT_TOKEN"),
        (VaultSettings(store.url, SecretStr("wrong-token")), "HTTP 403"),
        (VaultSettings(store.url, SecretStr("short")), "too short"),
    ]
    for settings, sentence in cases:
        vault = VaultSecrets(settings, own)
        with pytest.raises(CredentialUnusableError, match=sentence):
            await vault.read("kv/db/main#password")
        await vault.close()
    by_file = VaultSecrets(VaultSettings(store.url, token_file=tmp_path / "token"), own)
    assert await by_file.read("kv/db/main#password") == CANARY
    await by_file.close()
    silent.close()


async def test_the_settings_decide_which_references_there_are(store: SecretStoreServer, tmp_path: Path) -> None:
    with_store = ExecutorSettings(state_dir=tmp_path, vault_url=store.url, vault_token=SecretStr(TOKEN))
    secrets = secrets_of(with_store.drivers().credentials_dir, with_store.vault())
    assert (await secrets.resolve("vault:kv/db/main#password")).get_secret_value() == CANARY
    await secrets.close()
    without = secrets_of(tmp_path, ExecutorSettings(state_dir=tmp_path).vault())
    with pytest.raises(CredentialUnusableError, match=r"one of env:\.\.\., file:\.\.\.$"):
        await without.resolve("vault:kv/db/main#password")
    assert TOKEN not in repr(with_store)


def call() -> ToolCall:
    return ToolCall(step=None, context=None)  # type: ignore[arg-type]


async def test_nothing_that_a_tool_gives_back_holds_a_secret(own: Redactor) -> None:
    own.register(CANARY)
    encoded = base64.b64encode(f"user:{CANARY}".encode()).decode()
    leaks = {"raw": CANARY, "json": json.dumps({"a": CANARY}), "url": quote(CANARY), "basic": encoded, "password": "x1"}
    printed: list[str] = []

    async def leaky(one: ToolCall) -> ToolResult:
        assert one.on_output is not None
        one.on_output(f"first\nhalf {CANARY[:5]}")
        one.on_output(f"{CANARY[5:]} rest\nlast {CANARY}")
        return ToolResult((leaks, {"count": 3, "none": None}), CANARY, Verdict(Judgement.PASS, f"saw {CANARY}"))

    from dataclasses import replace

    found = await redacted(leaky, own)(replace(call(), on_output=printed.append))
    assert "canary" not in repr(found)
    assert CANARY[8:] not in repr(found)
    assert found.records[0]["password"] == REDACTED
    assert found.records[1] == {"count": 3, "none": None}
    assert "".join(printed) == f"first\nhalf {REDACTED} rest\nlast {REDACTED}"


async def test_nor_does_what_a_tool_fails_with(own: Redactor) -> None:
    own.register(CANARY)

    async def failing(_: ToolCall) -> ToolResult:
        raise ToolError(f"login with {CANARY} refused", Answer(summary=CANARY, columns=["a"], rows=[[CANARY]]))

    run: Tool = redacted(failing, own)
    with pytest.raises(ToolError) as caught:
        await run(call())
    assert str(caught.value) == f"login with {REDACTED} refused"
    assert caught.value.answer is not None
    assert "canary" not in caught.value.answer.model_dump_json()


async def test_output_without_line_breaks_is_passed_on_in_pieces(own: Redactor) -> None:
    printed: list[str] = []

    async def endless(one: ToolCall) -> ToolResult:
        assert one.on_output is not None
        for _ in range(4):
            one.on_output("x" * LINE_CHARACTERS_MAX)
        assert printed
        return ToolResult(())

    from dataclasses import replace

    await redacted(endless, own)(replace(call(), on_output=printed.append))
    assert len("".join(printed)) == 4 * LINE_CHARACTERS_MAX


@pytest.mark.parametrize("form", ["openssh", "pkcs8-pem", "pkcs8-der"])
def test_a_private_key_is_kept_out_of_text_in_every_form_that_is_read(
    form: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, own: Redactor, make_asset
) -> None:
    monkeypatch.setattr("opswire.executor.adapters.credentials.redactor", own)
    content = asyncssh.generate_private_key("ssh-ed25519").export_private_key(form)
    (tmp_path / "key").write_bytes(content)
    client_key(make_asset("web-01", attributes={"credential": "file:key"}), tmp_path)
    shown = base64.b64encode(content).decode() if form.endswith("der") else content.decode()
    lines = [line for line in shown.splitlines() if not line.startswith("-----")]
    for line in [shown, *(line for line in lines if len(line) >= 16)]:
        assert line.strip() not in own.known(f"it printed {line} and more")
    assert REDACTED in own.known(json.dumps({"stdout": shown}))


def test_what_is_no_key_is_kept_out_of_text_all_the_same(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, own: Redactor, make_asset
) -> None:
    monkeypatch.setattr("opswire.executor.adapters.credentials.redactor", own)
    (tmp_path / "key").write_text("canary-of-a-file-that-is-no-key\n")
    with pytest.raises(CredentialUnusableError) as raised:
        client_key(make_asset("web-01", attributes={"credential": "file:key"}), tmp_path)
    assert "canary" not in str(raised.value)
    assert "canary" not in own.known("cat: canary-of-a-file-that-is-no-key")
