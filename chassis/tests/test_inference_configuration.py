"""Model servers by file and environment: what wins, what is refused and how, and switching while a service runs."""

from __future__ import annotations

import os
import re
from pathlib import Path

import pytest
from opswire.chassis.inference import configuration
from opswire.chassis.inference.configuration import InferenceConfiguration, WatchedConfiguration, load_configuration
from opswire.chassis.inference.errors import InferenceRefusedError

TWO = """\
endpoints:
  gpu:
    provider: vllm
    base_url: http://gpu-1.internal:8000/v1/
    model: Qwen/Qwen2.5-7B-Instruct-AWQ
    timeout_s: 4
  laptop:
    provider: ollama
default:
  chain: [gpu, laptop]
services:
  intent:
    chain: [laptop, gpu]
"""
SECRET = "a-secret-that-nobody-may-see"


def written(folder: Path, text: str) -> Path:
    path = folder / "inference.yaml"
    path.write_text(text)
    return path


def loaded(file: Path | None, **environment: str) -> InferenceConfiguration:
    found = load_configuration("assets", file, environment)
    assert found is not None
    return found


def names(found: InferenceConfiguration) -> list[str]:
    return [endpoint.name for endpoint in found.chain]


def test_nothing_configured_is_nothing(tmp_path: Path) -> None:
    assert load_configuration("intent", None, {}) is None
    assert load_configuration("intent", tmp_path / "not-there.yaml", {"LLM_MODEL": " "}) is None
    assert load_configuration("intent", written(tmp_path, ""), {}) is None


@pytest.mark.parametrize(
    ("provider", "base_url"),
    [
        ("vllm", "http://127.0.0.1:8000/v1"),
        ("ollama", "http://127.0.0.1:11434/v1"),
        ("VLLM", "http://127.0.0.1:8000/v1"),
    ],
)
def test_a_provider_alone_is_enough_where_there_is_a_usual_server(provider: str, base_url: str) -> None:
    (endpoint,) = loaded(None, LLM_PROVIDER=provider).chain
    assert (endpoint.provider, endpoint.base_url) == (provider.lower(), base_url)
    assert endpoint.model


def test_every_setting_has_a_variable() -> None:
    (endpoint,) = loaded(
        None,
        LLM_BASE_URL="http://127.0.0.1:9000/v1",
        LLM_MODEL="some-model",
        LLM_API_KEY=SECRET,
        LLM_TEMPERATURE="0.25",
        LLM_MAX_TOKENS="99",
        LLM_TIMEOUT_S="2.5",
        LLM_CONNECT_TIMEOUT_S="0.5",
        LLM_CONCURRENCY_MAX="7",
        LLM_SENDS_PRIORITY="false",
    ).chain
    assert endpoint.provider == "openai_compatible"
    assert (endpoint.temperature, endpoint.max_tokens, endpoint.timeout_s) == (0.25, 99, 2.5)
    assert (endpoint.connect_timeout_s, endpoint.concurrency_max, endpoint.sends_priority) == (0.5, 7, False)
    assert endpoint.api_key is not None
    assert endpoint.api_key.get_secret_value() == SECRET


def test_a_fallback_stands_behind_the_environments_endpoint() -> None:
    found = loaded(None, LLM_PROVIDER="vllm", LLM_FALLBACK_PROVIDER="ollama", LLM_FALLBACK_TIMEOUT_S="60")
    assert [endpoint.provider for endpoint in found.chain] == ["vllm", "ollama"]
    assert [endpoint.timeout_s for endpoint in found.chain] == [15.0, 60.0]


def test_a_service_has_its_own_chain_or_the_default(tmp_path: Path) -> None:
    file = written(tmp_path, TWO)
    assert names(loaded(file)) == ["gpu", "laptop"]
    intent = load_configuration("intent", file, {})
    assert intent is not None
    assert names(intent) == ["laptop", "gpu"]
    assert intent.chosen_by.endswith("inference.yaml line 12")
    assert loaded(file).chain[0].base_url == "http://gpu-1.internal:8000/v1"


