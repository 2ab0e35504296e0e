"""The page, in a real browser: what it shows, that its buttons work, and that it can be used without a mouse."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest

SECRETS = "sessionStorage.length + localStorage.length + document.cookie.length"


async def opened(browser: Any, running: Any, **look: Any) -> None:
    await asyncio.to_thread(browser.open, f"{running.url}/cache", **look)
    await asyncio.to_thread(browser.wait_for, "document.body?.dataset.ready === 'yes'")


async def told(running: Any, tell: Any) -> None:
    await tell("assets-a", hits=30, misses=10, key="<img src=x onerror=document.title='stolen'>")
    await tell("intent-b", hits=5, misses=5, cache="intent", inside_lease=False)
    await running.until("/cache/stats", lambda found: len(found["caches"]) >= 2)
    await running.until("/cache/history", lambda found: len(found["points"]) >= 2)


@pytest.mark.parametrize("scheme", ["light", "dark"])
async def test_the_page_shows_what_the_processes_say(
    cache_service: Any, tell: Any, browser: Any, tmp_path: Path, scheme: str
) -> None:
    await told(cache_service, tell)
    await opened(browser, cache_service, scheme=scheme)
    text = await asyncio.to_thread(browser.evaluate, "document.body.innerText")
    for words in ("70.0 %", "context", "assets-a", "held: serving", "lost: fenced", "100.0 %"):
        assert words in text
    image = await asyncio.to_thread(browser.screenshot, tmp_path / f"cache-{scheme}.png")
    assert image.startswith(b"\x89PNG")
    assert len(image) > 20_000
    dark = await asyncio.to_thread(browser.evaluate, "getComputedStyle(document.body).backgroundColor")
    assert dark == ("rgb(246, 245, 241)" if scheme == "light" else "rgb(20, 24, 27)")
    assert browser.complaints == []


async def test_what_people_asked_is_shown_as_text_and_never_run(cache_service: Any, tell: Any, browser: Any) -> None:
    await told(cache_service, tell)
    await opened(browser, cache_service)
    found = await asyncio.to_thread(browser.evaluate, "document.getElementById('keys').innerText")
    assert "<img src=x" in found
    assert await asyncio.to_thread(browser.evaluate, "document.images.length") == 0
    assert await asyncio.to_thread(browser.evaluate, "document.title") == "Opswire caches"


async def test_a_button_invalidates_with_the_token_and_the_token_is_kept_nowhere(
    cache_service: Any, browser: Any
) -> None:
    await opened(browser, cache_service)
    run = browser.evaluate
    assert await asyncio.to_thread(run, "[...document.querySelectorAll('.write')].every(one => one.disabled)")
    use = "document.getElementById('token').value = {!r}; document.querySelector('#token-form button').click()"
    await asyncio.to_thread(run, use.format("wrong"))
    press = (
        "document.getElementById('name').value = 'web-01'; document.querySelector('#invalidate-form button').click()"
    )
    await asyncio.to_thread(run, press)
    said = "document.getElementById('said').textContent"
    await asyncio.to_thread(browser.wait_for, f"{said}.startsWith('Not done: a write needs')")
    await asyncio.to_thread(run, use.format(cache_service.token))
    await asyncio.to_thread(run, press)
    await asyncio.to_thread(browser.wait_for, f"{said}.startsWith('No process serves it any longer')")
    assert await asyncio.to_thread(run, SECRETS) == 0
    assert cache_service.token not in await asyncio.to_thread(run, "document.documentElement.outerHTML")
    assert await asyncio.to_thread(run, "document.getElementById('token').value") == ""


async def test_the_page_is_used_by_keyboard_and_read_aloud(cache_service: Any, browser: Any) -> None:
    await opened(browser, cache_service)
    seen = []
    for _ in range(6):
        await asyncio.to_thread(browser.key, "Tab")
        seen.append(
            await asyncio.to_thread(browser.evaluate, "document.activeElement.id || document.activeElement.type")
        )
    assert seen[:4] == ["token", "submit", "kind", "name"]
    outline = await asyncio.to_thread(browser.evaluate, "getComputedStyle(document.activeElement).outlineStyle")
    assert outline == "solid"
    await asyncio.to_thread(browser.send, "Accessibility.enable")
    tree = (await asyncio.to_thread(browser.send, "Accessibility.getFullAXTree"))["nodes"]
    named = [
        (node["role"]["value"], node.get("name", {}).get("value", ""))
        for node in tree
        if not node.get("ignored")
        and node.get("role", {}).get("value") in ("button", "textbox", "combobox", "table", "image")
    ]
    nameless = [role for role, name in named if not name]
    assert nameless == []
    assert ("button", "Invalidate everything") in named
    assert await asyncio.to_thread(browser.evaluate, "document.documentElement.lang") == "en"


async def test_a_narrow_window_needs_no_sideways_scrolling(cache_service: Any, tell: Any, browser: Any) -> None:
    await told(cache_service, tell)
    await opened(browser, cache_service, wide=360, high=800)
    assert await asyncio.to_thread(browser.evaluate, "document.documentElement.scrollWidth <= 360")
