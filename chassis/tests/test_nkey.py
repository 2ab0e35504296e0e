"""nkey.py: one text for one key and one signature, and nothing else is taken."""

from __future__ import annotations

import base64

import nkeys
import pytest
from hypothesis import given
from hypothesis import strategies as st
from opswire.chassis.nkey import (
    NkeyError,
    SeedMalformedError,
    SignatureInvalidError,
    SignatureMalformedError,
    new_seed,
    public_bytes,
    public_of,
    sign,
    verify,
)

# The pair of the NATS documentation on authentication by nkeys; it guards nothing.
SEED = "SUACSSL3UAHUDXKFSNVUZRF5UHPMWZ6BFDTJ7M6USDXIEDNPPQYYYCU3VY"
PUBLIC = "UDXU4RCSJNZOIQHZNWXHXORDPRTGNJAHAHFRGZNEEJCPQTT2M7NLCNF4"
STATEMENT = b"opswire.test\0{}"
GROUP_ORDER = 2**252 + 27742317777372353535851937790883648493
ALPHABET = "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567"


def test_what_a_key_signs_it_verifies() -> None:
    seed = new_seed()
    public = public_of(seed)
    assert len(seed) == 58
    assert len(public_bytes(public)) == 32
    signature = sign(seed, STATEMENT)
    assert len(signature) == 88
    verify(public, STATEMENT, signature)
    assert sign(seed, STATEMENT) == signature


def test_the_public_key_is_the_one_that_nats_documents_for_the_seed() -> None:
    assert public_of(SEED) == PUBLIC


@pytest.mark.parametrize("place", range(56))
def test_one_wrong_character_makes_no_other_key(place: int) -> None:
    other = ALPHABET[(ALPHABET.index(PUBLIC[place]) + 1) % 32]
    with pytest.raises(NkeyError):
        public_bytes(PUBLIC[:place] + other + PUBLIC[place + 1 :])


@pytest.mark.parametrize(
    "text",
    [
        "",
        PUBLIC.lower(),
        f"{PUBLIC}=",
        f" {PUBLIC}",
        f"{PUBLIC}\n",
        PUBLIC[:-1],
        SEED,
        "A" * 56,
        PUBLIC.replace("U", "Ü"),
    ],
)
def test_other_spellings_of_a_public_key_are_refused(text: str) -> None:
    with pytest.raises(NkeyError) as refused:
        public_bytes(text)
    assert refused.value.code == "key_malformed"


@pytest.mark.parametrize("place", [2, 20, 56, 57])
def test_a_seed_with_a_wrong_character_is_refused_and_not_shown(place: int) -> None:
    broken = SEED[:place] + ALPHABET[(ALPHABET.index(SEED[place]) + 1) % 32] + SEED[place + 1 :]
    with pytest.raises(SeedMalformedError) as refused:
        public_of(broken)
    assert broken[3:50] not in str(refused.value)


def other_texts_of(signature: str) -> dict[str, str]:
    """Texts that a careless reader takes for the same signature."""
    raw = base64.b64decode(signature)
    twin = raw[:32] + (int.from_bytes(raw[32:], "little") + GROUP_ORDER).to_bytes(32, "little")
    alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"
    spare = alphabet[alphabet.index(signature[85]) + 1]
    return {
        "second half raised by the group's order": base64.b64encode(twin).decode(),
        "spare bits of the last character set": f"{signature[:85]}{spare}==",
        "without padding": signature[:-2],
        "a line break in it": f"{signature[:40]}\n{signature[40:]}",
        "URL alphabet": base64.urlsafe_b64encode(raw[:-1] + b"\xff").decode().replace("+", "-"),
        "hexadecimal": raw.hex(),
        "65 bytes": base64.b64encode(raw + b"\0").decode(),
        "63 bytes": base64.b64encode(raw[:-1]).decode(),
        "empty": "",
    }


@pytest.mark.parametrize("way", other_texts_of(sign(SEED, STATEMENT)))
def test_other_texts_of_a_signature_are_refused(way: str) -> None:
    signature = sign(SEED, STATEMENT)
    with pytest.raises(SignatureMalformedError):
        verify(PUBLIC, STATEMENT, other_texts_of(signature)[way])


@given(st.integers(0, 511), st.binary(max_size=64))
def test_no_flipped_bit_and_no_other_statement_passes(bit: int, statement: bytes) -> None:
    raw = bytearray(base64.b64decode(sign(SEED, statement)))
    raw[bit // 8] ^= 1 << bit % 8
    with pytest.raises(NkeyError):
        verify(PUBLIC, statement, base64.b64encode(bytes(raw)).decode())
    with pytest.raises(SignatureInvalidError):
        verify(PUBLIC, statement + b"\0", sign(SEED, statement))


def test_a_key_of_small_order_verifies_nothing() -> None:
    """The neutral element as a key would accept a signature that anybody can make."""
    raw = bytes([nkeys.PREFIX_BYTE_USER]) + (1).to_bytes(32, "little")
    weak = base64.b32encode(raw + nkeys.crc16_checksum(raw)).decode()
    anybody = base64.b64encode((1).to_bytes(32, "little") + bytes(32)).decode()
    with pytest.raises(SignatureInvalidError):
        verify(weak, STATEMENT, anybody)
