"""Builds the small trees of `bad/`: the good one, and each case laid over a copy of it."""

from __future__ import annotations

import importlib.util
import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from opswire.contracts.schemas import Tree, write

BAD = Path(__file__).parent / "bad"
GOOD = BAD / "good"


@pytest.fixture
def build_tree(tmp_path: Path) -> Callable[[str], Tree]:
    """The good tree (`good`), or a bad case: its files over the good ones, its messages beside the good ones."""

    def build(case: str) -> Tree:
        root = tmp_path / case
        shutil.copytree(GOOD, root)
        tree = _tree(root, _module(GOOD / "messages.py"))
        if case == "good":
            return tree
        shutil.copytree(BAD / case, root, dirs_exist_ok=True)
        description = json.loads((BAD / case / "case.json").read_text(encoding="utf-8"))
        for name in description.get("remove", ()):
            _remove(root / name, keep=BAD / case / name)
        if (BAD / case / "messages.py").exists():
            tree = _changed(tree, _module(BAD / case / "messages.py"))
        if description.get("write"):
            write(tree)
        return tree

    return build


def _module(path: Path) -> Any:
    spec = importlib.util.spec_from_file_location(f"bad_{path.parent.name}", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    for message in getattr(module, "MESSAGES", ()):
        message.model_rebuild(_types_namespace=vars(module))
    return module


def _tree(root: Path, good: Any) -> Tree:
    return Tree(
        root=root,
        messages={(message.STEM, message.VERSION): message for message in good.MESSAGES},
        routed=good.ROUTED,
        steps=good.STEPS,
        free_form=good.FREE_FORM,
        strict_stems=frozenset({"recipe"}),
    )


def _changed(tree: Tree, case: Any) -> Tree:
    steps = {**tree.steps, **getattr(case, "STEPS", {})}
    for removed in getattr(case, "REMOVED_STEPS", ()):
        del steps[removed]
    messages = {(message.STEM, message.VERSION): message for message in getattr(case, "MESSAGES", ())}
    return Tree(
        root=tree.root,
        messages={**tree.messages, **messages},
        routed=getattr(case, "ROUTED", tree.routed),
        steps=steps,
        free_form=getattr(case, "FREE_FORM", tree.free_form),
        strict_stems=tree.strict_stems,
    )


def _remove(path: Path, keep: Path) -> None:
    """Remove what the good tree gave; what the case itself brings at the same place comes back."""
    if path.is_dir():
        shutil.rmtree(path)
    else:
        path.unlink()
    if keep.exists():
        shutil.copytree(keep, path)
