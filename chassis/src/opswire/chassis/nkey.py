"""Ed25519 keys in the form that NATS gives them (nkeys): made, read, signed with and verified. Pure.

One key has one text and one signature has one text: everything that another spelling could be read as is refused, since
a second spelling of the same key would count as a second person.
"""

from __future__ import annotations

import base64
import binascii
import re
import secrets
from typing import ClassVar

import nkeys
from nacl.exceptions import BadSignatureError, CryptoError
from nacl.signing import SigningKey, VerifyKey

_PUBLIC = re.compile(r"U[A-Z2-7]{55}")
_SEED = re.compile(r"SU[A-Z2-7]{56}")
_SIGNATURE = re.compile(r"[A-Za-z0-9+/]{86}==")
_SECRET_BYTES = 32
_SIGNATURE_BYTES = 64
# The order of the group. A signature whose second half is not below it has a twin below it, valid for the same text.
_GROUP_ORDER = 2**252 + 27742317777372353535851937790883648493


class NkeyError(ValueError):
    """A key or signature is not to be used. The sentence never holds a seed."""

    code: ClassVar[str] = "key_malformed"


class SeedMalformedError(NkeyError):
    """The text is no seed of a user's key."""

    code = "seed_malformed"


class SignatureMalformedError(NkeyError):
    """The text is not the one spelling of an Ed25519 signature."""

    code = "signature_malformed"


class SignatureInvalidError(NkeyError):
    """The signature is not this key's for this statement."""

    code = "signature_invalid"


def new_seed() -> str:
    """A fresh user's key: `SU` and 56 characters, from the system's random numbers."""
    text: bytes = nkeys.encode_seed(secrets.token_bytes(_SECRET_BYTES), nkeys.PREFIX_BYTE_USER)
    return text.decode()


def public_of(seed: str) -> str:
    """The public key of a seed: `U` and 55 characters. Raises SeedMalformedError."""
    raw = bytes([nkeys.PREFIX_BYTE_USER]) + bytes(_signing_key(seed).verify_key)
    return base64.b32encode(raw + nkeys.crc16_checksum(raw)).decode()


def public_bytes(public: str) -> bytes:
    """The 32 bytes of a user's public key. Raises NkeyError for every other text, also one with a wrong checksum."""
    if not isinstance(public, str) or _PUBLIC.fullmatch(public) is None:
        raise NkeyError("a user's public key is U and 55 characters out of A to Z and 2 to 7")
    raw = base64.b32decode(public)
    if raw[0] != nkeys.PREFIX_BYTE_USER or nkeys.crc16_checksum(raw[:-2]) != raw[-2:]:
        raise NkeyError(f"{public} is no user's public key: a character is wrong or missing")
    return raw[1:-2]


def sign(seed: str, statement: bytes) -> str:
    """The signature in base64, 88 characters. Raises SeedMalformedError."""
    return base64.b64encode(_signing_key(seed).sign(statement).signature).decode()


def verify(public: str, statement: bytes, signature: str) -> None:
    """Return only when the signature is this key's for exactly these bytes.

    Raises NkeyError for a bad key, SignatureMalformedError for a text that is not the one spelling of a signature,
    SignatureInvalidError otherwise.
    """
    key = public_bytes(public)
    raw = _signature_bytes(signature)
    try:
        VerifyKey(key).verify(statement, raw)
    except (BadSignatureError, CryptoError, ValueError) as error:
        raise SignatureInvalidError(f"the signature is not {public}'s for this") from error


def _signature_bytes(signature: str) -> bytes:
    if not isinstance(signature, str) or _SIGNATURE.fullmatch(signature) is None:
        raise SignatureMalformedError("a signature is 64 bytes in base64, 88 characters")
    raw = base64.b64decode(signature, validate=True)
    # Four bits of the last character stand for nothing: sixteen texts would be read as the same signature.
    if len(raw) != _SIGNATURE_BYTES or base64.b64encode(raw).decode() != signature:
        raise SignatureMalformedError("the signature's base64 is not the canonical one")
    if int.from_bytes(raw[32:], "little") >= _GROUP_ORDER:
        raise SignatureMalformedError("the signature's second half is not below the group's order")
    return raw


def _signing_key(seed: str) -> SigningKey:
    refusal = "this is no seed of a user's key: SU and 56 characters out of A to Z and 2 to 7"
    if not isinstance(seed, str) or _SEED.fullmatch(seed) is None:
        raise SeedMalformedError(refusal)
    try:
        prefix, secret = nkeys.decode_seed(seed.encode())
        # The library checks no checksum: the one text that these bytes have must be the one we were given.
        is_canonical = nkeys.encode_seed(bytes(secret), prefix) == seed.encode()
    except (nkeys.NkeysError, binascii.Error, ValueError) as error:
        raise SeedMalformedError(refusal) from error
    if prefix != nkeys.PREFIX_BYTE_USER or not is_canonical:
        raise SeedMalformedError(refusal)
    return SigningKey(bytes(secret))
