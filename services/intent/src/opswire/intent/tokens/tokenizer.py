"""Qwen's tokenizer as the GPU service's model uses it, from the vocabulary in this package. No network."""

from __future__ import annotations

import base64
import lzma
import unicodedata
from collections.abc import Sequence
from functools import cache
from importlib import resources
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import tiktoken
    from opswire.chassis.inference.call import Message

NAME = "Qwen2.5"
_SPLIT = (
    r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*"
    r"|\s*[\r\n]+|\s+(?!\S)|\s+"
)
_END_OF_TEXT, _START, _END = "<|endoftext|>", "<|im_start|>", "<|im_end|>"
_CONTROL = {_END_OF_TEXT: 151_643, _START: 151_644, _END: 151_645}
_SYSTEM_WHEN_NONE = "You are Qwen, created by Alibaba Cloud. You are a helpful assistant."
"""What Qwen2.5's chat template says where a conversation begins without a system message."""


class Tokenizer:
    """Counts as the server of a Qwen2.5 model does. Made by `load_tokenizer`: the vocabulary takes 0.3 s to read."""

    def __init__(self, encoding: tiktoken.Encoding) -> None:
        self._encoding = encoding

    def encode(self, text: str) -> list[int]:
        """The token ids of plain text; what looks like a control token is text."""
        return self._encoding.encode_ordinary(unicodedata.normalize("NFC", text))

    def count(self, text: str) -> int:
        """The tokens of plain text."""
        return len(self.encode(text))

    def encode_chat(self, messages: Sequence[Message]) -> list[int]:
        """The token ids of a conversation, its chat template and the beginning of the reply included.

        As on a server, a control token that is spelled out in a message is one: who writes messages has to defuse it.
        """
        turns = [(message.role, message.content) for message in messages]
        if not turns or turns[0][0] != "system":
            turns.insert(0, ("system", _SYSTEM_WHEN_NONE))
        text = "".join(f"{_START}{role}\n{content}{_END}\n" for role, content in turns) + f"{_START}assistant\n"
        return self._encoding.encode(unicodedata.normalize("NFC", text), allowed_special="all")

    def count_chat(self, messages: Sequence[Message]) -> int:
        """The prompt tokens that a server reports for these messages."""
        return len(self.encode_chat(messages))


@cache
def load_tokenizer() -> Tokenizer:
    """The tokenizer, read once for each process."""
    import tiktoken

    packed = (resources.files("opswire.intent.tokens.data") / "qwen.tiktoken.xz").read_bytes()
    pairs = (line.split() for line in lzma.decompress(packed).splitlines())
    ranks = {base64.b64decode(token): int(rank) for token, rank in pairs}
    return Tokenizer(tiktoken.Encoding("qwen2.5", pat_str=_SPLIT, mergeable_ranks=ranks, special_tokens=_CONTROL))
