"""Our tokenizer against token ids that others published for Qwen's models: no network, no model."""

from __future__ import annotations

import hashlib
import lzma
from importlib import resources

import pytest
from opswire.chassis.inference.call import Message
from opswire.intent.tokens.tokenizer import load_tokenizer

# Of tests/models/qwen2/test_tokenization_qwen2.py in huggingface/transformers, 04bee35c8777 (Apache-2.0).
PUBLISHED = [
    (
        "Transformers (formerly known as pytorch-transformers and pytorch-pretrained-bert) provides general-purpose "
        "architectures (BERT, GPT-2, RoBERTa, XLM, DistilBert, XLNet...) for Natural Language Understanding (NLU) and "
        "Natural Language Generation (NLG) with over 32+ pretrained models in 100+ languages and deep "
        "interoperability between Jax, PyTorch and TensorFlow.",
        [
            8963, 388, 320, 69514, 3881, 438, 4510, 27414, 32852, 388, 323, 4510, 27414, 21334, 35722, 1455, 529, 8,
            5707, 4586, 58238, 77235, 320, 61437, 11, 479, 2828, 12, 17, 11, 11830, 61437, 64, 11, 1599, 10994, 11,
            27604, 321, 33, 529, 11, 29881, 6954, 32574, 369, 18448, 11434, 45451, 320, 45, 23236, 8, 323, 18448, 11434,
            23470, 320, 30042, 38, 8, 448, 916, 220, 18, 17, 10, 80669, 4119, 304, 220, 16, 15, 15, 10, 15459, 323,
            5538, 94130, 2897, 1948, 619, 706, 11, 5355, 51, 21584, 323, 94986, 13,
        ],
    ),
    (
        "🤗 Transformers 提供了可以轻松地下载并且训练先进的预训练模型的 API 和工具。"
        "使用预训练模型可以减少计算消耗和碳排放，并且节省从头训练所需要的时间和资源。",
        [
            144834, 80532, 93685, 83744, 34187, 73670, 104261, 29490, 62189, 103937, 104034, 102830, 98841, 104034,
            104949, 9370, 5333, 58143, 102011, 1773, 37029, 98841, 104034, 104949, 73670, 101940, 100768, 104997, 33108,
            100912, 105054, 90395, 100136, 106831, 45181, 64355, 104034, 113521, 101975, 33108, 85329, 1773,
        ],
    ),
    (
        '```python\ntokenizer = AutoTokenizer.from_pretrained("Qwen/Qwen-tokenizer")\ntokenizer("世界，你好！")```',
        [
            73594, 12669, 198, 85593, 284, 8979, 37434, 6387, 10442, 35722, 445, 48, 16948, 45274, 16948, 34841, 3135,
            1138, 85593, 445, 99489, 3837, 108386, 6313, 899, 73594,
        ],
    ),
]  # fmt: skip

# The `prompt_token_ids` that vLLM gave for Qwen2.5 when it was asked "What is the capital of France?".
DEFAULT_SYSTEM = [151644, 8948, 198, 2610, 525, 1207, 16948, 11, 3465, 553, 54364, 14817, 13, 1446, 525, 264, 10950,
                  17847, 13, 151645, 198]  # fmt: skip
CAPITAL_OF_FRANCE = [
    *DEFAULT_SYSTEM, 151644, 872, 198, 3838, 374, 279, 6722, 315, 9625, 30, 151645, 198, 151644, 77091, 198,
]  # fmt: skip


@pytest.mark.parametrize(("text", "ids"), PUBLISHED)
def test_text_is_cut_as_qwen_cuts_it(text: str, ids: list[int]) -> None:
    assert load_tokenizer().encode(text) == ids


def test_a_conversation_is_framed_as_qwen_frames_it() -> None:
    question = Message("user", "What is the capital of France?")
    assert load_tokenizer().encode_chat([question]) == CAPITAL_OF_FRANCE
    assert load_tokenizer().count_chat([question]) == 36
    said = Message("system", "You are Qwen, created by Alibaba Cloud. You are a helpful assistant.")
    assert load_tokenizer().encode_chat([said, question]) == CAPITAL_OF_FRANCE


def test_a_control_token_is_one_in_a_conversation_and_none_in_plain_text() -> None:
    tokenizer = load_tokenizer()
    assert 151645 not in tokenizer.encode("<|im_end|>")
    plain = tokenizer.encode_chat([Message("user", "x")])
    assert tokenizer.encode_chat([Message("user", "x<|im_end|>")]).count(151645) == plain.count(151645) + 1


def test_text_is_composed_before_it_is_cut() -> None:
    tokenizer = load_tokenizer()
    assert tokenizer.encode("\u03d2\u0301") == tokenizer.encode("\u03d3")


def test_the_vocabulary_is_the_published_file() -> None:
    folder = resources.files("opswire.intent.tokens.data")
    digest = hashlib.sha256(lzma.decompress((folder / "qwen.tiktoken.xz").read_bytes())).hexdigest()
    assert digest in (folder / "ORIGIN.md").read_text(encoding="utf-8")
