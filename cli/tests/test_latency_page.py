"""The page in a real browser: what it shows, that text from spans stays text, and that no mouse is needed."""

from __future__ import annotations

import signal
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from opswire.chassis.testing.browser import Browser
from opswire.cli.testing import CommandLine

sys.path.insert(0, str(Path(__file__).parent))  # the module beside the tests: test folders are no packages here

from latency_store import HOSTILE, REQUESTS, fill

TEXT = "document.body.innerText"


@pytest.fixture(scope="module")
def filled(tmp_path_factory: pytest.TempPathFactory) -> tuple[CommandLine, tuple[str, str]]:
    folder = tmp_path_factory.mktemp("traces")
    hours = fill(folder / "traces.db")
    command = CommandLine(folder / "state", {"OPSWIRE_TRACE_STORE": str(folder / "traces.db"), "TZ": "UTC"})
    assert command.run("latency", "--window", hours[1]).status == 0  # books all, so that the page need not wait
    return command, hours


@pytest.fixture(scope="module")
def exported(filled: tuple[CommandLine, tuple[str, str]]) -> str:
    command, hours = filled
    file = command.state_dir / "page.html"
    assert command.run("latency", "diff", *hours, "--html", str(file)).status == 0
    return file.as_uri()


@pytest.fixture(scope="module")
def served(filled: tuple[CommandLine, tuple[str, str]]) -> Iterator[str]:
    process = filled[0].start("latency", "serve")
    assert process.stdout is not None
    address = process.stdout.readline().strip()
    reader = threading.Thread(target=process.stdout.read, daemon=True)
    reader.start()
    yield address
    process.send_signal(signal.SIGINT)
    process.wait(30)
    reader.join(10)


def show(browser: Browser, address: str, **look: Any) -> None:
    browser.open(address, **look)
    browser.wait_for("document.body?.dataset.ready === 'yes'")


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_an_exported_page_tells_the_cause_and_shows_one_request(
    browser: Browser, exported: str, tmp_path: Path, scheme: str
) -> None:
    show(browser, exported, scheme=scheme, high=2_200)
    browser.wait_for("document.body.dataset.opened")
    text = browser.evaluate(TEXT)
    for words in ("bus.wait made requests slower: +", "window B", "untrusted", "together", "critical path"):
        assert words in text
    assert "An exported file" in text
    assert browser.evaluate("document.getElementById('windows').offsetHeight") == 0
    image = browser.screenshot(tmp_path / f"latency-{scheme}.png")
    assert image.startswith(b"\x89PNG")
    assert len(image) > 60_000
    paper = browser.evaluate("getComputedStyle(document.body).backgroundColor")
    assert paper == ("rgb(246, 245, 241)" if scheme == "light" else "rgb(20, 24, 27)")
    assert browser.complaints == []


def test_what_the_page_shows_is_what_the_ledger_counted(browser: Browser, exported: str) -> None:
    show(browser, exported)
    drawn = browser.evaluate("document.querySelectorAll('#timeline .dot').length")
    assert drawn == REQUESTS
    assert browser.evaluate("document.querySelectorAll('#timeline .range-a, #timeline .range-b').length") == 2
    assert browser.evaluate("document.querySelectorAll('#requests tr').length") == 50
    bars = "[...document.querySelectorAll('#requests .stack')].every(one => one.children.length > 3)"
    assert browser.evaluate(bars)
    widest = "Math.max(...[...document.querySelectorAll('#requests .stack')].map(one => [...one.children].reduce((sum, part) => sum + parseFloat(part.style.width), 0)))"  # noqa: E501
    assert browser.evaluate(widest) == pytest.approx(100, abs=0.1)


def test_text_from_spans_stays_text(browser: Browser, exported: str) -> None:
    show(browser, exported)
    browser.evaluate(f"open('cli/request-{REQUESTS - 1:03}', false)")
    browser.wait_for(f"document.body.dataset.opened === 'cli/request-{REQUESTS - 1:03}'")
    assert HOSTILE in browser.evaluate("document.getElementById('water').textContent")
    assert browser.evaluate("document.images.length") == 0
    assert browser.evaluate("document.title") == "Opswire latency"
    assert browser.complaints == []


def test_the_policy_stops_what_the_page_did_not_bring(browser: Browser, exported: str) -> None:
    show(browser, exported)
    browser.evaluate(
        "(() => { const made = document.createElement('script'); made.textContent = 'document.title = \"ran\"';"
        " document.body.append(made); })()"
    )
    assert browser.evaluate("document.title") == "Opswire latency"
    refused = browser.evaluate("fetch('http://127.0.0.1:9/').then(() => 'sent', error => error.name)")
    assert refused == "TypeError"


def test_windows_are_marked_and_compared_on_the_served_page(
    browser: Browser, served: str, filled: tuple[CommandLine, tuple[str, str]], tmp_path: Path
) -> None:
    show(browser, served)
    assert browser.evaluate("location.hash") == ""
    assert browser.evaluate("sessionStorage.length + localStorage.length + document.cookie.length") == 0
    before, after = filled[1]
    compare = (
        f"of('before').value = '{before}'; of('after').value = '{after}'; delete document.body.dataset.ready;"
        " document.querySelector('#windows button').click()"
    )
    browser.evaluate(compare)
    browser.wait_for("document.body.dataset.ready === 'yes'")
    assert "bus.wait made requests slower" in browser.evaluate(TEXT)
    browser.screenshot(tmp_path / "served.png")
    browser.evaluate(compare.replace(after, "noon"))
    browser.wait_for("of('said').textContent.startsWith('Not shown')")
    assert "is no window of time" in browser.evaluate("of('said').textContent")


