"""The one point where secrets are taken out of text that leaves the process: logs, spans, messages, health.

Two ways. Values that were resolved here are known: each is looked for as it is and as JSON, a URL, base64 and hex write
it. Secrets that came with a tool's output or an upstream's text are not known: shapes of well-known tokens, private
keys, passwords in URLs, authorization headers, and values beside names such as `password` are.

Not guaranteed: a value in an encoding that is not listed, split in two, or shorter than 8 characters; a secret of no
known shape that was never resolved here. Known to be taken for secrets: a word after `password:` in a sentence, a
value that is also an ordinary word. docs/adr/0016-redaction.md says why these patterns are our own.
"""

from __future__ import annotations

import base64
import json
import re
import threading
from collections import OrderedDict
from typing import Any, NamedTuple
from urllib.parse import quote, quote_plus

from ahocorasick_rs import AhoCorasick, MatchKind

REDACTED = "[redacted]"
SECRET_CHARACTERS_MIN = 8
"""A shorter value is not registered: it would blank words that only look like it."""
VALUES_MAX = 512
_LINE_CHARACTERS_MIN = 16
_ENCODED_CHARACTERS_MIN = 9
_SECRET_NAME = re.compile(
    r"(^|[_.-])(password|passwd|passphrase|secret|token|authorization|credential|private_?key|api_?key|access_?key)s?$",
    re.IGNORECASE,
)
# A reference, a number, a placeholder: nothing that is worth hiding, and much that must be read.
_NOT_HIDDEN = r"(?!(?:env|file|vault):|-?\d+(?:\.\d+)?(?![\w./+-])|(?:true|false|null|none|str|string)\b|[$<*%{\[])"
_NAMES = (
    r"pass(?:word|wd|phrase)|pwd|secret|token|api[_-]?key|access[_-]?key|private[_-]?key|account[_-]?key|shared[_-]?access"
    r"|credentials?"
)


class Shape(NamedTuple):
    """How one kind of secret looks. None of `hints` in the lower-case text: the pattern is not tried.

    What the group `keep` holds stays; the rest of the match is replaced.
    """

    name: str
    hints: tuple[str, ...]
    pattern: re.Pattern[str]


def _shape(name: str, hints: str, pattern: str, flags: int = 0) -> Shape:
    return Shape(name, tuple(hints.split("|")), re.compile(pattern, flags))


