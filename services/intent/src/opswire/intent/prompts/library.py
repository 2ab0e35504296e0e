"""The prompt sets, each a folder of text files with a version: `merged/v1/merged.md`.

A file holds the stable part, a line `===`, and the variable part. The stable part becomes the system message, the same
bytes for every request, so that a server's prefix cache holds it; the variable part becomes the user message, in which
`{request}` stands for the request, made harmless by `request_text`, and `{intent}` for the intent found by an earlier
step. A change of any text is a new version; the key of a set changes with every byte of it.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from functools import cache
from importlib import resources
from typing import Literal

from opswire.chassis.inference.call import Message
from opswire.intent.prompts.outputs import Asked
from opswire.intent.prompts.request_text import harmless

PromptName = Literal["merged", "compact", "baseline"]
SEPARATOR = "\n===\n"


@dataclass(frozen=True, slots=True)
class PromptStep:
    """One call. `asked` are the keys of its reply in their order; `max_tokens` is the most that the reply may take."""

    name: str
    stable: str
    variable: str
    max_tokens: int
    asked: tuple[Asked, ...]

    def messages(self, request: str, intent: str = "") -> tuple[Message, ...]:
        """The step for one request: always a stable system message and one user message, whatever the text says."""
        before, _, after = self.variable.partition("{request}")
        content = before.replace("{intent}", intent) + harmless(request) + after
        return Message("system", self.stable, is_stable=True), Message("user", content)


@dataclass(frozen=True, slots=True)
class PromptSet:
    """The calls that read one request, in their order."""

    name: str
    version: str
    steps: tuple[PromptStep, ...]

    @property
    def key(self) -> str:
        """Changes with every byte of the prompts: `merged/v1/1a2b3c4d`."""
        text = "\0".join(part for step in self.steps for part in (step.name, step.stable, step.variable))
        return f"{self.name}/{self.version}/{hashlib.sha256(text.encode()).hexdigest()[:8]}"


_SETS: dict[str, tuple[str, tuple[tuple[str, int, tuple[Asked, ...]], ...]]] = {
    "baseline": (
        "v1",
        (
            ("intent", 32, (Asked.INTENT,)),
            ("entities", 400, (Asked.ENTITIES,)),
            ("confidence", 16, (Asked.CONFIDENCE,)),
            ("risk", 16, (Asked.RISK,)),
        ),
    ),
    "compact": (
        "v1",
        (
            ("intent", 32, (Asked.INTENT,)),
            ("entities", 400, (Asked.ENTITIES,)),
            ("assessment", 24, (Asked.CONFIDENCE, Asked.RISK)),
        ),
    ),
    "merged": (
        "v1",
        (("merged", 440, (Asked.INTENT, Asked.ENTITIES, Asked.CONFIDENCE, Asked.RISK, Asked.REASON)),),
    ),
}
PROMPT_NAMES = tuple(_SETS)


@cache
def load_prompts(name: str) -> PromptSet:
    """The current version of a prompt set. Raises LookupError with the known names for an unknown one."""
    if name not in _SETS:
        raise LookupError(f"no prompt set {name!r}; there are {', '.join(PROMPT_NAMES)}")
    version, steps = _SETS[name]
    return PromptSet(
        name,
        version,
        tuple(_read(step, f"{name}/{version}/{step}.md", tokens, asked) for step, tokens, asked in steps),
    )


@cache
def load_search() -> PromptSet:
    """The step before a request's own where its text holds too many things to choose from: one word of it."""
    return PromptSet("search", "v1", (_read("search", "search/v1/search.md", 48, (Asked.TERM,)),))


def _read(name: str, path: str, max_tokens: int, asked: tuple[Asked, ...]) -> PromptStep:
    text = (resources.files("opswire.intent.prompts") / path).read_text(encoding="utf-8")
    stable, separator, variable = text.partition(SEPARATOR)
    if not separator or variable.count("{request}") != 1:
        raise ValueError(f"{path} needs a line === and one {{request}} after it")
    return PromptStep(name, stable.strip(), variable.strip(), max_tokens, asked)
