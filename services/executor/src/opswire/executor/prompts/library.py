"""The prompts, each a text file with a version: `plan/v1/plan.md`.

A file holds the stable part, a line `===`, and the variable part. The stable part becomes the system message, the same
bytes for every request while the tools stay the same, so that a server's prefix cache holds it; the variable part
becomes the user message. `{name}` stands for a text, which is made harmless here and nowhere else. A change of any text
is a new version; the key of a prompt changes with every byte of it.
"""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass
from functools import cache
from importlib import resources
from typing import Literal

from opswire.chassis.inference.call import Message
from opswire.chassis.inference.structured import harmless
from opswire.chassis.redaction import redactor

PromptName = Literal["plan", "summary"]
SEPARATOR = "\n===\n"
CUT = " (...) "
_PLACE = re.compile(r"\{([a-z_]+)\}")
_VERSIONS: dict[PromptName, str] = {"plan": "v1", "summary": "v1"}


@dataclass(frozen=True, slots=True)
class Prompt:
    """One call's words."""

    name: PromptName
    version: str
    stable: str
    variable: str

    @property
    def key(self) -> str:
        """Changes with every byte of the prompt: `plan/v1/1a2b3c4d`."""
        digest = hashlib.sha256(f"{self.stable}\0{self.variable}".encode()).hexdigest()
        return f"{self.name}/{self.version}/{digest[:8]}"

    def messages(self, **texts: str) -> tuple[Message, ...]:
        """Always a stable system message and one user message, whatever the texts say; each place is filled once.

        Raises KeyError where a place has no text.
        """
        return (
            Message("system", _filled(self.stable, texts), is_stable=True),
            Message("user", _filled(self.variable, texts)),
        )

    def parts(self, **texts: str) -> dict[str, str]:
        """What the messages are made of: our own words of the stable part, those around the others, and each text."""
        return {"stable": _PLACE.sub("", self.stable), "frame": _PLACE.sub("", self.variable)} | texts


@cache
def load_prompt(name: PromptName) -> Prompt:
    """The current version of a prompt."""
    version = _VERSIONS[name]
    path = f"{name}/{version}/{name}.md"
    text = (resources.files("opswire.executor.prompts") / path).read_text(encoding="utf-8")
    stable, separator, variable = text.partition(SEPARATOR)
    if not separator:
        raise ValueError(f"{path} needs a line ===")
    return Prompt(name, version, stable.strip(), variable.strip())


def one_line(text: str, characters_max: int) -> str:
    """Untrusted text as data: one line, without secrets, control tokens or anything invisible, its middle left out.

    `<` and `>` become `‹` and `›`, so that no mark of a prompt can be spelt in it.
    """
    return shortened(" ".join(harmless(redactor.text(text)).split()), characters_max)


def shortened(text: str, characters_max: int) -> str:
    """Its head and its tail where it is longer, with `CUT` between them."""
    if len(text) <= characters_max:
        return text
    tail = (characters_max - len(CUT)) // 2
    return text[: characters_max - len(CUT) - tail] + CUT + text[-tail:]


def _filled(template: str, texts: dict[str, str]) -> str:
    return _PLACE.sub(lambda match: texts[match[1]], template)
