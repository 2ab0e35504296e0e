"""The words of an inventory: how they are compared, which mean the same, and which must never be stored.

Everything here is a pure function of its arguments.
"""

from __future__ import annotations

import re
import unicodedata

UNKNOWN_ENVIRONMENT = "unknown"

ENVIRONMENT_WORDS: dict[str, str] = {
    **dict.fromkeys(("production", "prod", "prd", "live"), "production"),
    **dict.fromkeys(("staging", "stage", "stg", "preprod", "preproduction"), "staging"),
    **dict.fromkeys(("development", "dev", "devel"), "development"),
    **dict.fromkeys(("test", "testing", "tst", "qa"), "test"),
}

_TYPE_WORDS: dict[str, str] = {
    **dict.fromkeys(
        ("host", "server", "box", "machine", "vm", "node", "instance", "computer", "virtual machine"), "host"
    ),
    **dict.fromkeys(("service", "daemon", "unit", "workload", "deployment", "pod"), "service"),
    **dict.fromkeys(("database", "db", "datastore"), "database"),
    **dict.fromkeys(("application", "app"), "application"),
    **dict.fromkeys(("load balancer", "loadbalancer", "lb"), "load-balancer"),
    **dict.fromkeys(("kubernetes cluster", "k8s cluster", "cluster"), "cluster"),
}
_ANYTHING = frozenset({"asset", "everything", "anything", "thing", "item", "resource", "inventory", "all"})
_WORD = re.compile(r"[^\W_]+")
_SECRET_KEY = re.compile(
    r"(^|[_.\- ])(pass|pwd|passwd|password|passphrase|passcode|secret|token|credentials?|snmp_?community"
    r"|(api|access|auth|encryption|master|private|secret|service_account|shared|signing|ssh_private)[_\- ]?key"
    r"|become_pass|vault)([_.\- ]?(value|hash|text|data|id))?$",
    re.IGNORECASE,
)
_CAMEL = re.compile(r"(?<=[a-z0-9])(?=[A-Z])")
_SECRET_VALUE = re.compile(
    r"-----BEGIN [A-Z ]*PRIVATE KEY|^[a-z][a-z0-9+.\-]*://[^/\s:@]*:[^/\s@]+@|^\$ANSIBLE_VAULT"
    r"|\bAKIA[0-9A-Z]{16}\b|\bgh[pousr]_[A-Za-z0-9]{36}|\bxox[abprs]-[A-Za-z0-9-]{10,}|\bglpat-[\w-]{20}"
    r"|\beyJ[\w-]{10,}\.eyJ[\w-]{10,}\.[\w-]*|^Bearer \S{12,}|^\$(1|2[aby]|5|6|argon2id?)\$"
)
_CREDENTIAL_REFERENCE = re.compile(r"^[a-z]+:[^\s]+$")


def fold(text: str) -> str:
    """The form in which names are compared: composed, case-folded, without blanks at the ends."""
    if text.isascii():
        return text.strip().lower()
    return unicodedata.normalize("NFC", unicodedata.normalize("NFC", text).casefold()).strip()


def words(text: str) -> str:
    """Each word between blanks of its own (` ubuntu  20  04 `), so that LIKE can ask for whole words in order."""
    return "".join(f" {word} " for word in _WORD.findall(fold(text)))


def words_pattern(text: str) -> str:
    """The LIKE pattern that finds values holding all words of `text` in order; needs no escape character."""
    return "%" + "%".join(f" {word} " for word in _WORD.findall(fold(text))) + "%"


def slug(text: str) -> str:
    """Words joined by `-`: `Web_Servers` and `web servers` are one group. Without a word, the folded text itself."""
    return "-".join(_WORD.findall(fold(text))) or fold(text)


def environment(word: str) -> str:
    """The environment a word stands for (`prod` is `production`); an unknown word is itself, folded."""
    folded = fold(word)
    return ENVIRONMENT_WORDS.get(folded.removesuffix(" environment"), folded)


def singular(word: str) -> str:
    """An English noun without its plural ending, as far as the words of an inventory need."""
    for ending, instead in (("boxes", "box"), ("ses", "se"), ("ches", "ch"), ("ies", "y"), ("proxies", "proxy")):
        if word.endswith(ending):
            return word[: -len(ending)] + instead
    if word.endswith("s") and not word.endswith(("ss", "us", "is")):
        return word[:-1]
    return word


def asset_type(word: str) -> str | None:
    """The type a word stands for (`boxes` is `host`), an unknown word in its singular, or None for `any type`."""
    folded = " ".join(_WORD.findall(fold(word))) or fold(word)
    for form in (folded, singular(folded)):
        if form in _ANYTHING:
            return None
        if form in _TYPE_WORDS:
            return _TYPE_WORDS[form]
    return slug(singular(folded))


def is_asset_type(word: str) -> bool:
    """Whether everyone knows the word as a type (or as `anything`), whatever the inventory holds."""
    folded = " ".join(_WORD.findall(fold(word))) or fold(word)
    return any(form in _TYPE_WORDS or form in _ANYTHING for form in (folded, singular(folded)))


def secret_reason(key: str, value: str) -> str | None:
    """Why this attribute must not be stored, or None. `credential` may hold a reference such as `file:lab/key`."""
    if fold(key) == "credential":
        if _CREDENTIAL_REFERENCE.match(value) and not _SECRET_VALUE.search(value):
            return None
        return "a credential is stored as a reference (file:<path>), never as a value"
    if _SECRET_KEY.search(_CAMEL.sub("_", key)):
        return "credentials are never stored"
    if _SECRET_VALUE.search(value):
        return "the value holds a credential"
    return None


def hidden_character(text: str) -> bool:
    """Whether the text holds a control, format or line-separating character: it would not look like what it is."""
    return any(unicodedata.category(character) in {"Cc", "Cf", "Zl", "Zp", "Cs"} for character in text)
