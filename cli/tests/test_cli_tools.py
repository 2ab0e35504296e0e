"""`opswire tools`: what the catalogue holds, what is wrong with a file, what a tool would send."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest
from opswire.cli.main import app
from typer.testing import CliRunner

TEAM = """
catalogue: 1
owner: shop
tools:
  - name: shop.carts
    does: How many carts are open.
    driver: {name: ssh.command, argv: [carts, --shop, "{shop}"]}
    effect: read
    risk: LOW
    parameters:
      shop: {type: text, enum: [north, south], describes: which shop}
    caching: {ttl_s: 0, reason: the question is how it is now}
    timeout_ms: 5000
    intents: [status.check]
"""


def run(*arguments: str) -> tuple[int, str]:
    done = CliRunner().invoke(app, ["tools", *arguments])
    return done.exit_code, done.output


def asked(*arguments: str) -> dict:
    status, output = run(*arguments, "--json")
    assert status == 0, output
    return json.loads(output)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "shop.yaml").write_text(TEAM)
    return tmp_path


def test_every_tool_is_listed_with_effect_and_risk(folder: Path) -> None:
    tools = {tool["name"]: tool for tool in asked("list", "--dir", str(folder))["tools"]}
    assert (tools["file.delete"]["effect"], tools["file.delete"]["risk"]) == ("destroy", "HIGH")
    assert tools["shop.carts"]["file"].endswith("shop.yaml")
    few = asked("list", "--intent", "service.scale", "--asset-type", "service")["tools"]
    assert [tool["name"] for tool in few] == ["service.scale", "service.verify_scale"]
    status, output = run("list", "--intent", "nothing")
    assert status == 2
    assert "there is no intent" in output


def test_one_tool_is_shown_whole() -> None:
    found = asked("show", "service.stop")
    assert found["reverse"]["tool"] == "service.start"
    status, output = run("show", "service.stop")
    assert status == 0
    assert "undone by   service.start(unit={unit}, manager={manager})" in output
    status, output = run("show", "nothing.here")
    assert (status, "holds no tool" in output) == (2, True)


def test_faults_of_a_file_are_named(folder: Path, tmp_path: Path) -> None:
    assert asked("check", str(folder / "shop.yaml")) == {"tools": 1, "faults": []}
    broken = tmp_path / "broken.yaml"
    broken.write_text(TEAM.replace("    effect: read\n", "").replace("[carts,", "[carts, '{other}',"))
    status, output = run("check", str(broken))
    assert status == 1
    assert "broken.yaml: shop.carts: effect: a tool without an effect is refused" in " ".join(output.split())
    status, output = run("check", str(tmp_path / "none.yaml"), "--json")
    assert (status, "cannot be read" in output) == (1, True)


def test_what_would_be_sent_is_said_and_nothing_is_sent(folder: Path) -> None:
    found = asked("try", "shop.carts", "shop=north", "--dry-run", "--dir", str(folder))
    assert found["sends"] == "on the host: carts --shop north"
    command = asked("try", "command.run", 'argv=["df", "-h; reboot"]', "--dry-run")
    assert command["sends"] == "on the host: df '-h; reboot'"
    write = asked("try", "file.write", "path=/etc/motd", "content=hello", "--dry-run")
    assert write["reverse"]["arguments"] == {"path": "/etc/motd", "backup": "REQUEST-1"}
    query = asked("try", "prometheus.target_up", 'job=a"b', "--dry-run")
    assert query["sends"] == 'up{job="a\\"b"}'
    pods = asked("try", "kubernetes.scale", "namespace=shop", "deployment=api", "replicas=3", "--dry-run")
    assert pods["sends"] == ("PATCH /apis/apps/v1/namespaces/shop/deployments/api with {'spec': {'replicas': 3}}")
    status, output = run("try", "windows.service_restart", "service=Spooler", "--dry-run")
    assert status == 0
    assert "& 'Restart-Service' -Name 'Spooler' -PassThru" in output
    assert "Nothing was run." in output


def test_what_an_mcp_server_offers_without_an_entry_is_named(tmp_path: Path) -> None:
    program = Path(__file__).parents[2] / "services" / "executor" / "tests" / "mcp_server.py"
    entry = TEAM.replace("shop.carts", "tickets.show").replace(
        "shop: {type: text, enum: [north, south],", "shop: {type: text,"
    )
    entry = entry.replace(
        '{name: ssh.command, argv: [carts, --shop, "{shop}"]}', "{name: mcp, server: tickets, tool: ticket}"
    )
    server = f"mcp_servers: {{tickets: {{command: {json.dumps([sys.executable, str(program)])}}}}}\n"
    (tmp_path / "tickets.yaml").write_text(entry.replace("tools:\n", server + "tools:\n"))
    found = asked("mcp", "tickets", "--dir", str(tmp_path))
    assert found["offered"] == ["close_ticket", "flood", "ticket"]
    assert found["undeclared"] == ["close_ticket", "flood"]
    status, output = run("mcp", "tickets", "--dir", str(tmp_path))
    assert (status, "3 offered, 2 without an entry" in output) == (0, True)
    assert run("mcp", "none")[0] == 2


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["service.restart", "unit=x", "manager=systemd"], "policy, approvals and the audit trail"),
        (["service.restart", "unit=$(reboot)", "manager=systemd", "--dry-run"], "bad_argument"),
        (["service.scale", "group=m", "replicas=three", "--dry-run"], "is a whole number"),
        (["service.restart", "unit", "--dry-run"], "is no NAME=VALUE"),
        (["command.run", "argv=df -h", "--dry-run"], "is a JSON list of texts"),
        (["file.delete", "path=/srv", "--dry-run"], "path_refused"),
    ],
)
def test_what_cannot_be_tried_is_said(arguments: list[str], said: str) -> None:
    status, output = run("try", *arguments)
    assert status == 2
    assert said in " ".join(output.split())


def test_a_file_that_is_no_text_is_named(tmp_path: Path) -> None:
    """Alone and among those of a folder."""
    file = tmp_path / "shop.yaml"
    file.write_bytes(b"catalogue: 1\nowner: caf\xe9\n")
    for arguments in ([str(file)], ["--dir", str(tmp_path)]):
        status, output = run("check", *arguments, "--json")
        assert (status, json.loads(output)["faults"]) == (1, [f"{file}: no UTF-8 text: byte 23"])


def test_one_tool_is_one_tool(tmp_path: Path) -> None:
    (tmp_path / "shop.yaml").write_text(TEAM)
    status, output = run("check", str(tmp_path / "shop.yaml"))
    assert (status, output.strip()) == (0, "The catalogue holds; 1 tool.")
