"""A reply in a shape: decoded by our own contract, and repaired once where it is not in it."""

from __future__ import annotations

import re
from dataclasses import replace

from opswire.chassis.inference.backend import CUT, REFUSED, Answer, Question
from opswire.chassis.inference.call import Message, OutputSchema, Value
from opswire.chassis.inference.errors import ReplyCutError, ReplyInvalidError

SHOWN_CHARACTERS_MAX = 2_000
PROBLEM_CHARACTERS_MAX = 300
REFUSED_CAUSE = "content_refused"
WHITE_SPACE = "white_space"
"""The cause where a reply was cut while it wrote white space: small models bound to a schema do so without end."""
WHITE_SPACE_RUN = 32
WHITE_SPACE_SHARE = 0.5
WHITE_SPACE_ADVICE = (
    "bound to the schema, it writes white space: start vLLM with "
    """--structured-outputs-config '{"backend": "xgrammar", "disable_any_whitespace": true}'; """
    "a server without that switch: provider openai_compatible, which asks in words"
)
_FENCE = "```"
_SPACE = re.compile(r"\s+")
_TOKEN_IN_BRACKETS = re.compile(r"\[(/?[A-Z_]+)\]")
_ANGLES = str.maketrans({"<": "\u2039", ">": "\u203a"})


def decoded(schema: OutputSchema[Value], answer: Answer) -> Value:
    """The value that the answer holds. Raises ReplyInvalidError, or ReplyCutError where it met its token limit.

    A cut answer is refused even where it happens to be whole JSON: what it would have gone on to say is not known.
    """
    if answer.finish_reason == CUT and _is_padded(answer.text):
        raise ReplyCutError(f"the reply met its limit of tokens; {WHITE_SPACE_ADVICE}", WHITE_SPACE)
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
    """The same question once more, with what was wrong. A cut answer gets twice the tokens and is not shown again.

    One that was cut in white space gets no more tokens, it would fill them too: it is not bound to the schema any more
    but asked for it in words, so that the model may end. What the model said is data: no token of a chat template that
    it spelled reaches the next prompt.
    """
    ask = "Answer again: only the JSON that was asked for, compact, on one line."
    if problem.cause == WHITE_SPACE:
        return replace(question, messages=(*question.messages, Message("user", ask)), is_bound=False)
    if isinstance(problem, ReplyCutError):
        note = f"An earlier answer was too long and was cut off. {ask}"
        added: tuple[Message, ...] = (Message("user", note),)
        max_tokens = min(question.max_tokens * 2, tokens_max)
    else:
        shown = harmless(answer.text)[:SHOWN_CHARACTERS_MAX].strip() or "(nothing)"
        added = (Message("assistant", shown), Message("user", f"Not accepted: {harmless(str(problem))}. {ask}"))
        max_tokens = question.max_tokens
    return replace(question, messages=(*question.messages, *added), max_tokens=max_tokens)


def harmless(text: str) -> str:
    """The text with every control token spelled otherwise (`<|im_end|>`, `</s>`, `[INST]`); a reader sees the same."""
    printable = "".join(character for character in text if character.isprintable() or character.isspace())
    return _TOKEN_IN_BRACKETS.sub(r"(\1)", printable.translate(_ANGLES))


def _is_padded(text: str) -> bool:
    """Whether it is white space for the most part, or ends in a long run of it."""
    spaces = sum(map(len, _SPACE.findall(text)))
    is_at_end = len(text) - len(text.rstrip()) >= WHITE_SPACE_RUN
    return is_at_end or (spaces >= WHITE_SPACE_RUN and spaces >= WHITE_SPACE_SHARE * len(text))


def _bare(text: str) -> str:
    """Without white space and without a code fence around all of it: models that are not bound to JSON add one."""
    text = text.strip()
    if not text.startswith(_FENCE) or not text.endswith(_FENCE) or len(text) < 2 * len(_FENCE):
        return text
    first, _, rest = text[len(_FENCE) : -len(_FENCE)].partition("\n")
    return rest.strip() if first.strip().lower() in ("", "json") else text
