"""The catalogue: strict files, clear faults, a schema in step, teams' own tools, and another one within a second."""

from __future__ import annotations

import asyncio
import json
import re
import sys
import types
from importlib.metadata import EntryPoint
from importlib.resources import files
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import tool_scene
import yaml
from opswire.chassis.testing.waiting import until
from opswire.contracts.taxonomy import INTENTS, Effect, IntentName
from opswire.executor.adapters import plugins
from opswire.executor.adapters.catalogue_files import LOOK_EVERY_S, CatalogueFiles
from opswire.executor.adapters.plugins import Plugin, installed_plugins
from opswire.executor.adapters.settings import DriverSettings
from opswire.executor.adapters.tools import Drivers
from opswire.executor.errors import BadArgumentError, BadCatalogueError
from opswire.executor.rules.catalogue import READS
from opswire.executor.rules.catalogue_reading import read_catalogue
from opswire.executor.rules.catalogue_schema import NAME, schema_text
from opswire.executor.rules.packaged import packaged_catalogue, packaged_texts
from opswire.executor.rules.tools import ToolCall, ToolResult

SAY = {"name": "ssh.command", "argv": ["echo", "{word}"]}
WORD = {"word": tool_scene.parameter()}


def faults_of(*tools: dict[str, Any], **more: Any) -> tuple[str, ...]:
    with pytest.raises(BadCatalogueError) as caught:
        read_catalogue({**packaged_texts(), "team.yaml": tool_scene.text(*tools, **more)})
    assert caught.value.code == "bad_catalogue"
    return caught.value.faults


def without(tool: dict[str, Any], name: str) -> dict[str, Any]:
    return {key: value for key, value in tool.items() if key != name}


