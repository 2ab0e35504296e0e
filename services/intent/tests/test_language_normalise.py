"""One spelling for what differs only in typing."""

from __future__ import annotations

import pytest
from opswire.intent.language.normalise import clean, normalise


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Please restart checkout on WEB-01!", "restart checkout on web-01"),
        ("hey team, could you please   restart\tcheckout\non web-01, thanks a lot", "restart checkout on web-01"),
        ("@opsbot restart checkout on web-01 pls", "restart checkout on web-01"),
        ("I need to restart checkout on web-01.", "restart checkout on web-01"),
        ("restart checkout on web\u200b-01", "restart checkout on web-01"),
        ("restart checkout\U000e0061\U000e0062 on web-01", "restart checkout on web-01"),
        ("restart \u202echeckout\u202c on web-01", "restart checkout on web-01"),
        ("ｒｅｓｔａｒｔ checkout on web-01", "restart checkout on web-01"),
        ("what can you do?", "what can you do"),
        ("can web-01 reach db-01?", "can web-01 reach db-01"),
        ("all hosts", "all hosts"),
        ("Hi", "hi"),
        ("thanks", "thanks"),
        ("please", "please"),
        ("...", "..."),
    ],
)
def test_politeness_case_and_invisible_characters_are_folded(text: str, expected: str) -> None:
    assert normalise(text) == expected


def test_a_quoted_command_keeps_its_case() -> None:
    assert normalise("Run `ls -L /Data` ON web-01") == "run `ls -L /Data` on web-01"
    assert normalise("Run 'ls -L'") != normalise("Run 'ls -l'")


def test_an_apostrophe_opens_no_quotation() -> None:
    assert normalise("What's THE ip of Bob's host") == "what's the ip of bob's host"


@pytest.mark.parametrize(
    "text", ["", " ", "\x00", "\ud800", "\u200b", "🎉", "a" * 8_000, "'" * 4_000, "please " * 1_000]
)
def test_any_text_has_a_normal_form_that_is_stable(text: str) -> None:
    once = normalise(text)
    assert clean(once) == once or "\ud800" in text
    assert "\u200b" not in once
    assert "\x00" not in once