def test_dragging_over_the_picture_marks_a_window(browser: Browser, served: str) -> None:
    show(browser, served)
    box = browser.evaluate("(b => [b.left, b.top, b.width])(of('timeline').getBoundingClientRect())")
    left, top, width = box
    browser.evaluate("delete document.body.dataset.ready")
    for kind, part in (("mousePressed", 0.6), ("mouseMoved", 0.7), ("mouseReleased", 0.8)):
        place = {"x": left + width * part, "y": top + 80, "button": "left", "buttons": 1, "clickCount": 1}
        browser.send("Input.dispatchMouseEvent", type=kind, **place)
    browser.wait_for("document.body.dataset.ready === 'yes'")
    marked = browser.evaluate("of('after').value")
    assert marked.count("Z") == 2
    assert browser.evaluate("look.after.end_ms - look.after.start_ms") > 0


def test_the_page_is_used_by_keyboard_and_read_aloud(browser: Browser, served: str) -> None:
    show(browser, served)
    seen = []
    for _ in range(9):
        browser.key("Tab")
        seen.append(
            browser.evaluate(
                "document.activeElement.id || document.activeElement.dataset.handle || document.activeElement.className"
            )
        )
    assert seen[:4] == ["skip", "before", "after", "route"]
    assert {"a-start_ms", "a-end_ms", "b-start_ms"} <= set(seen)
    assert browser.evaluate("getComputedStyle(document.activeElement).outlineStyle") == "solid"
    browser.evaluate("document.querySelector('[data-handle=b-start_ms]').focus()")
    start = "look.after.start_ms"
    first = browser.evaluate(start)
    for kind in ("keyDown", "keyUp"):
        browser.send("Input.dispatchKeyEvent", type=kind, key="ArrowRight", code="ArrowRight", windowsVirtualKeyCode=39)
    assert browser.evaluate(start) > first
    assert browser.evaluate("document.activeElement.dataset.handle") == "b-start_ms"
    assert browser.evaluate("of('after').value").count("Z") == 2
    browser.evaluate("document.querySelector('#requests button').click()")
    browser.wait_for("document.activeElement.id === 'h-detail'")


def test_everything_that_can_be_used_has_a_name(browser: Browser, exported: str) -> None:
    show(browser, exported)
    browser.send("Accessibility.enable")
    tree = browser.send("Accessibility.getFullAXTree")["nodes"]
    roles = ("button", "textbox", "combobox", "table", "image", "slider", "region", "main", "heading", "columnheader")
    named = [
        (node["role"]["value"], node.get("name", {}).get("value", ""))
        for node in tree
        if not node.get("ignored") and node.get("role", {}).get("value") in roles
    ]
    assert [role for role, name in named if not name and role != "main"] == []
    assert {"table", "image", "region", "main", "columnheader"} <= {role for role, _ in named}
    assert browser.evaluate("document.documentElement.lang") == "en"


def test_words_stand_out_from_their_ground_in_both_schemes(browser: Browser, exported: str) -> None:
    contrast = """[...document.querySelectorAll('td, th, p, caption, dd, dt, small, button, label')].map(one => {
      const light = colour => { const c = colour.match(/[\\d.]+/g).slice(0, 3).map(v => v / 255).map(v => v <= .03928 ? v / 12.92 : ((v + .055) / 1.055) ** 2.4); return .2126 * c[0] + .7152 * c[1] + .0722 * c[2]; };
      let ground = one; while (ground && /rgba\\(0, 0, 0, 0\\)|transparent/.test(getComputedStyle(ground).backgroundColor)) ground = ground.parentElement;
      const pair = [light(getComputedStyle(one).color), light(getComputedStyle(ground || document.body).backgroundColor.startsWith('rgb') ? getComputedStyle(ground || document.body).backgroundColor : getComputedStyle(document.querySelector('section')).backgroundColor)].sort((a, b) => b - a);
      return one.textContent.trim() ? (pair[0] + .05) / (pair[1] + .05) : 99; }).reduce((a, b) => Math.min(a, b))"""  # noqa: E501
    for scheme in ("light", "dark"):
        show(browser, exported, scheme=scheme)
        assert browser.evaluate(contrast) >= 4.5, scheme


def test_a_narrow_window_needs_no_sideways_scrolling_and_motion_may_be_refused(browser: Browser, exported: str) -> None:
    show(browser, exported, wide=360, high=800)
    assert browser.evaluate("document.documentElement.scrollWidth <= 360")
    browser.send("Emulation.setEmulatedMedia", features=[{"name": "prefers-reduced-motion", "value": "reduce"}])
    moving = "[...document.querySelectorAll('*')].filter(one => parseFloat(getComputedStyle(one).transitionDuration) > 0).length"  # noqa: E501
    assert browser.evaluate(moving) == 0