def test_every_setting_says_where_it_was_set(tmp_path: Path) -> None:
    found = loaded(written(tmp_path, TWO), LLM_TEMPERATURE="1")
    assert found.origins["gpu"]["timeout_s"].endswith("inference.yaml line 6")
    assert found.origins["gpu"]["temperature"] == "LLM_TEMPERATURE"
    assert found.origins["laptop"]["base_url"] == "default of ollama"
    assert found.chain[0].temperature == 1.0
    assert found.chain[1].temperature == 0.0


def test_the_environments_server_goes_first_and_takes_nothing_of_the_files(tmp_path: Path) -> None:
    file = written(tmp_path, TWO.replace("    timeout_s: 4\n", "    api_key: env:GPU_KEY\n"))
    found = loaded(file, GPU_KEY=SECRET, LLM_BASE_URL="http://elsewhere:1/v1", LLM_MODEL="m")
    assert names(found) == ["environment", "gpu", "laptop"]
    assert found.chain[0].api_key is None
    assert found.chosen_by == "the environment"


@pytest.mark.parametrize(("place", "expected"), [("last", ["gpu", "environment"]), ("ignore", ["gpu"])])
def test_the_file_can_send_the_environment_back(tmp_path: Path, place: str, expected: list[str]) -> None:
    text = TWO.replace("chain: [gpu, laptop]", f"chain: [gpu]\n  environment: {place}")
    found = loaded(written(tmp_path, text), LLM_PROVIDER="ollama", LLM_MODEL="m", LLM_TEMPRATURE="1")
    assert names(found) == expected
    assert found.chain[0].model == "Qwen/Qwen2.5-7B-Instruct-AWQ"
    assert "LLM_TEMPRATURE" in found.ignored
    assert ("LLM_MODEL" in found.ignored) == (place == "ignore")


def test_a_key_goes_only_to_the_providers_own_address() -> None:
    own = loaded(None, LLM_PROVIDER="groq", LLM_MODEL="m", GROQ_API_KEY=SECRET).chain[0]
    assert own.api_key is not None
    proxy = loaded(None, LLM_PROVIDER="groq", LLM_MODEL="m", LLM_BASE_URL="http://proxy/v1", GROQ_API_KEY=SECRET)
    assert proxy.chain[0].api_key is None


def test_keys_are_references_and_are_never_shown(tmp_path: Path) -> None:
    (tmp_path / "key").write_text(f"{SECRET}\n")
    for reference in ("file:key", "env:A_KEY"):
        file = written(tmp_path, f"endpoints:\n  one:\n    provider: vllm\n    api_key: {reference}\n")
        found = loaded(file, A_KEY=SECRET)
        key = found.chain[0].api_key
        assert key is not None
        assert key.get_secret_value() == SECRET
        assert SECRET not in repr(found)
        assert reference in found.origins["one"]["api_key"]


@pytest.mark.parametrize("written_key", [SECRET, "env:", f"vault:{SECRET}"])
def test_a_key_in_the_file_is_refused_without_repeating_it(tmp_path: Path, written_key: str) -> None:
    file = written(tmp_path, f"endpoints:\n  one:\n    provider: vllm\n    api_key: {written_key!r}\n")
    with pytest.raises(ValueError, match=r"inference\.yaml line 4: api_key must be a reference") as refused:
        loaded(file)
    assert SECRET not in str(refused.value)


