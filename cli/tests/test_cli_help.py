"""Help: every command has it, it is fast, and it loads nothing heavy."""

from __future__ import annotations

import subprocess
import sys

import pytest
from opswire.cli.main import app
from typer.main import get_command

COMMANDS = (
    "up",
    "down",
    "status",
    "provision",
    "ask",
    "publish",
    "show",
    "trace",
    "approvals list",
    "approvals show",
    "approvals approve",
    "approvals deny",
    "approvals watch",
    "policy show",
    "policy check",
    "policy explain",
    "tools list",
    "tools show",
    "tools check",
    "tools try",
    "tools mcp",
    "keys new",
    "mode show",
    "mode stop",
    "mode read-only",
    "mode normal",
    "cancel",
    "resolve",
    "assets import",
    "assets diff",
    "assets list",
    "assets show",
    "assets set",
    "assets rename",
    "assets delete",
    "cache stats",
    "cache keys",
    "cache invalidate",
    "cache changed",
    "cache warm",
    "cache canary",
    "parked list",
    "parked show",
    "parked redrive",
    "eval intents",
    "tokens",
    "inference show",
    "inference use",
    "inference providers",
    "inference check",
    "lab up",
    "lab down",
    "lab status",
    "doctor",
    "audit accept-loss",
    "audit export",
    "audit list",
    "audit show",
    "audit verify",
    "keys broker",
    "latency diff",
    "latency page",
    "latency serve",
    "latency slo",
)


def all_commands() -> dict[str, list[str]]:
    """Every command that can be run, and its options."""

    def walk(prefix: str, command: object) -> dict[str, list[str]]:
        inner = getattr(command, "commands", None)
        if inner is None:
            return {prefix: [name for parameter in command.params for name in parameter.opts]}  # type: ignore[attr-defined]
        found: dict[str, list[str]] = {}
        for name, child in inner.items():
            found |= walk(f"{prefix} {name}".strip(), child)
        return found

    return walk("", get_command(app))


def test_the_commands_are_these() -> None:
    assert sorted(all_commands()) == sorted(COMMANDS)


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_speaks_json_and_says_what_it_does(command: str) -> None:
    options = all_commands()[command]
    assert "--json" in options
    assert "--state-dir" in options


def test_help_works_and_imports_nothing_heavy() -> None:
    program = (
        "import sys\n"
        "from opswire.cli.main import app\n"
        "try:\n"
        "    app(['--help'])\n"
        "except SystemExit as end:\n"
        "    assert end.code == 0\n"
        "heavy = {'nats', 'pydantic', 'faststream', 'sqlalchemy', 'sklearn', 'asyncssh', 'opswire.chassis'}\n"
        "print('HEAVY', sorted(heavy & set(sys.modules)), file=sys.stderr)\n"
    )
    found = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=30, check=True)
    assert "An operations event comes in" in found.stdout
    assert "Exit statuses" in found.stdout
    assert "HEAVY []" in found.stderr


@pytest.mark.parametrize("command", COMMANDS)
def test_help_of_each_command(command: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as end:
        app([*command.split(), "--help"])
    assert end.value.code == 0
    assert "--json" in capsys.readouterr().out
