"""What an approver reads: nothing hides, nothing looks like something else, no text begins a line of ours."""

from __future__ import annotations

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st
from opswire.cli.views.visible import is_plain, odd_characters, visible

ODD = {
    "right-to-left override": ("rm \u202egpj.exe", "U+202E RIGHT-TO-LEFT OVERRIDE"),
    "zero-width space": ("pay\u200bpal", "U+200B ZERO WIDTH SPACE"),
    "tag letters": ("ok\U000e0072\U000e006d", "U+E0072 TAG LATIN SMALL LETTER R"),
    "Cyrillic in a Latin word": ("p\u0430ypal", "U+0430 CYRILLIC SMALL LETTER A"),
    "a word of look-alikes alone": ("\u0430\u0440\u0440", "U+0440 CYRILLIC SMALL LETTER ER"),
    "Greek": ("\u03bfps", "U+03BF GREEK SMALL LETTER OMICRON"),
    "full width": ("\uff52\uff4d", "U+FF52 FULLWIDTH LATIN SMALL LETTER R"),
    "Kelvin": ("\u212a", "U+212A KELVIN SIGN"),
    "mathematical": ("\U0001d42b", "U+1D42B MATHEMATICAL BOLD SMALL R"),
    "dotless i": ("\u0131nit", "U+0131 LATIN SMALL LETTER DOTLESS I"),
    "division slash": ("/etc\u2215passwd", "U+2215 DIVISION SLASH"),
    "en dash": ("rm \u2013rf", "U+2013 EN DASH"),
    "quotation mark": ("\u2019", "U+2019 RIGHT SINGLE QUOTATION MARK"),
    "hyphen of a syllabary": ("rm \u30fcrf", "U+30FC KATAKANA-HIRAGANA PROLONGED SOUND MARK"),
    "no-break space": ("a\u00a0b", "U+00A0 NO-BREAK SPACE"),
    "combining stroke": ("a\u0338", "U+0338 COMBINING LONG SOLIDUS OVERLAY"),
    "escape": ("\x1b[2J", "U+001B CONTROL"),
    "carriage return": ("rm -rf\rls", "U+000D CONTROL"),
    "backspace": ("a\bb", "U+0008 CONTROL"),
    "tab": ("a\tb", "U+0009 CONTROL"),
    "our own brackets": ("‹U+0061 A›", "U+2039 SINGLE LEFT-POINTING ANGLE QUOTATION MARK"),
    "our own sign of a line break": ("a⏎", "U+23CE RETURN SYMBOL"),
    "line separator": ("a\u2028b", "U+2028 LINE SEPARATOR"),
    "private use": ("\ue000", "U+E000 PRIVATE USE"),
    "lone surrogate": ("\ud800", "U+D800 HALF OF A PAIR"),
}


@pytest.mark.parametrize("case", ODD)
def test_what_hides_or_looks_like_another_is_named(case: str) -> None:
    text, named = ODD[case]
    assert named in odd_characters(text)
    shown = visible(text).plain
    assert f"‹{named}›" in shown
    assert not any(unicodedata.category(one) in {"Cc", "Cf", "Cs"} for one in shown)


@pytest.mark.parametrize(
    "text", ["", "systemctl restart nginx", "Müller & Søren", "café", "重启服务器", "서버 재시작", "100 €"]
)
def test_what_can_be_taken_for_nothing_else_stays(text: str) -> None:
    assert visible(text).plain == text
    assert odd_characters(text) == []


def test_a_line_break_begins_no_line_of_ours() -> None:
    shown = visible("ok\nstep 2 of 2: ssh.host_status  read", margin="    | ").plain
    assert shown == "ok⏎\n    | step 2 of 2: ssh.host_status  read"
    assert odd_characters("a\nb") == []


@given(st.text())
def test_nothing_of_any_text_acts_or_hides(text: str) -> None:
    shown = visible(text, margin="| ").plain
    assert all(one == "\n" or unicodedata.category(one) not in {"Cc", "Cf", "Cs", "Co", "Cn", "Mn"} for one in shown)
    assert shown.count("\n") == text.count("\n")
    assert bool(odd_characters(text)) == any(one != "\n" and not is_plain(one) for one in text)


@given(st.text(), st.text())
def test_two_texts_never_look_the_same(one: str, other: str) -> None:
    if one != other:
        assert visible(one, margin="| ").plain != visible(other, margin="| ").plain
