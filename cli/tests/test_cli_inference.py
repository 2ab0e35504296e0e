"""The `inference` commands as a user runs them, against files and a scripted model server."""

from __future__ import annotations

import stat
from pathlib import Path

import pytest
import yaml
from opswire.chassis.inference.configuration import load_configuration
from opswire.chassis.testing.scripted_model import ScriptedModel
from opswire.chassis.testing.scripted_steps import Answer, Fail
from opswire.cli.switching import with_chain
from opswire.cli.testing import CommandLine

SECRET = "a-secret-that-nobody-may-see"
FILE = """\
# our servers
endpoints:
  gpu:  # the big one
    provider: vllm
    base_url: http://127.0.0.1:8000/v1
    model: Qwen/Qwen2.5-7B-Instruct-AWQ
    api_key: env:GPU_KEY
  laptop:
    provider: ollama
# in this order
default:
  chain:
    - gpu
    # when the GPU is away
    - laptop
# the end
"""


@pytest.fixture
def opswire(tmp_path: Path) -> CommandLine:
    """The command line without a broker and without LLM_* of whoever runs the tests."""
    unset = dict.fromkeys(("LLM_PROVIDER", "LLM_BASE_URL", "LLM_MODEL", "LLM_API_KEY", "OPSWIRE_INFERENCE_FILE"), "")
    return CommandLine(tmp_path / "state", unset | {"GPU_KEY": SECRET})


@pytest.fixture
def file(opswire: CommandLine) -> Path:
    """The file of model servers in the state directory."""
    opswire.state_dir.mkdir()
    path = opswire.state_dir / "inference.yaml"
    path.write_text(FILE)
    return path


def chain_of(file: Path, service: str = "intent", **environment: str) -> list[str]:
    found = load_configuration(service, file, {"GPU_KEY": SECRET} | environment)
    return [] if found is None else [endpoint.name for endpoint in found.chain]


def test_nothing_configured_is_said_with_what_to_do(opswire: CommandLine) -> None:
    shown = opswire.run("inference", "show")
    assert shown.status == 0
    assert "no model server is configured" in shown.out
    assert "opswire inference use ollama" in shown.out
    checked = opswire.run("inference", "check")
    assert (checked.status, "no model server is configured" in checked.err) == (4, True)


def test_the_chain_is_shown_with_where_each_setting_comes_from(opswire: CommandLine, file: Path) -> None:
    shown = opswire.run("inference", "show", "--json")
    first, second = shown.json["chain"]
    assert (first["endpoint"], second["endpoint"]) == ("gpu", "laptop")
    assert first["settings"]["model"]["from"] == f"{file} line 6"
    assert first["settings"]["api_key"] == {"value": "set", "from": f"{file} line 7 (env:GPU_KEY)"}
    assert second["settings"]["base_url"] == {"value": "http://127.0.0.1:11434/v1", "from": "default of ollama"}
    assert first["capabilities"]["takes_priority"] is True
    text = opswire.run("inference", "show").out
    assert "1. gpu" in text
    assert "line 6" in text
    assert SECRET not in text + shown.out


def test_a_broken_file_is_said_with_its_line(opswire: CommandLine, file: Path) -> None:
    file.write_text(FILE.replace("provider: ollama", "provder: ollama"))
    for command in (("show",), ("check",), ("use", "laptop")):
        found = opswire.run("inference", *command)
        assert found.status == 2
        assert "inference.yaml line 9: there is no setting 'provder'" in found.err
    assert "provder" in file.read_text()


def test_back_to_ollama_is_one_command_and_keeps_the_comments(opswire: CommandLine, file: Path) -> None:
    file.chmod(0o640)
    used = opswire.run("inference", "use", "laptop")
    assert (used.status, "laptop, then gpu" in used.out) == (0, True)
    assert chain_of(file) == ["laptop", "gpu"]
    text = file.read_text()
    assert all(comment in text for comment in ("# our servers", "# the big one", "# in this order", "# the end"))
    assert stat.S_IMODE(file.stat().st_mode) == 0o640
    assert opswire.run("inference", "use", "gpu", "--json").json["chain"] == ["gpu", "laptop"]
    assert chain_of(file) == ["gpu", "laptop"]