SHAPES = (
    _shape(
        "private key",
        "private key",
        r"-----BEGIN (?:[A-Z0-9]+ )*PRIVATE KEY(?: BLOCK)?-----[^\"]*?"
        r"(?:-----END (?:[A-Z0-9]+ )*PRIVATE KEY(?: BLOCK)?-----|(?=\")|\Z)",
    ),
    _shape("AWS access key", "akia|asia|abia|acca", r"\b(?:AKIA|ASIA|ABIA|ACCA)[0-9A-Z]{16}\b"),
    _shape(
        "GitHub token",
        "ghp_|gho_|ghu_|ghs_|ghr_|github_pat_",
        r"\b(?:gh[pousr]_[A-Za-z0-9]{30,255}|github_pat_[A-Za-z0-9_]{40,255})",
    ),
    _shape("GitLab token", "glpat-|gldt-|glrt-|glptt-|glcbt-|glsoat-", r"\bgl(?:pat|dt|rt|ptt|cbt|soat)-[\w-]{20,255}"),
    _shape("Slack token", "xox", r"\bxox[abposre]-[A-Za-z0-9-]{10,255}"),
    _shape("Slack hook", "hooks.slack.com", r"(?P<keep>hooks\.slack\.com/services/)[A-Za-z0-9_/]{10,255}"),
    _shape("Stripe key", "_live_|_test_", r"\b[rs]k_(?:live|test)_[0-9A-Za-z]{16,255}"),
    _shape("OpenAI or Anthropic key", "sk-", r"\bsk-[A-Za-z0-9][\w-]{19,255}"),
    _shape("Google key", "aiza|ya29.", r"\b(?:AIza[\w-]{35}|ya29\.[\w-]{20,1000})"),
    _shape("SendGrid key", "sg.", r"\bSG\.[\w-]{22}\.[\w-]{43}"),
    _shape("Vault token", "hvs.|hvb.|hvr.", r"\bhv[sbr]\.[\w-]{20,500}"),
    _shape("registry token", "npm_|pypi-age", r"\b(?:npm_[A-Za-z0-9]{36}|pypi-AgE[\w-]{50,500})"),
    _shape("JSON web token", "eyj", r"\beyJ[\w-]{8,}\.eyJ[\w-]{4,}\.[\w-]*"),
    _shape(
        "password hash", "$1$|$2a$|$2b$|$2y$|$5$|$6$|$y$|$argon2", r"\$(?:\d[aby]?|y|argon2\w*)\$[\w./$=,+-]{20,500}"
    ),
    _shape(
        "password in a URL",
        "://",
        r"(?P<keep>\b[a-z][a-z0-9+.-]{1,30}://[^\s/:@\"'\\]{0,256}:)[^\s/@\"'\\]{1,512}(?=@)",
        re.IGNORECASE,
    ),
    _shape(
        "authorization header",
        "authorization",
        r"(?P<keep>authorization[\\\"']*\s{0,4}[:=]\s{0,4}[\\\"']*"
        r"(?:(?:basic|bearer|token|negotiate)\s{1,4}|(?=digest|aws4)))(?:(?:digest|aws4)[^\"'\\\r\n]{4,}|[^\s\"'\\,]{4,})",
        re.IGNORECASE,
    ),
    _shape("bearer token", "bearer ", r"(?P<keep>\bbearer\s{1,4})[\w.~+/=-]{16,}", re.IGNORECASE),
    _shape(
        "cookie",
        "cookie",
        r"(?P<keep>\b(?:set-)?cookie[\\\"']*\s{0,4}[:=]\s{0,4}[\\\"']*)[^\s=;\"'\\]{1,128}=[^\"'\\\r\n]{4,}",
        re.IGNORECASE,
    ),
    _shape("signed URL", "sig=|signature=", r"(?P<keep>[?&;](?:x-amz-)?sig(?:nature)?=)[\w%/+=-]{20,}", re.IGNORECASE),
    _shape(
        "secret option",
        "--",
        rf"(?P<keep>--(?:[a-z0-9]{{1,16}}-){{0,2}}(?:{_NAMES})[= ]{{1,4}}){_NOT_HIDDEN}[^\s\"'\\]{{4,512}}",
        re.IGNORECASE,
    ),
    _shape(
        "value of a secret name",
        "password|passwd|passphrase|pwd|secret|token|apikey|api_key|api-key|accesskey|access_key|access-key|privatekey|"
        "private_key|private-key|accountkey|account_key|account-key|sharedaccess|shared_access|shared-access|credential",
        rf"(?P<keep>(?:{_NAMES})[\w.-]{{0,32}}[\\\"']{{0,4}}\s{{0,4}}[=:]\s{{0,4}}[\\\"']{{0,4}})"
        rf"{_NOT_HIDDEN}[^\s\"'\\,;&{{}}\[\]()<>]{{6,1024}}",
        re.IGNORECASE,
    ),
)


class SecretTooShortError(ValueError):
    """A value of fewer than 8 characters cannot be kept out of text."""


