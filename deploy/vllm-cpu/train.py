"""Trains the small model that stands in for a real one: Qwen2's architecture, 2.4 million parameters, one seed.

Runs in vLLM's environment: `train.py PAIRS_FOLDER MODEL_FOLDER`. All calls share a long prefix (the prompt), so it is
computed once per step and every example attends to it: exactly what a server with a prefix cache computes, at a fifth
of the work. The loss is on the replies only.
"""

from __future__ import annotations

import argparse
import json
import math
import os
import random
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import torch
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
from transformers import DynamicCache, PreTrainedTokenizerFast, Qwen2Config, Qwen2ForCausalLM

SEED = 20_240_611
VOCABULARY = 4_096
STEPS = 700
BARE_SHARE = 0.5
"""Of the steps, the first ones, done without the prefix: among its 379 tokens the request's 20 are found late."""
BATCH = 64
LEARNING_RATE = 2e-3
WARM_UP_STEPS = 50
PROMPT_WEIGHT = 40
CONTEXT_TOKENS_MAX = 4_096
PAD, START, END = "<|endoftext|>", "<|im_start|>", "<|im_end|>"
CHAT_TEMPLATE = (
    "{% for message in messages %}<|im_start|>{{ message.role }}\n{{ message.content }}<|im_end|>\n{% endfor %}"
    "{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
)

Example = tuple[list[int], int]
"""The tokens after the shared prefix, and where the reply begins among them."""


def say(text: str) -> None:
    """One line of progress."""
    sys.stderr.write(f"train: {text}\n")
    sys.stderr.flush()


def read_rows(path: Path) -> list[dict[str, Any]]:
    """Messages and reply of each line."""
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


def make_tokenizer(rows: list[dict[str, Any]]) -> PreTrainedTokenizerFast:
    """Bytes merged to words as the requests, the replies and the prompt have them."""
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=VOCABULARY,
        special_tokens=[PAD, START, END],
        initial_alphabet=sorted(pre_tokenizers.ByteLevel.alphabet()),
        show_progress=False,
    )
    prompt = rows[0]["messages"][0]["content"]
    texts = [part for row in rows for part in (row["messages"][-1]["content"], row["reply"])]
    tokenizer.train_from_iterator([prompt] * PROMPT_WEIGHT + texts, trainer)
    fast = PreTrainedTokenizerFast(
        tokenizer_object=tokenizer, eos_token=END, pad_token=PAD, model_max_length=CONTEXT_TOKENS_MAX
    )
    fast.chat_template = CHAT_TEMPLATE
    return fast


def make_model() -> Qwen2ForCausalLM:
    """Random weights."""
    return Qwen2ForCausalLM(
        Qwen2Config(
            vocab_size=VOCABULARY,
            hidden_size=192,
            intermediate_size=512,
            num_hidden_layers=4,
            num_attention_heads=6,
            num_key_value_heads=2,
            max_position_embeddings=CONTEXT_TOKENS_MAX,
            tie_word_embeddings=True,
            bos_token_id=None,
            eos_token_id=2,
            pad_token_id=0,
        )
    )


def encode(tokenizer: PreTrainedTokenizerFast, rows: list[dict[str, Any]]) -> list[Example]:
    """Every row as the server will see it: the chat template over its messages, then the reply and its end."""
    found = []
    for row in rows:
        asked = tokenizer.apply_chat_template(row["messages"], add_generation_prompt=True, tokenize=False)
        tokens = tokenizer.encode(asked, add_special_tokens=False)
        found.append((tokens + tokenizer.encode(row["reply"] + END, add_special_tokens=False), len(tokens)))
    return found


def split_prefix(examples: list[Example]) -> tuple[list[int], list[Example]]:
    """The tokens that all examples begin with, and the examples without them."""
    first, last = min(tokens for tokens, _ in examples), max(tokens for tokens, _ in examples)
    length = next(place for place, pair in enumerate(zip(first, last, strict=False)) if pair[0] != pair[1])
    return first[:length], [(tokens[length:], reply - length) for tokens, reply in examples]


def batches(examples: list[Example], chooser: random.Random) -> Iterator[list[Example]]:
    """Batches without end; examples of like length go together, so that little is padded."""
    while True:
        shuffled = sorted(examples, key=lambda each: len(each[0]) + chooser.random() * 20)
        groups = [shuffled[start : start + BATCH] for start in range(0, len(shuffled), BATCH)]
        chooser.shuffle(groups)
        yield from groups


