"""The service put together: what it loads without a model server, and what it says when the settings are wrong."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest
from opswire.chassis.inference.configuration import WatchedConfiguration
from opswire.chassis.metrics import Metrics
from opswire.intent.adapters.model_access import ModelAccess
from opswire.intent.errors import InferenceSettingsError

LOADED = """
import sys
from opswire.intent.app import create_app
service = create_app()
names = {name.partition('.')[0] for name in sys.modules}
print(sorted(names & {'openai', 'anthropic', 'tiktoken', 'sklearn'}), sorted(service.details))
"""
VLLM = {"LLM_PROVIDER": "vllm", "LLM_BASE_URL": "http://127.0.0.1:9/v1", "LLM_MODEL": "small"}


def run(code: str, **settings: str) -> subprocess.CompletedProcess[str]:
    classifier = Path(tempfile.gettempdir()) / "opswire-tests" / "classifier"  # trained once for all tests
    classifier.parent.mkdir(exist_ok=True)
    environment = {key: value for key, value in os.environ.items() if not key.startswith(("OPSWIRE_", "LLM_"))}
    environment |= {"OPSWIRE_CLASSIFIER_PATH": str(classifier)} | settings
    return subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True, timeout=120)


@pytest.mark.parametrize(
    ("settings", "details"), [({}, ["templates"]), (VLLM, ["inference", "templates"])], ids=["none", "configured"]
)
def test_client_libraries_are_not_loaded_before_they_are_needed(settings: dict[str, str], details: list[str]) -> None:
    """They cost a service tens of megabytes; without a model server it never uses them."""
    done = run(LOADED, **settings)
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines()[-1] == f"[] {details}"


def test_a_wrong_setting_ends_the_start_with_one_line_that_names_it() -> None:
    code = "from opswire.chassis.service import run_service; from opswire.intent.app import create_app; "
    done = run(code + "run_service('intent', create_app)", LLM_MODEL="small")
    assert done.returncode == 78
    last = (done.stdout + done.stderr).strip().splitlines()[-1]
    assert "LLM_MODEL is set, but no model server is named" in last


def test_a_file_that_is_not_there_yet_may_come_later(tmp_path: Path) -> None:
    file = tmp_path / "inference.yaml"
    access = ModelAccess.open(file, {}, Metrics())
    assert access is not None
    assert access.identity() is None
    assert access.state()["chain"] == []
    assert ModelAccess.open(None, {"LLM_TEMPERATURE": ""}, Metrics()) is None


def test_the_identity_is_of_the_first_endpoint_and_changes_with_its_model() -> None:
    def identity(**changes: str) -> tuple[str, str] | None:
        return ModelAccess(WatchedConfiguration("intent", None, VLLM | changes), Metrics()).identity()

    first = identity()
    assert first is not None
    assert first[1] == "vllm/small"
    assert identity(LLM_MODEL="large") != first
    fallback = {"LLM_FALLBACK_PROVIDER": "vllm", "LLM_FALLBACK_BASE_URL": "http://127.0.0.1:8/v1"}
    assert identity(**fallback, LLM_FALLBACK_MODEL="other") == first


def test_a_broken_file_at_the_start_names_its_line(tmp_path: Path) -> None:
    file = tmp_path / "inference.yaml"
    file.write_text("endpoints:\n  one: {provider: vllm, temperature: 9}\n")
    with pytest.raises(InferenceSettingsError, match=r"inference\.yaml"):
        ModelAccess.open(file, {}, Metrics())
