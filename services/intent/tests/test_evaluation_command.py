"""`python -m opswire.intent.evaluation` from arguments to the report, with the real classifier."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from opswire.intent.classifier.labelled import digest_of, load_labelled
from opswire.intent.evaluation.__main__ import CANNOT, main

LENIENT_MIN = 0.75
STRICT_MIN = 0.65
UNDER_RISK_MAX = 0.02
ROWS = [
    {"query": "restart nginx on web-01", "expected_intent": "service.restart", "also_accepted": [],
     "expected_entities": [{"type": "host", "value": "web-01"}], "expected_risk": "MEDIUM", "risk_also_accepted": []},
    {"query": "list all servers", "expected_intent": "asset.count", "also_accepted": ["asset.list"],
     "expected_risk": "LOW", "risk_also_accepted": []},
    {"query": "what can you do?", "expected_intent": "data.delete", "also_accepted": [],
     "expected_risk": "CRITICAL", "risk_also_accepted": ["HIGH"]},
]  # fmt: skip


@pytest.fixture(scope="module")
def first_run(tmp_path_factory: pytest.TempPathFactory) -> subprocess.CompletedProcess[str]:
    """Our own set, from nothing: the classifier is trained on the way. `args[-1]` is its file."""
    model = tmp_path_factory.mktemp("state") / "classifier"
    command = [sys.executable, "-m", "opswire.intent.evaluation", "--model", str(model)]
    return subprocess.run(command, capture_output=True, text=True, timeout=120, check=True)


@pytest.fixture(scope="module")
def model(first_run: subprocess.CompletedProcess[str]) -> str:
    return str(first_run.args[-1])


@pytest.fixture
def rows(tmp_path: Path) -> str:
    file = tmp_path / "rows.jsonl"
    file.write_text("".join(json.dumps(row) + "\n" for row in ROWS), encoding="utf-8")
    return str(file)


def run(capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, Any]:
    """Status and the one JSON document."""
    status = main(arguments)
    return status, json.loads(capsys.readouterr().out)


def test_our_own_set_is_read_well_enough_and_training_tells_of_itself(
    first_run: subprocess.CompletedProcess[str],
) -> None:
    found = json.loads(first_run.stdout)
    assert "training" in first_run.stderr
    assert found["classifier_digest"] == digest_of(load_labelled())
    assert found["lenient_accuracy"] >= LENIENT_MIN
    assert found["strict_accuracy"] >= STRICT_MIN
    assert found["under_risk_rate"] <= UNDER_RISK_MAX


def test_the_local_tier_loads_no_client_of_a_model_server(model: str, rows: str) -> None:
    program = (
        "import sys\n"
        "from opswire.intent.evaluation.__main__ import main\n"
        f"assert main(['--model', {model!r}, {rows!r}]) == 0\n"
        "heavy = {'openai', 'anthropic', 'aiohttp', 'tiktoken', 'opswire.chassis.inference.client'}\n"
        "print('LOADED', sorted(heavy & set(sys.modules)), file=sys.stderr)\n"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=60, check=True)
    assert "LOADED []" in done.stderr


def test_a_file_is_counted(model: str, rows: str, capsys: pytest.CaptureFixture[str]) -> None:
    status, found = run(capsys, rows, "--model", model)
    assert status == 0
    assert (found["n"], found["strict_accuracy"], found["lenient_accuracy"]) == (3, 1 / 3, 2 / 3)
    assert (found["under_risk_count"], found["tier"], found["set"]) == (1, "local", rows)
    assert found["entity_recall"] == 1.0
    _, none = run(capsys, rows, "--model", model, "--threshold", "1")
    assert none["answered"]["n"] == 0


def test_a_run_compared_with_itself_differs_in_nothing(
    model: str, rows: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    _, before = run(capsys, rows, "--model", model)
    earlier = tmp_path / "earlier.json"
    earlier.write_text(json.dumps(before))
    status, found = run(capsys, rows, "--model", model, "--against", str(earlier))
    assert status == 0
    assert found["comparison"]["same_requests"]
    assert {one["change"] for one in found["comparison"]["figures"].values()} == {0.0}


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--tier", "model"], "no model server is configured"),
        (["--tier", "cascade"], "no model server is configured"),
        (["--prompts", "compact"], "asks no model"),
        (["--batch", "batches"], "asks no model"),
        (["--concurrency", "0"], "from 1 to 1024"),
        (["--suffices", "2"], "from 0 to 1"),
        (["--threshold", "1.5"], "from 0 to 1"),
        (["--threshold", "nan"], "from 0 to 1"),
        (["--against", "missing.json"], "cannot be read"),
        (["missing.jsonl"], "cannot be read"),
    ],
)
def test_what_cannot_be_done_is_said_before_anything_is_trained(
    arguments: list[str], said: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    status, found = run(capsys, *arguments, "--model", str(tmp_path / "classifier"))
    assert status == CANNOT
    assert said in found["error"]["message"]
    assert not (tmp_path / "classifier").exists()


@pytest.mark.parametrize("body", ["{", "[]", "{}", '{"n": 1, "requests": [{}]}'])
def test_what_is_no_report_is_not_compared_with(
    body: str, model: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "earlier.json").write_text(body)
    status, found = run(capsys, "--model", model, "--against", str(tmp_path / "earlier.json"))
    assert status == CANNOT
    assert "earlier.json is no" in found["error"]["message"]
