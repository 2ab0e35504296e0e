"""What nobody names is read, kept and changed for nothing."""

from __future__ import annotations

import ast
import re
from collections import Counter
from collections.abc import Iterator, Mapping
from pathlib import Path

from test_code_rules import python_files, read

ROOT = Path(__file__).parents[2]
WORD = re.compile(r"[A-Za-z_]\w*")
PLAIN = {"property", "staticmethod", "classmethod", "dataclass", "contextmanager", "pytest.fixture"}
"""Decorators of what is used by its name nevertheless."""
CALLED = ("__", "test_", "pytest_")
"""By Python and pytest."""
ELSEWHERE = (".importlinter", "*.html", "*.toml", "*.sh", "*.md", "justfile", "just")


def _defined(body: list[ast.stmt], in_class: ast.ClassDef | None = None) -> Iterator[tuple[str, int]]:
    """Functions, classes, constants and methods, without those that something else calls by their place.

    Most decorated ones are registered somewhere, and methods of a class with a base may be that one's.
    """
    for node in body:
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            decorators = [ast.unparse(decorator) for decorator in node.decorator_list]
            is_ours = in_class is None or not in_class.bases
            if (
                is_ours
                and {each.partition("(")[0] for each in decorators} <= PLAIN
                and "autouse" not in str(decorators)
            ):
                yield node.name, node.lineno
        if isinstance(node, ast.ClassDef):
            yield from _defined(node.body, node)
        if isinstance(node, ast.Assign) and in_class is None:
            yield from ((name.id, node.lineno) for name in node.targets if isinstance(name, ast.Name))


def dead_names(sources: Mapping[str, str], others: str) -> list[str]:
    """Names of `sources` that stand nowhere but where they are defined. `others` is all other text."""
    words = Counter(word for text in (*sources.values(), others) for word in WORD.findall(text))
    return [
        f"{path}:{line} {name}"
        for path, text in sources.items()
        for name, line in _defined(ast.parse(text).body)
        if words[name] == 1 and not name.startswith(CALLED)
    ]


def test_no_name_is_dead() -> None:
    texts: list[str] = []
    for pattern in ELSEWHERE:
        found = (path for path in ROOT.rglob(pattern) if not {".venv", ".tools", ".git"} & set(path.parts))
        texts += [path.read_text(encoding="utf-8") for path in found]
    assert dead_names({str(path): read(path) for path in python_files()}, "\n".join(texts)) == []


def test_a_dead_name_is_found() -> None:
    text = """
LIMIT = 3
class Thing:
    @property
    def size(self): return 1
    def __len__(self): return 2
class Handler(Base):
    def data_received(self): return Thing
@app.command("run")
def run(): return used()
def used(): return Handler
def unused(): return 1
"""
    assert dead_names({"a.py": text}, "") == ["a.py:2 LIMIT", "a.py:5 size", "a.py:12 unused"]
    assert dead_names({"a.py": text}, "LIMIT size `unused`") == []
