"""The model tier and the cascade, asked of a scripted model over real HTTP: accuracy, tokens, failures, batches."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from opswire.chassis.testing.scripted_model import ScriptedModel
from opswire.chassis.testing.scripted_steps import Answer, Body, Fail
from opswire.intent.evaluation.__main__ import CANNOT, main
from opswire.intent.evaluation.expectations import Expectation, own_expectations
from opswire.intent.evaluation.figures import HEADLINE
from opswire.intent.prompts.request_text import harmless

WORDS = ("zero", "one", "two", "three", "four", "five", "six", "seven", "eight")
NOTHING_SURE = "--suffices=1"


def rows() -> list[dict[str, Any]]:
    """Nine requests: every third is to restart a service, the others are to list assets."""
    return [
        {
            "query": f"request {word} about web-0{number}",
            "expected_intent": "service.restart" if number % 3 == 0 else "asset.list",
            "expected_entities": [{"type": "host", "value": f"web-0{number}"}],
            "expected_risk": "MEDIUM" if number % 3 == 0 else "LOW",
        }
        for number, word in enumerate(WORDS)
    ]


def request_in(body: Body) -> str:
    """The request's own words in what the model is asked."""
    found = re.search(r"<request>\n(.*)\n</request>", body["messages"][-1]["content"], re.DOTALL)
    assert found is not None
    return found.group(1)


def reply(body: Body, intent: str, risk: str, entities: list[dict[str, str]]) -> str:
    """The keys that this call asks for, whichever prompt set it is of."""
    said = {"intent": intent, "entities": entities, "confidence": 90, "risk": risk, "reason": "clear"}
    asked = body["response_format"]["json_schema"]["schema"]["required"]
    return json.dumps({key: said[key] for key in asked})


def knowing(expectations: list[Expectation]) -> Callable[[Body], str]:
    """A model that answers what is expected."""
    known = {harmless(each.query): each for each in expectations}

    def say(body: Body) -> str:
        label = known[request_in(body)]
        entities = [{"type": each.type.value, "value": each.value} for each in label.expected_entities]
        return reply(body, label.expected_intent.value, label.expected_risk.value, entities)

    return say


def same_for_all(body: Body) -> str:
    """A model that says the same of everything."""
    return reply(body, "asset.list", "LOW", [])


@pytest.fixture
def model(monkeypatch: pytest.MonkeyPatch) -> Iterator[ScriptedModel]:
    """A model server, configured as the environment of a service would."""
    with ScriptedModel(Answer(same_for_all, input_tokens=100, output_tokens=10, cached_tokens=60)) as scripted:
        monkeypatch.setenv("LLM_PROVIDER", "vllm")
        monkeypatch.setenv("LLM_BASE_URL", scripted.url)
        monkeypatch.setenv("LLM_MODEL", "scripted")
        yield scripted


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "rows.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in rows()), encoding="utf-8")
    return path


@pytest.fixture(scope="module")
def classifier(tmp_path_factory: pytest.TempPathFactory) -> str:
    """Where the classifier is trained once."""
    return str(tmp_path_factory.mktemp("state") / "classifier")


def expectations_of(file: Path) -> list[Expectation]:
    return [Expectation.model_validate_json(line) for line in file.read_text().splitlines()]


def run(capsys: pytest.CaptureFixture[str], *arguments: str) -> Any:
    """The report."""
    assert main(arguments) == 0
    return json.loads(capsys.readouterr().out)