GOOD = tool_scene.tool("team.say", SAY, parameters=WORD)
FAULTS: dict[str, tuple[dict[str, Any], str]] = {
    "no effect": (without(GOOD, "effect"), "team.yaml: team.say: effect: a tool without an effect is refused"),
    "no risk": (without(GOOD, "risk"), "team.yaml: team.say: risk: a tool without a risk is refused"),
    "unknown effect": (GOOD | {"effect": "harmless"}, "team.yaml: team.say: effect: Input should be"),
    "unknown field": (GOOD | {"root": True}, "team.yaml: team.say: root: is no field that is known here"),
    "text for a number": (
        GOOD | {"timeout_ms": "5000"},
        "team.yaml: team.say: timeout_ms: Input should be a valid int",
    ),
    "no time": (GOOD | {"timeout_ms": 5}, "team.yaml: team.say: timeout_ms: Input should be greater"),
    "no name": (without(GOOD, "name"), "team.yaml: tool 1: name: is missing"),
    "name": (GOOD | {"name": "Team Say"}, "team.yaml: Team Say: name: String should match"),
    "name of ours": (GOOD | {"name": "service.stop"}, "service.stop: name: services.yaml holds a tool of this name"),
    "driver": (GOOD | {"driver": {"name": "shell"}}, "team.yaml: team.say: driver: Input tag 'shell'"),
    "driver's field": (GOOD | {"driver": SAY | {"shell": True}}, "driver.ssh.command.shell: is no field"),
    "shell string": (GOOD | {"driver": SAY | {"argv": "echo {word}"}}, "driver.ssh.command.argv: Input should be"),
    "placeholder": (GOOD | {"driver": SAY | {"argv": ["{other}"]}}, "driver: {other} is no parameter of the tool"),
    "harmless restart": (
        GOOD | {"driver": {"name": "service.stop"}},
        "the driver service.stop has at least the effect",
    ),
    "harmless delete": (GOOD | {"driver": {"name": "file.delete"}}, "file.delete has at least the effect destroy"),
    "harmless patch": (
        GOOD | {"driver": {"name": "http.request", "method": "POST", "path": "/x"}},
        "http.request has at least the effect write",
    ),
    "write without a probe": (
        GOOD | {"effect": "write", "irreversible": "it is so"},
        "verification: a tool that chang",
    ),
    "write without a way back": (GOOD | {"effect": "write", "unverified": "it is so"}, "reverse: a tool that changes"),
    "kept write": (
        tool_scene.tool("team.do", SAY, tool_scene.WRITE, parameters=WORD, caching={"ttl_s": 1, "reason": "because"}),
        "caching: what changes something is never answered from a cache",
    ),
    "probe that writes": (
        without(tool_scene.tool("team.do", SAY, tool_scene.WRITE, parameters=WORD), "unverified")
        | {"verification": {"tool": "service.stop", "arguments": {"unit": "{word}", "manager": "systemd"}}},
        "verification: service.stop changes something itself",
    ),
    "probe that is not": (
        without(tool_scene.tool("team.do", SAY, tool_scene.WRITE, parameters=WORD), "unverified")
        | {"verification": {"tool": "team.look"}},
        "verification: there is no tool team.look",
    ),
    "probe without a verdict": (
        without(tool_scene.tool("team.do", SAY, tool_scene.WRITE, parameters=WORD), "unverified")
        | {"verification": {"tool": "tcp.connect", "arguments": {"port": 80}}},
        "verification: tcp.connect says neither pass nor fail",
    ),
    "probe's argument": (
        without(tool_scene.tool("team.do", SAY, tool_scene.WRITE, parameters=WORD), "unverified")
        | {"verification": {"tool": "tcp.connect", "arguments": {"port": "{nothing}", "x": 1}}},
        "verification: tcp.connect takes no argument x",
    ),
    "unbounded number": (GOOD | {"parameters": {"word": {"type": "integer", "describes": "any"}}}, "needs min and max"),
    "pattern": (GOOD | {"parameters": {"word": tool_scene.parameter(pattern="(")}}, "is no regular expression"),
    "long cache": (GOOD | {"caching": {"ttl_s": 3_600, "reason": "because"}}, "caching.ttl_s: Input should be less"),
    "open PromQL": (
        GOOD | {"driver": {"name": "prometheus.query", "query": 'up{job="{word}"} > {word}'}},
        "{word} stands outside of quotes and needs an enum or a pattern",
    ),
    "free SQL": (GOOD | {"driver": {"name": "sql.query"}}, "without sql the tool needs a parameter sql"),
    "unnamed MCP server": (
        GOOD | {"driver": {"name": "mcp", "server": "tickets", "tool": "x"}},
        "no file names an MCP server tickets",
    ),
}


@pytest.mark.parametrize("name", FAULTS)
def test_each_fault_names_file_tool_and_field(name: str) -> None:
    tool, said = FAULTS[name]
    faults = faults_of(tool)
    assert any(said in fault for fault in faults), faults
    assert all(fault.startswith("team.yaml: ") for fault in faults)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "Input should be"),
        ("tools: [", "line 1: expected the node content"),
        ("a: &x 1\nb: *x", "aliases are not taken"),
        ("catalogue: 1\ncatalogue: 1", "given twice"),
        ("!!python/object/apply:os.system ['touch canary']", "line 1: could not determine a constructor"),
        ("x: 2026-13-45", "no YAML that is taken here"),
        ("catalogue: 2\nowner: x\ntools: []", "catalogue: Input should be less"),
        ("x: 2026-01-01", "neither text, number, list nor mapping"),
        ("x: .nan", "neither text, number, list nor mapping"),
        ("[" * 5_000, "no YAML"),
    ],
)
def test_a_file_of_another_form_is_refused_whole(text: str, said: str) -> None:
    with pytest.raises(BadCatalogueError) as caught:
        read_catalogue({"team.yaml": text})
    assert said in str(caught.value)
    assert str(caught.value).startswith("team.yaml: ")


def test_every_fault_is_told_at_once() -> None:
    other = tool_scene.tool("team.other", SAY | {"argv": ["{x}"]})
    assert len(faults_of(without(GOOD, "risk") | {"effect": "x"}, other)) == 2