BROKEN = {
    "no YAML": ("endpoints: [", "line 1: this is no YAML"),
    "no mapping": ("- a\n", "line 1"),
    "unknown part": ("endpoint: {}\n", "line 1: endpoint"),
    "unknown setting": ("endpoints:\n  a:\n    modle: x\n", "line 3: there is no setting 'modle'"),
    "wrong value": ("endpoints:\n  a:\n    provider: vllm\n    timeout_s: soon\n", "line 4: timeout_s of endpoint 'a'"),
    "unknown endpoint": (
        "endpoints:\n  a: {provider: vllm}\ndefault:\n  chain:\n  - a\n  - b\n",
        "line 6: there is no",
    ),
    "twice in a chain": ("endpoints:\n  a: {provider: vllm}\ndefault: {chain: [a, a]}\n", "in the chain twice"),
    "empty chain": ("endpoints:\n  a: {provider: vllm}\ndefault: {chain: []}\n", "line 3: default.chain"),
    "same key twice": ("endpoints:\n  a: {provider: vllm}\n  a: {provider: ollama}\n", "line 3: 'a' is on line 2"),
    "no address": ("endpoints:\n  a:\n    model: m\n", "line 2: endpoint 'a' has no base_url"),
    "address shape": ("endpoints:\n  a:\n    provider: azure_openai\n    model: m\n", r"such as https://\{resource\}"),
    "no model": ("endpoints:\n  a:\n    provider: openai\n", "line 2: endpoint 'a' has no model"),
    "no URL": ("endpoints:\n  a:\n    base_url: gpu-1:8000\n    model: m\n", "line 3: the base_url"),
    "secret in URL": ("endpoints:\n  a:\n    base_url: http://u:p@h/v1\n    model: m\n", "more than an address"),
    "missing variable": ("endpoints:\n  a:\n    provider: vllm\n    api_key: env:NOT_SET\n", "line 4: .* NOT_SET"),
    "missing key file": ("endpoints:\n  a:\n    provider: vllm\n    api_key: file:none\n", "line 4: the key file"),
    "reserved name": ("endpoints:\n  environment: {provider: vllm}\n", "line 2: 'environment' is the name of"),
    "deep": ("endpoints: {a: {b: {c: {d: {e: {f: 1}}}}}}\n", "nested"),
    "recursive": ("endpoints: &a {b: *a}\n", "nested"),
}


@pytest.mark.parametrize(("text", "sentence"), BROKEN.values(), ids=list(BROKEN))
def test_what_is_wrong_in_a_file_is_said_with_its_line(tmp_path: Path, text: str, sentence: str) -> None:
    with pytest.raises(ValueError, match=sentence) as refused:
        loaded(written(tmp_path, text))
    assert str(tmp_path / "inference.yaml") in str(refused.value)


@pytest.mark.parametrize(
    ("environment", "sentence"),
    [
        ({"LLM_MODEL": "m"}, "LLM_MODEL is set, but no model server is named"),
        ({"LLM_PROVIDER": "vllm", "LLM_FALLBACK_MODEL": "m"}, "LLM_FALLBACK_MODEL is set, .* LLM_FALLBACK_PROVIDER"),
        ({"LLM_PROVIDER": "vllm", "LLM_TIMEOUT_S": "soon"}, "^LLM_TIMEOUT_S: timeout_s"),
        ({"LLM_PROVIDER": "vllm", "LLM_TEMPERATURE": "3"}, "^LLM_TEMPERATURE"),
        ({"LLM_PROVIDER": "openai"}, "set LLM_MODEL"),
        ({"LLM_PROVIDER": "never-heard-of", "LLM_MODEL": "m"}, "set LLM_BASE_URL"),
        ({"LLM_BASE_URL": "ftp://x", "LLM_MODEL": "m"}, "^LLM_BASE_URL: .* no http"),
    ],
)
def test_what_is_wrong_in_the_environment_is_said_with_the_variable(environment: dict[str, str], sentence: str) -> None:
    with pytest.raises(ValueError, match=sentence):
        loaded(None, **environment)


def test_prices_come_from_the_registry_for_the_providers_own_address_only() -> None:
    own = loaded(None, LLM_PROVIDER="anthropic", LLM_MODEL="claude-opus-5")
    assert own.chain[0].input_usd_per_million_tokens == 5.0
    assert "platform.claude.com" in own.origins["environment"]["input_usd_per_million_tokens"]
    other = loaded(None, LLM_PROVIDER="anthropic", LLM_MODEL="claude-opus-5", LLM_BASE_URL="http://proxy")
    assert other.chain[0].input_usd_per_million_tokens is None
    given = loaded(None, LLM_PROVIDER="anthropic", LLM_MODEL="claude-opus-5", LLM_INPUT_USD_PER_MILLION_TOKENS="1")
    assert given.chain[0].input_usd_per_million_tokens == 1.0
    assert given.chain[0].output_usd_per_million_tokens is None


def replace(file: Path, text: str) -> None:
    beside = file.with_suffix(".new")
    beside.write_text(text)
    beside.replace(file)


