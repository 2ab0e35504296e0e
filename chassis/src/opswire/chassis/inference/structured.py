"""A reply in a shape: decoded by our own contract, and repaired once where it is not in it."""

from __future__ import annotations

from dataclasses import replace

from opswire.chassis.inference.backend import CUT, REFUSED, Answer, Question
from opswire.chassis.inference.call import Message, OutputSchema, Value
from opswire.chassis.inference.errors import ReplyCutError, ReplyInvalidError

SHOWN_CHARACTERS_MAX = 2_000
PROBLEM_CHARACTERS_MAX = 300
REFUSED_CAUSE = "content_refused"
_FENCE = "```"


def decoded(schema: OutputSchema[Value], answer: Answer) -> Value:
    """The value that the answer holds. Raises ReplyInvalidError, or ReplyCutError where it met its token limit.

    A cut answer is refused even where it happens to be whole JSON: what it would have gone on to say is not known.
    """
    if answer.finish_reason == CUT:
        raise ReplyCutError(f"the reply met its limit of tokens ({answer.usage.output_tokens}) before its end", "cut")
    if answer.finish_reason == REFUSED:
        raise ReplyInvalidError("the model refused to answer", REFUSED_CAUSE)
    try:
        return schema.decode(_bare(answer.text).encode())
    except ValueError as error:
        problem = " ".join(str(error).split())[:PROBLEM_CHARACTERS_MAX]
        raise ReplyInvalidError(f"the reply is not a {schema.name}: {problem}", "schema") from error


def repair_of(question: Question, answer: Answer, problem: ReplyInvalidError, tokens_max: int) -> Question:
    """The same question once more, with what was wrong. A cut answer gets twice the tokens and is not shown again."""
    ask = "Answer again: only the JSON that was asked for, compact, on one line."
    if isinstance(problem, ReplyCutError):
        note = f"An earlier answer was too long and was cut off. {ask}"
        added: tuple[Message, ...] = (Message("user", note),)
        max_tokens = min(question.max_tokens * 2, tokens_max)
    else:
        shown = answer.text[:SHOWN_CHARACTERS_MAX].strip() or "(nothing)"
        added = (Message("assistant", shown), Message("user", f"Not accepted: {problem}. {ask}"))
        max_tokens = question.max_tokens
    return replace(question, messages=(*question.messages, *added), max_tokens=max_tokens)


def _bare(text: str) -> str:
    """Without white space and without a code fence around all of it: models that are not bound to JSON add one."""
    text = text.strip()
    if not text.startswith(_FENCE) or not text.endswith(_FENCE) or len(text) < 2 * len(_FENCE):
        return text
    first, _, rest = text[len(_FENCE) : -len(_FENCE)].partition("\n")
    return rest.strip() if first.strip().lower() in ("", "json") else text
