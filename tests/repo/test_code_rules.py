"""The repository keeps its own habits; every rule is fed one sample that it must refuse."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path, PurePosixPath

import pytest
from rules import RULES, Rule, sleeping_tests

ROOT = Path(__file__).parents[2]
LEFT_OUT = {".venv", ".tools", ".opswire", ".git", ".hypothesis", "__pycache__", "node_modules", "bad", "build", "dist"}
NO_TIMES = "tests wait for events, never for time"
ALLOWED: dict[tuple[str, str], str] = {
    (NO_TIMES, "chassis/src/opswire/chassis/testing/waiting.py"): "the one place that asks again and again",
    (NO_TIMES, "chassis/src/opswire/chassis/testing/pace.py"): "the lease itself, and a source of uneven speed",
    (NO_TIMES, "chassis/tests/test_caching_checker.py"): "the pace at which writes come",
    (NO_TIMES, "services/executor/tests/crash_worker.py"): "how long an effect lasts, and between attempts",
    (NO_TIMES, "services/executor/tests/test_executor_sql_driver.py"): "the time of a step is what is tested",
    (NO_TIMES, "tests/fault/cache_processes.py"): "the pace of readers and writers, in processes of their own",
    (NO_TIMES, "tests/fault/reaper.py"): "the random moments at which processes die, and how long they stay away",
    (NO_TIMES, "tests/fault/steady_upstream.py"): "the pace of an upstream, and between attempts",
}
"""(rule, path) that may break the rule, with the reason. Short, or the rule is wrong."""

LIBRARY_ONLY: dict[str, str] = {}
"""Modules that nothing of ours imports and that stay, with the reason."""

ENTRY_POINTS = re.compile(r"/(?:__main__|__init__|testing/\w+|testing|migrations/.+|contracts/\w+/v\d+)\.py$")
"""A released version of a message stays: the schema checks find it by its folder, and stored messages are of it."""


def python_files(root: Path = ROOT) -> Iterator[PurePosixPath]:
    for path in sorted(root.rglob("*.py")):
        relative = path.relative_to(root)
        if not LEFT_OUT & set(relative.parts):
            yield PurePosixPath(relative.as_posix())


def read(path: PurePosixPath) -> str:
    return (ROOT / path).read_text(encoding="utf-8")


@pytest.mark.parametrize("rule", RULES, ids=[rule.name for rule in RULES])
def test_the_repository_keeps_the_rule(rule: Rule) -> None:
    found = [
        f"{path}:{line}: {sentence}"
        for path in python_files()
        if rule.where(path) and (rule.name, str(path)) not in ALLOWED
        for line, sentence in rule.check(read(path))
    ]
    assert not found, f"{rule.name}, because {rule.reason}:\n" + "\n".join(found)


@pytest.mark.parametrize("rule", RULES, ids=[rule.name for rule in RULES])
def test_the_rule_refuses_its_bad_sample(rule: Rule) -> None:
    assert list(rule.check(rule.bad)), f"{rule.name}: the sample passes, so the rule checks nothing"


WAITS = """
async def test_one():
    with pytest.raises(TimeoutError):
        await feed.next_msg(timeout=0.5)
    with pytest.raises((LookupError, nats.errors.TimeoutError)):
        await asyncio.wait_for(seen.get(), 1)
    loop.call_later(0.2, done.set)
    with pytest.raises(TimeoutError, match="a fault"):
        await asyncio.wait_for(seen.get(), patience_s)
    with pytest.raises(ToolTimeoutError):
        await run(timeout=1)
    await asyncio.sleep(0)
"""


def test_a_wait_that_is_to_end_in_vain_is_found() -> None:
    assert sorted(line for line, _ in sleeping_tests(WAITS)) == [4, 6, 7]


def test_exceptions_from_rules_are_still_needed() -> None:
    rules = {rule.name: rule for rule in RULES}
    for name, path in ALLOWED:
        assert list(rules[name].check(read(PurePosixPath(path)))), f"{path} keeps the rule {name!r} now: take it out"


def module_name(path: PurePosixPath) -> str:
    parts = path.parts[path.parts.index("src") + 1 :]
    return ".".join((*parts[:-1], path.stem))


def imported_names(text: str) -> set[str]:
    """Every dotted name that a file imports or spells in a string, so `python -m` and plugins count."""
    found = set(re.findall(r"\bopswire(?:\.\w+)+", text))
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.ImportFrom) and node.module:
            found.update(f"{node.module}.{alias.name}" for alias in node.names)
    return found


def dead_modules(sources: dict[PurePosixPath, str], others: str) -> list[str]:
    """Modules that no other file names. `others` is the text of everything that is not a source file."""
    spelled = set(re.findall(r"\bopswire(?:\.\w+)+", others))
    names_of = {path: imported_names(text) for path, text in sources.items()}
    return [
        str(path)
        for path in sources
        if not ENTRY_POINTS.search(f"/{path}")
        and str(path) not in LIBRARY_ONLY
        and '\nif __name__ == "__main__":' not in sources[path]
        and module_name(path) not in spelled
        and not any(
            module_name(path) in names or any(name.startswith(f"{module_name(path)}.") for name in names)
            for other, names in names_of.items()
            if other != path
        )
    ]


def test_no_module_is_dead() -> None:
    """What nothing imports and nobody starts is read, kept and translated for nothing."""
    sources = {path: read(path) for path in python_files() if "src" in path.parts}
    outside = [path for path in python_files() if path.parts[0] in {"bench", "demo", "conftest.py"}]
    texts = [read(path) for path in outside]
    texts += [path.read_text(encoding="utf-8") for path in (ROOT / "justfile", *ROOT.glob("*/pyproject.toml"))]
    texts += [path.read_text(encoding="utf-8") for path in ROOT.glob("docs/how-to/*.md")]
    assert dead_modules(sources, "\n".join(texts)) == []


def test_a_dead_module_is_found() -> None:
    sources = {
        PurePosixPath("x/src/opswire/x/used.py"): "",
        PurePosixPath("x/src/opswire/x/dead.py"): "import opswire.x.dead",
        PurePosixPath("x/src/opswire/x/user.py"): "from opswire.x import used",
    }
    assert dead_modules(sources, "opswire.x.user") == ["x/src/opswire/x/dead.py"]


def test_a_module_has_one_namespace_package_above_it() -> None:
    """An `__init__.py` in `opswire` itself would hide every other package's modules."""
    found = [str(path) for path in python_files() if path.parts[-3:] == ("src", "opswire", "__init__.py")]
    assert found == []