def test_a_running_service_follows_the_file(tmp_path: Path) -> None:
    file = written(tmp_path, TWO)
    watched = WatchedConfiguration("assets", file, {})
    assert names(watched()) == ["gpu", "laptop"]
    replace(file, TWO.replace("chain: [gpu, laptop]", "chain: [laptop]"))
    watched.refresh(at_once=True)
    assert names(watched()) == ["laptop"]
    assert (watched.version, watched.state()["error"]) == (2, None)


@pytest.mark.parametrize("damage", ["endpoints: [", "", None], ids=["broken", "empty", "gone"])
def test_a_broken_file_keeps_the_last_good_one_and_says_so(tmp_path: Path, damage: str | None) -> None:
    file = written(tmp_path, TWO)
    watched = WatchedConfiguration("assets", file, {})
    if damage is None:
        file.unlink()
    else:
        replace(file, damage)
    watched.refresh(at_once=True)
    assert names(watched()) == ["gpu", "laptop"]
    assert "stays in use" in watched.state()["error"]
    replace(file, TWO.replace("chain: [gpu, laptop]", "chain: [laptop]"))
    watched.refresh(at_once=True)
    assert names(watched()) == ["laptop"]
    assert watched.state()["error"] is None


def test_a_file_that_comes_later_is_taken(tmp_path: Path) -> None:
    file = tmp_path / "inference.yaml"
    watched = WatchedConfiguration("assets", file, {})
    assert not watched.is_configured
    with pytest.raises(InferenceRefusedError, match="no model server is configured"):
        watched()
    replace(file, TWO)
    watched.refresh(at_once=True)
    assert names(watched()) == ["gpu", "laptop"]


def test_a_renewed_key_is_taken(tmp_path: Path) -> None:
    (tmp_path / "key").write_text("old\n")
    watched = WatchedConfiguration(
        "assets", written(tmp_path, "endpoints:\n  a:\n    provider: vllm\n    api_key: file:key\n"), {}
    )
    replace(tmp_path / "key", "new\n")
    watched.refresh(at_once=True)
    key = watched().chain[0].api_key
    assert key is not None
    assert key.get_secret_value() == "new"


def test_the_file_is_looked_at_once_a_second_at_most(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = written(tmp_path, TWO)
    now_s = 1_000.0
    monkeypatch.setattr(configuration.time, "monotonic", lambda: now_s)
    watched = WatchedConfiguration("assets", file, {})
    replace(file, TWO.replace("chain: [gpu, laptop]", "chain: [laptop]"))
    assert names(watched()) == ["gpu", "laptop"]
    now_s += 1.01
    assert names(watched()) == ["laptop"]


def test_a_wrong_start_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="line 1"):
        WatchedConfiguration("assets", written(tmp_path, "endpoints: ["), {})


def test_an_unreadable_file_is_named(tmp_path: Path) -> None:
    folder = tmp_path / "folder"
    folder.mkdir()
    with pytest.raises(ValueError, match="folder cannot be read"):
        load_configuration("assets", folder, dict(os.environ))
    huge = tmp_path / "huge.yaml"
    huge.write_bytes(b"#" * 1_000_001)
    with pytest.raises(ValueError, match="larger than"):
        load_configuration("assets", huge, {})


def test_the_how_tos_file_is_one_and_its_variables_exist(tmp_path: Path) -> None:
    page = (Path(__file__).parents[2] / "docs" / "how-to" / "choose-a-model-server.md").read_text()
    (example,) = re.findall(r"```yaml\n(.*?)```", page, re.DOTALL)
    (tmp_path / "vllm.key").write_text(SECRET)
    intent = load_configuration("intent", written(tmp_path, example), {"LLM_PROVIDER": "vllm"})
    assert intent is not None
    assert names(intent) == ["gpu", "ollama", "environment"]
    whole = {name for name in re.findall(r"\bLLM_[A-Z_]+\b", page) if not name.endswith("_")}
    assert whole <= configuration.VARIABLES.keys() | configuration.FALLBACK_VARIABLES.keys()
    left_out = configuration.VARIABLES.keys() - whole
    assert all(name.endswith("USD_PER_MILLION_TOKENS") for name in left_out)