def test_the_packages_own_catalogue_is_whole() -> None:
    catalogue = packaged_catalogue()
    assert len(catalogue) >= 45
    for entry in catalogue:
        for intent in entry.intents:
            most = list(Effect).index(INTENTS[intent].effect)
            assert (
                entry.effect in READS
                or list(Effect).index(entry.effect) <= most
                or entry.name in ("kubernetes.delete_pod",)
            ), f"{entry.name} does more than {intent}"
    served = {intent for entry in catalogue if entry.changes for intent in entry.intents}
    assert {
        IntentName.SERVICE_RESTART,
        IntentName.SERVICE_START,
        IntentName.SERVICE_STOP,
        IntentName.SERVICE_SCALE,
        IntentName.RELEASE_ROLLBACK,
        IntentName.COMMAND_RUN,
        IntentName.CONFIG_UPDATE,
        IntentName.DATA_BACKUP,
        IntentName.DATA_RESTORE,
        IntentName.DATA_DELETE,
    } <= served


def test_tools_that_serve_are_found_those_that_read_first() -> None:
    found = packaged_catalogue().serving(IntentName.SERVICE_RESTART, "service")
    assert [entry.name for entry in found] == ["service.verify", "service.restart"]
    with pytest.raises(BadArgumentError, match="opswire tools list"):
        packaged_catalogue().entry("nothing.of_the_kind")


def test_the_schema_is_written_anew_when_the_form_changes() -> None:
    """`python -m opswire.executor.toolbox schema write` writes it."""
    written = (files("opswire.executor") / "catalogue" / NAME).read_text("utf-8")
    assert written == schema_text()
    validator = jsonschema.Draft202012Validator(json.loads(written))
    for name, text in packaged_texts().items():
        assert [error.message for error in validator.iter_errors(yaml.safe_load(text))] == [], name
    broken = yaml.safe_load(tool_scene.text(without(GOOD, "effect")))
    assert list(validator.iter_errors(broken))


def test_the_files_of_the_how_to_are_taken() -> None:
    page = (Path(__file__).parents[3] / "docs" / "how-to" / "add-a-tool.md").read_text("utf-8")
    examples = re.findall(r"```yaml\n(.*?)```", page, re.DOTALL)
    found = read_catalogue({**packaged_texts(), **{f"{n}.yaml": text for n, text in enumerate(examples)}})
    assert {"shop.open_carts", "shop.freeze_carts", "tickets.show"} <= {entry.name for entry in found}


def test_another_catalogue_has_another_version() -> None:
    one = tool_scene.catalogue(GOOD)
    assert one.version == tool_scene.catalogue(GOOD).version
    assert one.version != tool_scene.catalogue(GOOD | {"risk": "HIGH"}).version
    assert one.version != tool_scene.catalogue(GOOD, mcp_servers={"x": {"url": "http://x"}}).version


async def test_a_teams_own_folder_is_read_within_a_second(tmp_path: Path, ssh_host, capsys) -> None:
    folder = tmp_path / "tools"
    folder.mkdir()
    read = CatalogueFiles(folder, plugins={})
    settings = DriverSettings(ssh_host.credentials_dir, allow_loopback=True)
    async with Drivers(settings, read.current) as drivers:
        read.on_change(drivers.use)
        watching = asyncio.create_task(read.watch())
        assert "team.say" not in drivers.tools
        (folder / "team.yaml").write_text(tool_scene.text(GOOD))
        await until(lambda: "team.say" in drivers.tools, 10)
        call = tool_scene.call(read.current, "team.say", ssh_host.asset(), word="hello")
        assert (await drivers.tools["team.say"](call)).records == ({"asset": "web-01", "line": "hello"},)

        in_force = read.current
        (folder / "team.yaml").write_text("tools: [")
        await until(lambda: "broken" in read.state(), 10)
        assert read.current is in_force
        assert "team.say" in drivers.tools
        assert "team.yaml: line 1: expected" in read.state()["broken"][0]
        assert "the one before it stays in force" in capsys.readouterr().out

        (folder / "team.yaml").write_text(tool_scene.text(GOOD | {"risk": "HIGH"}))
        await until(lambda: read.current is not in_force, 10)
        assert "broken" not in read.state()
        (folder / "team.yaml").unlink()
        await until(lambda: "team.say" not in drivers.tools, 10)
        watching.cancel()


