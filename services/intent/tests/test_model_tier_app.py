"""The service put together: what it loads without a model server, and what it says when the settings are wrong."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

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