def test_a_switch_stands_before_what_the_services_were_started_with(opswire: CommandLine, file: Path) -> None:
    started = {"LLM_PROVIDER": "vllm", "LLM_BASE_URL": "http://127.0.0.1:9/v1", "LLM_MODEL": "m"}
    assert chain_of(file, **started) == ["environment", "gpu", "laptop"]
    opswire.run("inference", "use", "laptop")
    assert chain_of(file, **started) == ["laptop", "gpu", "environment"]
    opswire.run("inference", "use", "laptop", "--only")
    assert chain_of(file, **started) == ["laptop"]
    back = opswire.run("inference", "use", "environment")
    assert "what LLM_* of its process names, if anything, then laptop" in back.out
    assert chain_of(file, **started) == ["environment", "laptop"]


def test_one_service_is_switched_alone(opswire: CommandLine, file: Path) -> None:
    opswire.run("inference", "use", "laptop", "--service", "intent")
    assert chain_of(file, "intent") == ["laptop", "gpu"]
    assert chain_of(file, "assets") == ["gpu", "laptop"]
    used = opswire.run("inference", "use", "gpu")
    assert "intent" in used.out
    assert "--service" in used.out
    assert chain_of(file, "intent") == ["laptop", "gpu"]


def test_a_first_file_is_made_for_its_owner_alone(opswire: CommandLine) -> None:
    used = opswire.run("inference", "use", "ollama", "--model", "qwen2.5:3b", "--json")
    assert used.status == 0
    made = opswire.state_dir / "inference.yaml"
    assert stat.S_IMODE(made.stat().st_mode) == 0o600
    assert chain_of(made) == ["ollama"]
    assert yaml.safe_load(made.read_text())["endpoints"]["ollama"] == {"provider": "ollama", "model": "qwen2.5:3b"}


@pytest.mark.parametrize(
    ("arguments", "status", "sentence"),
    [
        (("nothing-like-that",), 4, "neither an endpoint of"),
        (("openai",), 2, "OpenAI needs --model"),
        (("azure_openai", "--model", "m"), 2, "needs --base-url"),
        (("gpu", "--model", "m"), 2, "is in"),
        (("environment", "--only"), 2, "leave the options out"),
        (("ollama", "--base-url", "nonsense"), 0, "no http"),
    ],
)
def test_what_cannot_be_switched_to_is_said(
    opswire: CommandLine, file: Path, arguments: tuple[str, ...], status: int, sentence: str
) -> None:
    found = opswire.run("inference", "use", *arguments)
    assert found.status == status
    assert sentence in found.out + found.err


def test_a_missing_key_is_a_warning(opswire: CommandLine, file: Path) -> None:
    opswire.environment["GPU_KEY"] = ""
    used = opswire.run("inference", "use", "laptop")
    assert used.status == 0
    assert "GPU_KEY is not set" in used.out


LAYOUTS = {
    "block": FILE,
    "flow": "endpoints: {gpu: {provider: vllm}, laptop: {provider: ollama}}\ndefault: {chain: [gpu, laptop]}\n",
    "no chain": "endpoints:\n  gpu: {provider: vllm}\n  laptop: {provider: ollama}",
    "one service": "endpoints:\n  gpu: {provider: vllm}\n  laptop: {provider: ollama}\n"
    "services:\n  other:\n    chain: [gpu]\n",
    "empty services": "endpoints:\n  gpu: {provider: vllm}\n  laptop: {provider: ollama}\nservices:\n",
    "empty braces": "services: {}\nendpoints:\n  gpu: {provider: vllm}\n  laptop: {provider: ollama}\n",
    "with environment": "endpoints:\n  gpu: {provider: vllm}\n  laptop: {provider: ollama}\ndefault:\n"
    "  environment: first # so far\n  chain: [gpu]  # alone\n",
    "json": '{"endpoints": {"gpu": {"provider": "vllm"}, "laptop": {"provider": "ollama"}}}',
    "empty": "",
    "comment only": "# nothing yet\n",
    "marks": "%YAML 1.1\n---\nendpoints:\n    gpu:\n        provider: vllm\n    laptop: {provider: ollama}\n...\n",
}


