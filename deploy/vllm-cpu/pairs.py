"""Writes what the small model learns: each labelled request in the merged prompt, and the reply that should follow.

The reply's intent is the label; entities and risk are what the project's own rules read from the text. So the model
learns the form of a reply and some of the intents, and nothing that the project does not know without it.
"""

from __future__ import annotations

import hashlib
import json
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from opswire.intent.classifier.labelled import load_labelled
from opswire.intent.language.entities import extract_entities
from opswire.intent.language.names import NameIndex
from opswire.intent.language.risk import risk_of
from opswire.intent.prompts.library import load_prompts
from opswire.intent.prompts.outputs import ENTITIES_IN_REPLY_MAX, VALUE_CHARACTERS_MAX, Reason, output_of

HELD_OUT_OF_100 = 5


def rows() -> Iterable[tuple[bool, dict[str, Any]]]:
    """Each labelled request as a row, and whether it is held out: decided by its text alone."""
    step = load_prompts("merged").steps[0]
    output = output_of(step.asked)
    names = NameIndex()
    for labelled in load_labelled():
        found = [each for each in extract_entities(labelled.text, names) if len(each.value) <= VALUE_CHARACTERS_MAX]
        reply = {
            "intent": labelled.intent.value,
            "entities": [{"type": each.type.value, "value": each.value} for each in found[:ENTITIES_IN_REPLY_MAX]],
            "confidence": 90,
            "risk": risk_of(labelled.intent, found, names, labelled.text).value,
            "reason": Reason.CLEAR.value,
        }
        text = json.dumps(reply, separators=(",", ":"), ensure_ascii=False)
        output.decode(text.encode())
        messages = [{"role": each.role, "content": each.content} for each in step.messages(labelled.text)]
        chosen = hashlib.sha256(labelled.text.encode()).digest()[0] * 100 // 256
        yield chosen < HELD_OUT_OF_100, {"messages": messages, "reply": text}


def main() -> int:
    """Write `train.jsonl` and `held_out.jsonl` into the folder that is named."""
    folder = Path(sys.argv[1])
    folder.mkdir(parents=True, exist_ok=True)
    kept: dict[bool, list[str]] = {False: [], True: []}
    for held_out, row in rows():
        kept[held_out].append(json.dumps(row, ensure_ascii=False) + "\n")
    for held_out, name in ((False, "train.jsonl"), (True, "held_out.jsonl")):
        (folder / name).write_text("".join(kept[held_out]), encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