class Redactor:
    """One per process: `redactor`. Safe to use from several threads."""

    def __init__(self) -> None:
        self._values: OrderedDict[str, tuple[str, ...]] = OrderedDict()
        self._known: AhoCorasick | None = None
        hints = [(hint, shape) for shape in SHAPES for hint in shape.hints]
        self._shape_of_hint = [shape for _, shape in hints]
        self._hints = AhoCorasick([hint for hint, _ in hints])
        self._lock = threading.Lock()

    def register(self, value: str) -> None:
        """Take this value out of everything from now on. Of more than 512 the one resolved longest ago is forgotten.

        Raises SecretTooShortError.
        """
        if len(value.strip()) < SECRET_CHARACTERS_MIN:
            raise SecretTooShortError(f"a secret has at least {SECRET_CHARACTERS_MIN} characters")
        with self._lock:
            if value in self._values:
                self._values.move_to_end(value)
                return
            self._values[value] = forms_of(value)
            if len(self._values) > VALUES_MAX:
                self._values.popitem(last=False)
            every = sorted({form for forms in self._values.values() for form in forms})
            self._known = AhoCorasick(every, matchkind=MatchKind.LeftmostLongest)

    def text(self, text: str) -> str:
        """The text without secrets; the same object where there are none."""
        text = self.known(text)
        shapes = self._shapes_hinted_at(text)
        for shape in SHAPES if shapes else ():
            if shape.name in shapes:
                text = shape.pattern.sub(_replacement, text)
        return text

    def known(self, text: str) -> str:
        """The text without the values that were registered: at no cost while there are none."""
        known = self._known
        if known is None:
            return text
        found = known.find_matches_as_indexes(_encodable(text))
        if not found:
            return text
        pieces, at = [], 0
        for _, begin, end in found:
            pieces += [text[at:begin], REDACTED]
            at = end
        return "".join([*pieces, text[at:]])

    def _shapes_hinted_at(self, text: str) -> set[str]:
        found = self._hints.find_matches_as_indexes(_encodable(text.lower()), overlapping=True)
        return {self._shape_of_hint[index].name for index, _, _ in found}

    def known_in(self, data: bytes) -> bytes:
        """`known` for UTF-8."""
        if self._known is None:
            return data
        text = data.decode("utf-8", "replace")
        found = self.known(text)
        return data if found is text else found.encode()

    def value(self, value: Any) -> Any:
        """`text` for every text in a value of JSON, keys too; what stands under a secret name goes as a whole."""
        if isinstance(value, str):
            return self.text(value)
        if isinstance(value, dict):
            return {self.text(str(name)): self._under(str(name), inner) for name, inner in value.items()}
        if isinstance(value, list | tuple):
            return [self.value(inner) for inner in value]
        return value

    def _under(self, name: str, inner: Any) -> Any:
        is_whole = isinstance(inner, str) and inner and not inner.startswith(("env:", "file:", "vault:"))
        return REDACTED if is_whole and is_secret_name(name) else self.value(inner)

    def is_clean(self, text: str) -> bool:
        """Whether nothing in the text even looks like a secret: quick, for many texts joined. False may be wrong."""
        return self.known(text) is text and not self._shapes_hinted_at(text)


def _encodable(text: str) -> str:
    """The text with every lone surrogate, which no encoder takes, as another character: lengths stay."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return text.encode("utf-8", "replace").decode()
    return text


def is_secret_name(name: str) -> bool:
    """Whether what stands under this name is a secret: `password`, `api_key`, `db.token` and the like."""
    return _SECRET_NAME.search(name) is not None


def _replacement(found: re.Match[str]) -> str:
    kept = found.groupdict().get("keep") or ""
    return f"{kept}{REDACTED}"


def forms_of(value: str) -> tuple[str, ...]:
    """The value as it is and as others write it: JSON, URLs, base64 at each of its three places, hex, line by line."""
    found = {value, value.strip()}
    for one in [value, *(line.strip() for line in value.splitlines() if len(line.strip()) >= _LINE_CHARACTERS_MIN)]:
        data = one.encode("utf-8", "surrogatepass")
        found |= {one, data.hex(), data.hex().upper()}
        found |= {quote(data, safe=""), quote(data, safe="/"), quote_plus(data)}
        found |= set(_base64_forms(data))
        for escaped in (json.dumps(one)[1:-1], json.dumps(one, ensure_ascii=False)[1:-1]):
            found |= {escaped, json.dumps(escaped)[1:-1]}
    return tuple(sorted((form for form in found if len(form) >= SECRET_CHARACTERS_MIN), key=len, reverse=True))


def _base64_forms(data: bytes) -> list[str]:
    """What base64 of any text that contains `data` contains: where it begins decides which of three forms."""
    found: list[str] = []
    for before in range(3):
        encoded = base64.b64encode(b"\0" * before + data).decode()
        stable = encoded[-(-before * 8 // 6) : (before + len(data)) * 8 // 6]
        if len(stable) >= _ENCODED_CHARACTERS_MIN:
            found += [stable, stable.replace("+", "-").replace("/", "_")]
    return found


redactor = Redactor()
"""This process' own."""