def test_the_folder_is_looked_at_twice_a_second() -> None:
    assert LOOK_EVERY_S <= 0.5, "a change takes effect within a second"


def test_a_folder_that_is_not_there_or_broken_stops_the_start(tmp_path: Path) -> None:
    with pytest.raises(BadCatalogueError, match="cannot be read"):
        CatalogueFiles(tmp_path / "none", plugins={})
    (tmp_path / "x.yaml").write_bytes(b"\xff")
    with pytest.raises(BadCatalogueError, match=r"x\.yaml: no UTF-8 text"):
        CatalogueFiles(tmp_path, plugins={})


async def count(call: ToolCall) -> ToolResult:
    """A tool of another package."""
    return ToolResult(({"letters": len(call.text("word"))},))


COUNTED = tool_scene.tool("team.count", {"name": "python", "plugin": "ours", "function": "count"}, parameters=WORD)


def provide() -> Plugin:
    return Plugin(tool_scene.text(COUNTED), {"count": count})


def provide_nothing() -> str:
    return "no plugin"


def provide_failure() -> Plugin:
    raise RuntimeError("not today")


def entry_point(function: str) -> list[EntryPoint]:
    return [EntryPoint("ours", f"{__name__}:{function}", plugins.GROUP)]


async def test_a_package_brings_its_own_tool(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, __name__, sys.modules.get(__name__) or types.ModuleType(__name__))
    monkeypatch.setattr(sys.modules[__name__], "provide", provide, raising=False)
    monkeypatch.setattr(plugins, "entry_points", lambda group: entry_point("provide"))
    read = CatalogueFiles(None)
    async with Drivers(DriverSettings(tmp_path), read.current, plugins=read.plugins) as drivers:
        call = tool_scene.call(read.current, "team.count", None, word="four")
        assert (await drivers.tools["team.count"](call)).records == ({"letters": 4},)


@pytest.mark.parametrize(
    ("function", "said"),
    [("provide_nothing", "returns no"), ("provide_failure", "RuntimeError: not today"), ("missing", "failed")],
)
def test_a_package_that_fails_is_named(monkeypatch: pytest.MonkeyPatch, function: str, said: str) -> None:
    module = sys.modules.get(__name__) or types.ModuleType(__name__)
    monkeypatch.setitem(sys.modules, __name__, module)
    for one in (provide_nothing, provide_failure):
        monkeypatch.setattr(module, one.__name__, one, raising=False)
    monkeypatch.setattr(plugins, "entry_points", lambda group: entry_point(function))
    with pytest.raises(BadCatalogueError, match=said) as caught:
        installed_plugins()
    assert "plugin ours" in str(caught.value)


def test_a_plugin_without_its_function_is_refused(tmp_path: Path) -> None:
    broken = {"ours": Plugin(tool_scene.text(COUNTED), {})}
    read = CatalogueFiles(None, plugins=broken)
    with pytest.raises(BadCatalogueError, match="brings no function count"):
        Drivers(DriverSettings(tmp_path), read.current, plugins=broken)


async def test_a_catalogue_that_the_drivers_cannot_take_stays_out(tmp_path: Path) -> None:
    read = CatalogueFiles(tmp_path, plugins={})
    async with Drivers(DriverSettings(tmp_path), read.current) as drivers:
        read.on_change(drivers.use)
        (tmp_path / "team.yaml").write_text(tool_scene.text(COUNTED))
        in_force = read.current
        assert not read.refresh()
        assert read.current is in_force
        assert "plugin ours" in read.state()["broken"][0]
        assert "team.count" not in drivers.tools
        assert "service.restart" in drivers.tools