def loss_of(model: Qwen2ForCausalLM, prefix: list[int], batch: list[Example]) -> torch.Tensor:
    """Mean cross-entropy of the replies' tokens, each example after the same prefix."""
    length = max(len(tokens) for tokens, _ in batch)
    inputs = torch.zeros(len(batch), length, dtype=torch.long)
    wanted = torch.full((len(batch), length), -100)
    present = torch.zeros(len(batch), len(prefix) + length, dtype=torch.long)
    for place, (tokens, reply) in enumerate(batch):
        inputs[place, : len(tokens)] = torch.tensor(tokens)
        wanted[place, reply - 1 : len(tokens) - 1] = torch.tensor(tokens[reply:])
        present[place, : len(prefix) + len(tokens)] = 1
    before = model.model(torch.tensor([prefix]), use_cache=True).past_key_values
    cache = DynamicCache()
    for layer, each in enumerate(before.layers):
        cache.update(each.keys.expand(len(batch), -1, -1, -1), each.values.expand(len(batch), -1, -1, -1), layer)
    hidden = model.model(inputs, past_key_values=cache, attention_mask=present, use_cache=True).last_hidden_state
    chosen = wanted != -100
    return torch.nn.functional.cross_entropy(model.lm_head(hidden[chosen]).float(), wanted[chosen])


def rate_at(step: int, steps: int) -> float:
    """The learning rate as a share of its highest: up in a line, down in a half cosine."""
    if step < WARM_UP_STEPS:
        return (step + 1) / WARM_UP_STEPS
    return 0.02 + 0.98 * 0.5 * (1 + math.cos(math.pi * (step - WARM_UP_STEPS) / max(1, steps - WARM_UP_STEPS)))


def train(model: Qwen2ForCausalLM, prefix: list[int], examples: list[Example], steps: int) -> None:
    """Run the steps; a line of progress every 50."""
    optimizer = torch.optim.AdamW(model.parameters(), lr=LEARNING_RATE, betas=(0.9, 0.98), weight_decay=0.05)
    schedule = torch.optim.lr_scheduler.LambdaLR(optimizer, lambda step: rate_at(step, steps))
    source = batches(examples, random.Random(SEED))  # noqa: S311
    began = time.monotonic()
    model.train()
    recent = 0.0
    for step in range(steps):
        with torch.autocast("cpu", torch.bfloat16):
            loss = loss_of(model, prefix if step >= BARE_SHARE * steps else prefix[:1], next(source))
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        schedule.step()
        optimizer.zero_grad(set_to_none=True)
        recent = loss.item() if step == 0 else 0.95 * recent + 0.05 * loss.item()
        if step % 50 == 49 or step == 0:
            say(f"step {step + 1} of {steps}, loss {recent:.3f}, {time.monotonic() - began:.0f} s")


def held_out_loss(model: Qwen2ForCausalLM, prefix: list[int], examples: list[Example]) -> float:
    """The same loss on rows that were not learned from."""
    model.eval()
    with torch.no_grad():
        parts = [examples[start : start + BATCH] for start in range(0, len(examples), BATCH)]
        return sum(loss_of(model, prefix, part).item() * len(part) for part in parts) / len(examples)


def main() -> int:
    """Train, and save weights, tokenizer and chat template where a server finds them."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("pairs", type=Path)
    parser.add_argument("out", type=Path)
    parser.add_argument("--steps", type=int, default=STEPS)
    arguments = parser.parse_args()
    os.nice(5)
    torch.set_num_threads(2)
    torch.manual_seed(SEED)
    rows, held_out = (read_rows(arguments.pairs / name) for name in ("train.jsonl", "held_out.jsonl"))
    tokenizer = make_tokenizer(rows)
    prefix, examples = split_prefix(encode(tokenizer, rows + held_out))
    learned, unseen = examples[: len(rows)], examples[len(rows) :]
    model = make_model()
    tokens = sum(len(each) for each, _ in learned)
    say(f"{model.num_parameters():,} parameters, prefix {len(prefix)} tokens, {len(learned)} rows, {tokens:,} tokens")
    train(model, prefix, learned, arguments.steps)
    say(f"held-out loss {held_out_loss(model, prefix, unseen):.3f}")
    model.to(torch.bfloat16).save_pretrained(arguments.out)
    tokenizer.save_pretrained(arguments.out)
    for path in arguments.out.iterdir():
        path.chmod(0o644)
    return 0


if __name__ == "__main__":
    sys.exit(main())