@pytest.mark.parametrize("text", LAYOUTS.values(), ids=list(LAYOUTS))
@pytest.mark.parametrize("service", [None, "intent"])
def test_any_layout_can_be_changed_and_nothing_else_changes(text: str, service: str | None) -> None:
    before = yaml.safe_load(text) or {}
    changed = with_chain(text, service, ["laptop", "new"], "last", {"new": {"provider": "ollama", "model": "a:b"}})
    after = yaml.safe_load(changed)
    place = after["default"] if service is None else after["services"].pop(service)
    assert (place["chain"], place["environment"]) == (["laptop", "new"], "last")
    assert after["endpoints"].pop("new") == {"provider": "ollama", "model": "a:b"}
    assert (after["endpoints"] or None) == (before.get("endpoints") or None)
    assert (after.get("services") or None) == (before.get("services") or None)
    again = with_chain(changed, service, ["gpu"], "ignore", {})
    place = yaml.safe_load(again)["default" if service is None else "services"]
    assert (place if service is None else place[service]) == {"chain": ["gpu"], "environment": "ignore"}


@pytest.mark.parametrize("name", ["block", "one service", "with environment", "comment only"])
def test_comments_stay(name: str) -> None:
    text = LAYOUTS[name]
    changed = with_chain(text, None, ["laptop"], "last", {})
    kept = [line.partition("#")[2] for line in text.splitlines() if "#" in line and "GPU is away" not in line]
    assert all(comment in changed for comment in kept)


def test_providers_are_listed_with_their_dates(opswire: CommandLine) -> None:
    rows = {row["provider"]: row for row in opswire.run("inference", "providers", "--json").json}
    assert rows["openai"]["prompt_caching"] == "hybrid"
    assert all(row["as_of"] and row["sources"] for row in rows.values())
    text = opswire.run("inference", "providers").out
    assert "anthropic_messages" in text
    one = opswire.run("inference", "providers", "mistral").out
    assert "prompt_cache_key" in one
    assert "source: https://" in one
    unknown = opswire.run("inference", "providers", "never-heard-of")
    assert (unknown.status, "plain calls" in unknown.err) == (4, True)


def test_endpoints_are_tried(opswire: CommandLine, file: Path) -> None:
    with ScriptedModel() as server:
        server.always(Answer('{"answer":"yes"}'))
        text = FILE.replace("http://127.0.0.1:8000/v1", server.url)
        file.write_text(text.replace("provider: ollama", "provider: ollama\n    base_url: http://127.0.0.1:9/v1"))
        checked = opswire.run("inference", "check", "--json")
        well, away = checked.json["endpoints"]
        assert checked.status == 1
        assert (well["ok"], well["schema"], well["latency_ms"] > 0) == (True, "binds", True)
        assert (away["ok"], away["cause"]) == (False, "connect")
        assert "ollama serve" in away["advice"]
        file.write_text(text.replace("    - laptop\n", ""))
        shown = opswire.run("inference", "check")
        assert (shown.status, "answered in" in shown.out) == (0, True)
        assert SECRET not in shown.out + checked.out


def test_a_server_that_ignores_schemas_or_keys_is_said(opswire: CommandLine, file: Path) -> None:
    with ScriptedModel() as server:
        file.write_text(FILE.replace("http://127.0.0.1:8000/v1", server.url).replace("    - laptop\n", ""))
        server.always(Answer("Yes, water is wet."))
        (found,) = opswire.run("inference", "check", "--json").json["endpoints"]
        assert (found["ok"], "does not bind" in found["problem"]) == (False, True)
        server.always(Fail(status=401))
        wrong = opswire.run("inference", "check")
        assert wrong.status == 1
        assert "api_key of this endpoint" in wrong.out
