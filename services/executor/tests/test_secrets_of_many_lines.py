"""A private key that a tool's output holds is gone as a whole, although each of its lines is a record of its own."""

from __future__ import annotations

import asyncssh
import pytest
from opswire.chassis.redaction import REDACTED, Redactor
from opswire.executor.adapters.redacted import redacted
from opswire.executor.adapters.tools import Drivers
from opswire.executor.errors import CommandFailedError
from opswire.executor.rules.packaged import packaged_catalogue
from opswire.executor.rules.private_keys import without_keys
from opswire.executor.rules.tools import ToolCall, ToolResult
from tool_scene import run

KEY = asyncssh.generate_private_key("ssh-rsa").export_private_key().decode()
BODY = KEY.splitlines()[1:-1]
FILE = f"name: shop\ntls_key: |\n{KEY}workers: 4\n"


def leaks(told: object) -> list[str]:
    return [line for line in BODY if line in repr(told)]


def call_with(heard: list[str] | None = None) -> ToolCall:
    on_output = heard.append if heard is not None else None
    return ToolCall(step=None, context=None, on_output=on_output)  # type: ignore[arg-type]


async def test_a_file_with_a_key_shows_all_but_the_key(ssh_host, drivers: Drivers) -> None:
    path = ssh_host.root / "opt" / "shop.yaml"
    path.parent.mkdir()
    path.write_text(FILE)
    for name, arguments in (("ssh.file_read", {}), ("ssh.log_tail", {"lines": 100})):
        found = await run(drivers, packaged_catalogue(), name, ssh_host.asset(), path="/opt/shop.yaml", **arguments)
        lines = [record["line"] for record in found.records]
        assert leaks(found) == []
        assert (lines[:2], lines[-1]) == (["name: shop", "tls_key: |"], "workers: 4")
        assert REDACTED in lines


async def test_a_log_that_shows_only_the_end_of_a_key_shows_none_of_it(ssh_host, drivers: Drivers) -> None:
    path = ssh_host.root / "opt" / "shop.log"
    path.parent.mkdir()
    path.write_text(FILE)
    found = await run(drivers, packaged_catalogue(), "ssh.log_tail", ssh_host.asset(), path="/opt/shop.log", lines=6)
    assert leaks(found) == []
    assert found.records[-1]["line"] == "workers: 4"


@pytest.mark.parametrize("size", [1, 7, 64, 1_000, 100_000])
async def test_a_key_that_is_printed_in_pieces_is_never_passed_on(size: int) -> None:
    heard: list[str] = []

    async def printing(call: ToolCall) -> ToolResult:
        assert call.on_output is not None
        for begin in range(0, len(FILE), size):
            call.on_output(FILE[begin : begin + size])
        return ToolResult(tuple({"line": line} for line in FILE.splitlines()))

    found = await redacted(printing)(call_with(heard))
    assert leaks(heard) + leaks("".join(heard)) + leaks(found) == []
    assert "".join(heard).startswith("name: shop\n")
    assert "".join(heard).endswith("workers: 4\n")


@pytest.mark.parametrize("before", [16_380, 16_384, 20_000, 32_760])
async def test_a_secret_in_a_line_without_end_is_never_passed_on(before: int) -> None:
    by = Redactor()
    by.register("canary-value-of-a-secret")
    text = "x" * before + "canary-value-of-a-secret" + "y" * 40_000
    heard: list[str] = []

    async def printing(call: ToolCall) -> ToolResult:
        assert call.on_output is not None
        for begin in range(0, len(text), before + 10):
            call.on_output(text[begin : begin + before + 10])
        return ToolResult(())

    await redacted(printing, by)(call_with(heard))
    assert "canary-value" not in "".join(heard)
    assert "of-a-secret" not in "".join(heard)
    assert "".join(heard) == "x" * before + REDACTED + "y" * 40_000


def test_the_end_of_a_key_alone_is_seen_and_nothing_else_is_taken_for_one() -> None:
    end = KEY.splitlines()[-4:]
    assert without_keys(["before", *end, "after"]) == ["before", REDACTED, REDACTED, REDACTED, REDACTED, "after"]
    digest = "0123456789abcdef" * 4
    for lines in ([digest, digest], [digest, "", "-----END CERTIFICATE-----"], ["done", "ok"], [digest] * 600):
        assert without_keys(lines) == lines
    spoken_of = ["put it below -----BEGIN PRIVATE KEY-----", *["text"] * 300]
    assert without_keys(spoken_of)[-40:] == ["text"] * 40


async def test_a_command_that_fails_does_not_quote_a_key(ssh_host, drivers: Drivers) -> None:
    (ssh_host.root / "key").write_text(KEY)
    (ssh_host.root / "fail.sh").write_text("tail -n 3 key; exit 1\n")
    with pytest.raises(CommandFailedError) as caught:
        await run(drivers, packaged_catalogue(), "command.run", ssh_host.asset(), argv=["sh", "fail.sh"])
    assert leaks(str(caught.value)) == []
    assert REDACTED in str(caught.value)