def test_a_model_that_knows_everything_is_right_in_everything(
    model: ScriptedModel, file: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    model.always(Answer(knowing(expectations_of(file))))
    found = run(capsys, str(file), "--tier", "model", "--model", "unused")
    assert [found[name] for name in HEADLINE] == [1.0, 1.0, 1.0, 1.0, 1.0, 1.0, 0.0]
    assert list(found)[: len(HEADLINE) + 1] == ["n", *HEADLINE]
    assert (found["tier"], found["failures"]["n"], found["sources"]["model"]["n"]) == ("model", 0, 9)
    assert found["classifier_digest"] is None
    assert found["prompts"].startswith("merged/v1/")
    assert found["model"]["base_url"] == model.url


@pytest.mark.parametrize(("prompts", "calls"), [("merged", 1), ("compact", 3), ("baseline", 4)])
def test_a_model_that_always_says_the_same_is_counted_as_by_hand(
    prompts: str, calls: int, model: ScriptedModel, file: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    found = run(capsys, str(file), "--tier", "model", "--model", "unused", "--prompts", prompts, "--concurrency", "3")
    # Six of nine are asset.list. Its precision is 6/9, its recall 1, its F1 0.8; service.restart was never read.
    assert (found["n"], found["strict_accuracy"]) == (9, pytest.approx(6 / 9))
    assert found["macro_f1"] == pytest.approx(0.8 / 2)
    assert found["entity_recall"] == 0.0
    assert found["under_risk_count"] == 3
    assert len(model.calls) == 9 * calls
    usage = found["usage"]
    assert (usage["calls"], usage["per_request"]["calls"]) == (9 * calls, calls)
    assert (usage["prompt_tokens"], usage["per_request"]["prompt_tokens"]) == (900 * calls, 100 * calls)
    assert (usage["cached_tokens"], usage["cached_share"], usage["output_tokens"]) == (540 * calls, 0.6, 90 * calls)
    assert sum(row["prompt_tokens"] for row in found["requests"]) == usage["prompt_tokens"]
    assert found["unused_tokens"] == {"prompt": 0, "output": 0}


def test_prices_make_a_cost(
    model: ScriptedModel, file: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("LLM_INPUT_USD_PER_MILLION_TOKENS", "10")
    monkeypatch.setenv("LLM_OUTPUT_USD_PER_MILLION_TOKENS", "20")
    monkeypatch.setenv("LLM_CACHED_INPUT_USD_PER_MILLION_TOKENS", "1")
    model.always(Answer(knowing(expectations_of(file)), input_tokens=100, output_tokens=10, cached_tokens=60))
    found = run(capsys, str(file), "--tier", "model", "--model", "unused")
    assert found["usage"]["cost_usd"] == pytest.approx(9 * (40 * 10 + 60 * 1 + 10 * 20) / 1e6)
    assert found["usage"]["per_request"]["cost_usd"] == pytest.approx(0.00066)
    assert found["saved"] == {"by_cache_usd": pytest.approx(9 * 60 * 9 / 1e6), "by_batch_usd": 0.0}


def test_failures_count_as_wrong_and_none_is_dropped(
    model: ScriptedModel, file: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    right = Answer(knowing(expectations_of(file)), input_tokens=100, output_tokens=10)
    model.always(right)
    model.then(*[right, right, Fail(400)] * 3)
    found = run(capsys, str(file), "--tier", "model", "--model", "unused", "--concurrency", "1")
    assert (found["n"], len(found["requests"]), found["strict_accuracy"]) == (9, 9, pytest.approx(6 / 9))
    assert found["risk_accuracy"] == pytest.approx(6 / 9)
    assert found["entity_recall"] == pytest.approx(6 / 9)
    assert found["under_risk_count"] == 0
    assert found["failures"]["by_code"] == {"inference_refused": 3}
    assert found["failures"]["rate"] == pytest.approx(1 / 3)
    assert found["sources"]["none"]["n"] == 3
    assert (found["usage"]["prompt_tokens"], found["usage"]["unmeasured_calls"]) == (600, 3)
    failed = [row for row in found["requests"] if row["failure"]]
    assert {(row["intent"], row["risk"], row["answered"]) for row in failed} == {(None, None, False)}


def test_replies_that_nobody_can_use_are_failures_and_their_tokens_are_said(
    model: ScriptedModel, file: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    model.always(Answer('{"surprise": 1}', input_tokens=100, output_tokens=10))
    found = run(capsys, str(file), "--tier", "model", "--model", "unused")
    assert found["failures"]["by_code"] == {"inference_reply_invalid": 9}
    assert (found["strict_accuracy"], found["calibration_error"], found["macro_f1"]) == (0.0, 0.0, 0.0)
    # Each was asked for once more before it was given up.
    assert found["unused_tokens"] == {"prompt": 1_800, "output": 180}


def test_a_server_that_is_away_fails_every_request_and_ends(
    model: ScriptedModel, file: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    model.refuse()
    found = run(capsys, str(file), "--tier", "model", "--model", "unused")
    assert found["failures"]["by_code"] == {"inference_unavailable": 9}
    assert found["usage"]["prompt_tokens"] == 0


def test_the_cascade_asks_the_model_only_what_the_classifier_is_not_sure_of(
    model: ScriptedModel, classifier: str, capsys: pytest.CaptureFixture[str]
) -> None:
    model.always(Answer(knowing(own_expectations()), input_tokens=100, output_tokens=10))
    found = run(capsys, "--tier", "cascade", "--model", classifier, "--suffices", "0.8")
    sources = found["sources"]
    assert sources["local"]["n"] > 0
    assert sources["model"]["n"] > 0
    assert found["usage"]["requests_with_a_call"] == len(model.calls) == found["usage"]["calls"]
    assert found["n"] == len(own_expectations())
    assert sources["model"]["strict_accuracy"] == 1.0
    local = run(capsys, "--model", classifier)
    assert found["strict_accuracy"] > local["strict_accuracy"]


def test_a_model_that_is_unsure_makes_the_cascade_ask_back_and_that_counts_as_wrong(
    model: ScriptedModel, file: Path, classifier: str, capsys: pytest.CaptureFixture[str]
) -> None:
    def unsure(body: Body) -> str:
        return json.dumps({**json.loads(same_for_all(body)), "confidence": 10})

    model.always(Answer(unsure))
    found = run(capsys, str(file), "--tier", "cascade", "--model", classifier, NOTHING_SURE)
    assert found["failures"]["by_code"] == {"unclear_request": 9}
    assert found["strict_accuracy"] == 0.0


def test_two_prompt_sets_are_compared_in_accuracy_and_in_tokens(
    model: ScriptedModel, file: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    before = run(capsys, str(file), "--tier", "model", "--model", "unused", "--prompts", "baseline")
    (tmp_path / "before.json").write_text(json.dumps(before))
    model.always(Answer(knowing(expectations_of(file)), input_tokens=80, output_tokens=10))
    against = str(tmp_path / "before.json")
    found = run(capsys, str(file), "--tier", "model", "--model", "unused", "--against", against)["comparison"]
    assert len(found["gained"]) == 3
    assert found["usage"]["prompt_tokens"] == {"before": 400.0, "now": 80.0, "change": pytest.approx(-0.8)}
    assert found["usage"]["calls"] == {"before": 4.0, "now": 1.0, "change": pytest.approx(-0.75)}
    assert found["made_with"]["prompts"]["before"].startswith("baseline/v1/")


@pytest.mark.parametrize("prompts", ["merged", "baseline"])
def test_a_batch_run_gives_the_same_figures_and_leaves_nothing_behind(
    prompts: str, model: ScriptedModel, file: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    model.always(Answer(knowing(expectations_of(file)), input_tokens=100, output_tokens=10))
    arguments = (str(file), "--tier", "model", "--model", "unused", "--prompts", prompts)
    single = run(capsys, *arguments)
    batched = run(capsys, *arguments, "--batch", str(tmp_path / "batches"))
    assert (single["lane"], batched["lane"]) == ("calls", "bulk_calls")
    for name in (*HEADLINE, "usage", "failures", "unused_tokens"):
        assert batched[name] == single[name], name
    assert list((tmp_path / "batches").iterdir()) == []


def test_a_batch_run_that_broke_asks_only_for_what_it_has_not(
    model: ScriptedModel,
    file: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setenv("LLM_CONCURRENCY_MAX", "1")
    right = Answer(knowing(expectations_of(file)), input_tokens=100, output_tokens=10)
    model.always(right)
    model.then(right, right, right, right, Fail(401))
    arguments = (str(file), "--tier", "model", "--model", "unused")
    batch = ("--batch", str(tmp_path / "batches"))
    assert main((*arguments, *batch)) == CANNOT
    error = json.loads(capsys.readouterr().out)["error"]
    assert "the batch is not done" in error["message"]
    assert "repeat the same command" in error["advice"]
    asked = len(model.calls)
    found = run(capsys, *arguments, *batch)
    assert found["strict_accuracy"] == 1.0
    assert len(model.calls) - asked == 5


def test_progress_is_said_on_standard_error(
    model: ScriptedModel, file: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main((str(file), "--tier", "model", "--model", "unused")) == 0
    assert "9 of 9 requests read" in capsys.readouterr().err


def test_settings_that_are_wrong_are_said_before_anything_is_asked(
    file: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("LLM_PROVIDER", "vllm")
    monkeypatch.setenv("LLM_BASE_URL", "nonsense")
    assert main((str(file), "--tier", "model", "--model", "unused")) == CANNOT
    error = json.loads(capsys.readouterr().out)["error"]
    assert "the inference configuration is wrong: LLM_BASE_URL" in error["message"]
    assert error["advice"] == "opswire inference check"
