"""What `opswire tokens` counts of the executor is what a model is sent, and all of it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from opswire.executor.prompt_texts import CANNOT, main
from opswire.executor.prompts.library import load_prompt
from opswire.executor.rules.packaged import packaged_catalogue
from opswire.executor.usecases.offer import reading_tools


def told(capsys: pytest.CaptureFixture[str], *requests: str) -> dict[str, Any]:
    assert main(requests) == 0
    found = json.loads(capsys.readouterr().out)
    return {prompt["name"]: prompt for prompt in found["prompts"]}


def test_both_prompts_are_told_with_their_version_and_every_part(capsys: pytest.CaptureFixture[str]) -> None:
    found = told(capsys)
    assert list(found) == ["executor.plan", "executor.summary"]
    for name, prompt in (("plan", found["executor.plan"]), ("summary", found["executor.summary"])):
        loaded = load_prompt(name)
        assert (prompt["version"], prompt["key"]) == (loaded.version, loaded.key)
        for each in prompt["conversations"]:
            content = "".join(message["content"] for message in each["messages"])
            texts = {part: text for part, text in each["parts"].items() if part not in ("stable", "frame")}
            assert all(text and text in content for text in texts.values())
            # Nothing is left over: the parts are the whole prompt.
            assert len(content) == sum(map(len, each["parts"].values()))
            assert json.loads(each["schema"])["additionalProperties"] is False


def test_the_tools_are_those_of_the_catalogue(capsys: pytest.CaptureFixture[str]) -> None:
    (first, *_) = told(capsys)["executor.plan"]["conversations"]
    assert [line.partition("(")[0] for line in first["parts"]["tools"].splitlines()] == list(
        reading_tools(packaged_catalogue())
    )


def test_given_requests_are_planned_from_both_sides_of_the_example(capsys: pytest.CaptureFixture[str]) -> None:
    found = told(capsys, "why is checkout slow", "is the database full")
    for prompt in found.values():
        requests = [each["parts"]["request"] for each in prompt["conversations"]]
        assert requests == ["why is checkout slow"] * 2 + ["is the database full"] * 2
        assert len({json.dumps(each["messages"]) for each in prompt["conversations"]}) == 4


def test_a_catalogue_that_cannot_be_read_is_said(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "team.yaml").write_text("tools: [")
    monkeypatch.setenv("OPSWIRE_CATALOGUE_DIR", str(tmp_path))
    assert main([]) == CANNOT
    assert "team.yaml" in json.loads(capsys.readouterr().out)["error"]["message"]
