"""`opswire eval intents` as a user runs it: nothing of Opswire runs, and there is no broker."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from opswire.chassis.testing.scripted_model import ScriptedModel
from opswire.chassis.testing.scripted_steps import Answer
from opswire.cli.testing import CommandLine

HEADLINE = (
    "strict_accuracy",
    "lenient_accuracy",
    "macro_f1",
    "entity_precision",
    "entity_recall",
    "risk_accuracy",
    "under_risk_rate",
)
ROW = {
    "query": "restart \x1b[31m nginx on web-01",
    "expected_intent": "data.delete",
    "also_accepted": [],
    "expected_entities": [],
    "expected_risk": "CRITICAL",
    "risk_also_accepted": [],
}


@pytest.fixture(scope="module")
def opswire(tmp_path_factory: pytest.TempPathFactory) -> CommandLine:
    """The command line on a state directory that the first evaluation fills with a classifier."""
    return CommandLine(tmp_path_factory.mktemp("machine") / "state", {})


def test_our_own_set_is_measured_and_a_run_is_compared_with_an_earlier_one(
    opswire: CommandLine, tmp_path: Path
) -> None:
    first = opswire.run("eval", "intents", "--json", timeout_s=120)
    assert first.status == 0, first.err
    report = first.json
    assert report["n"] >= 80
    assert all(0.0 <= report[name] <= 1.0 for name in HEADLINE)
    assert (opswire.state_dir / "classifier").exists()
    (tmp_path / "earlier.json").write_text(first.out)
    again = opswire.run("eval", "intents", "--against", str(tmp_path / "earlier.json"))
    assert again.status == 0, again.err
    assert f"{report['n']:,} requests of the project's own set" in again.out
    assert "intent, strict" in again.out
    assert "0 became right, 0 became wrong" in again.out
    assert "training" not in again.err


def test_a_file_is_measured_and_what_it_holds_cannot_act_on_the_terminal(opswire: CommandLine, tmp_path: Path) -> None:
    file = tmp_path / "rows.jsonl"
    file.write_text(json.dumps(ROW) + "\n")
    found = opswire.run("eval", "intents", str(file), "--threshold", "0.3", timeout_s=120)
    assert found.status == 0, found.err
    assert "1 request of" in found.out
    assert "at confidence 0.30" in found.out
    assert "risk MEDIUM for CRITICAL" in found.out
    assert "\x1b" not in found.out


def test_a_bad_line_is_named_with_its_number(opswire: CommandLine, tmp_path: Path) -> None:
    file = tmp_path / "rows.jsonl"
    file.write_text(json.dumps(ROW) + "\n" + json.dumps(ROW | {"expected_intent": "service.explode"}) + "\n")
    found = opswire.run("eval", "intents", str(file))
    assert (found.status, found.out) == (2, "")
    assert "rows.jsonl, line 2: expected_intent" in found.err
    assert "Traceback" not in found.err


@pytest.mark.parametrize("tier", ["model", "cascade"])
def test_a_tier_that_asks_a_model_says_what_to_set_where_none_is_configured(opswire: CommandLine, tier: str) -> None:
    found = opswire.run("eval", "intents", "--tier", tier, "--json")
    assert found.status == 2
    assert "no model server is configured" in found.json["error"]["message"]
    assert "LLM_PROVIDER" in found.json["error"]["advice"]


def test_the_model_tier_counts_calls_and_tokens_and_a_failed_request_as_wrong(tmp_path: Path) -> None:
    reply = {"intent": "service.restart", "entities": [], "confidence": 90, "risk": "HIGH", "reason": "clear"}
    rows = [ROW | {"expected_intent": "service.restart", "query": f"restart nginx on web-{n:02}"} for n in range(4)]
    file = tmp_path / "rows.jsonl"
    file.write_text("".join(json.dumps(row) + "\n" for row in rows))
    with ScriptedModel(Answer(json.dumps(reply, separators=(",", ":")))) as model:
        model.then(Answer("no JSON"), Answer("nor this"))
        settings = {"LLM_PROVIDER": "vllm", "LLM_BASE_URL": model.url, "LLM_MODEL": "scripted"}
        opswire = CommandLine(tmp_path / "state", settings)
        arguments = ("eval", "intents", str(file), "--tier", "model", "--concurrency", "1", "--json")
        found = opswire.run(*arguments, timeout_s=120)
        assert found.status == 0, found.err
        report = found.json
        asked = len(model.calls)
    assert (report["n"], report["strict_accuracy"], report["tier"]) == (4, 0.75, "model")
    assert report["failures"]["by_code"] == {"inference_reply_invalid": 1}
    usage = report["usage"]
    assert (usage["calls"], usage["unmeasured_calls"], asked) == (4, 1, 5)
    assert usage["prompt_tokens"] > 0


def test_the_server_that_inference_use_chose_is_asked_and_the_report_is_shown(tmp_path: Path) -> None:
    reply = {"intent": "service.restart", "entities": [], "confidence": 90, "risk": "HIGH", "reason": "clear"}
    file = tmp_path / "rows.jsonl"
    file.write_text(json.dumps(ROW) + "\n")
    opswire = CommandLine(tmp_path / "state", {})
    with ScriptedModel(Answer(json.dumps(reply), input_tokens=1_234, output_tokens=9, cached_tokens=1_000)) as model:
        chosen = opswire.run("inference", "use", "vllm", "--base-url", model.url, "--model", "scripted")
        assert chosen.status == 0, chosen.err
        found = opswire.run("eval", "intents", str(file), "--tier", "model", "--batch", timeout_s=120)
        assert found.status == 0, found.err
        assert len(model.calls) == 1
    assert f"model scripted at {model.url}, bulk_calls" in found.out
    assert "1234" in found.out
    assert "service.restart for data.delete, risk HIGH for CRITICAL" in found.out
    assert "1 of 1 requests read" in found.err


def test_the_tokens_of_every_prompt_are_counted(opswire: CommandLine) -> None:
    found = opswire.run("tokens", "--json", timeout_s=120)
    assert found.status == 0, found.err
    prompts = {row["name"]: row for row in found.json["prompts"]}
    assert {name: row["calls"] for name, row in prompts.items()} == {"baseline": 4, "compact": 3, "merged": 1}
    assert prompts["merged"]["prompt_tokens"] <= 0.3 * prompts["baseline"]["prompt_tokens"]
    plan, summary = found.json["others"]
    assert (plan["name"], summary["name"]) == ("executor.plan", "executor.summary")
    assert plan["steps"][0]["parts"]["tools"]["tokens"] > 100
    assert summary["steps"][0]["parts"]["outputs"]["characters"] > 500
    shown = opswire.run("tokens", "--prompts", "merged", "is nginx running on web-01?", timeout_s=120)
    assert shown.status == 0, shown.err
    assert "merged v1" in shown.out
    assert "executor.plan" not in shown.out


def test_a_given_request_is_counted_in_the_executors_prompts_too(opswire: CommandLine) -> None:
    shown = opswire.run("tokens", "why is checkout slow since this morning?", timeout_s=120)
    assert shown.status == 0, shown.err
    for words in ("executor.plan v1", "tools of the catalogue", "executor.summary v1", "outputs of tools"):
        assert words in shown.out
