"""References to secrets become values here, in this process alone, and every value is kept out of all text at once.

`env:OPSWIRE_SECRET_NAME`, `file:path` inside the credentials directory, `vault:mount/path#field` in a store that speaks
the HTTP interface of HashiCorp Vault's KV version 2 (Vault, OpenBao). An error names the reference, never a value.
"""

from __future__ import annotations

import asyncio
import os
import re
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Protocol

import httpx
import orjson
from opswire.chassis.redaction import Redactor, SecretTooShortError, redactor
from opswire.executor.adapters.credentials import resolve_reference
from opswire.executor.adapters.settings import VaultSettings
from opswire.executor.errors import CredentialUnusableError
from pydantic import SecretStr

ENVIRONMENT_PREFIX = "OPSWIRE_SECRET_"
SECRET_BYTES_MAX = 64 * 1024
KEPT_S = 10.0
KEPT_MAX = 256
TIMEOUT_S = 5.0
_NAME = re.compile(rf"{ENVIRONMENT_PREFIX}[A-Z0-9_]{{1,128}}")
_VAULT = re.compile(
    r"([A-Za-z0-9_-]{1,64})/((?:[A-Za-z0-9_.-]{1,128}/){0,16}[A-Za-z0-9_.-]{1,128})#([A-Za-z0-9_.-]{1,128})"
)


class SecretStore(Protocol):
    """Where secrets lie. One for each kind of reference."""

    async def read(self, place: str) -> str:
        """The value at a place, which is a reference without its kind.

        Raises CredentialUnusableError with a sentence that holds nothing of the value.
        """


class Secrets:
    """Resolves references. One per executor; the stores are by the word before the colon."""

    def __init__(self, stores: Mapping[str, SecretStore], by: Redactor = redactor) -> None:
        self._stores = stores
        self._redactor = by
        self._kept: dict[str, tuple[float, SecretStr]] = {}
        self._locks: dict[str, asyncio.Lock] = {}

    async def resolve(self, reference: str) -> SecretStr:
        """The value; asked for again after ten seconds, so that a rotated one is used soon.

        Raises CredentialUnusableError: no such reference, none there, or one that is too short to be kept out of text.
        """
        kind, colon, place = reference.partition(":")
        store = self._stores.get(kind)
        if not colon or store is None or not place.isprintable() or len(reference) > 1_024:
            known = ", ".join(f"{name}:..." for name in self._stores)
            raise CredentialUnusableError(f"a reference to a secret is one of {known}")
        async with self._locks.setdefault(reference, asyncio.Lock()):
            kept = self._kept.get(reference)
            if kept is not None and kept[0] > time.monotonic():
                return kept[1]
            value = await store.read(place)
            self._keep_out(reference, value)
            secret = SecretStr(value)
            self._keep(reference, secret)
            return secret

    def _keep_out(self, reference: str, value: str) -> None:
        """From now on no text of this process holds it. Before anybody can use it."""
        try:
            self._redactor.register(value)
        except SecretTooShortError as error:
            raise CredentialUnusableError(f"the secret {reference} cannot be used: {error}") from None

    def _keep(self, reference: str, secret: SecretStr) -> None:
        now_s = time.monotonic()
        if len(self._kept) >= KEPT_MAX:
            self._kept = {name: kept for name, kept in self._kept.items() if kept[0] > now_s}
            self._locks = {name: lock for name, lock in self._locks.items() if name in self._kept or lock.locked()}
        if len(self._kept) < KEPT_MAX:
            self._kept[reference] = (now_s + KEPT_S, secret)

    async def close(self) -> None:
        """Close what the stores keep open."""
        for store in self._stores.values():
            if isinstance(store, VaultSecrets):
                await store.close()


def secrets_of(credentials_dir: Path, vault: VaultSettings | None) -> Secrets:
    """Every kind of reference that the settings allow: `env:`, `file:`, and `vault:` where a store is named."""
    stores: dict[str, SecretStore] = {"env": EnvironmentSecrets(), "file": FileSecrets(credentials_dir)}
    if vault is not None:
        stores["vault"] = VaultSecrets(vault)
    return Secrets(stores)


class EnvironmentSecrets:
    """Variables of this process whose names begin with OPSWIRE_SECRET_, and no others."""

    async def read(self, place: str) -> str:
        """The variable's value. Raises CredentialUnusableError."""
        if not _NAME.fullmatch(place):
            raise CredentialUnusableError(f"env: takes names that begin with {ENVIRONMENT_PREFIX}, not {place[:80]!r}")
        value = os.environ.get(place)
        if not value:
            raise CredentialUnusableError(f"the environment holds no {place}")
        return value


class FileSecrets:
    """Files inside the credentials directory, links followed; a newline at the end is not part of the secret."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory

    async def read(self, place: str) -> str:
        """The file's text, at most 64 kB. Raises CredentialUnusableError."""
        path = resolve_reference(f"file:{place}", "a secret", self._directory)
        return await asyncio.to_thread(_read_file, path, place)


def _read_file(path: Path, place: str) -> str:
    try:
        if not path.is_file():
            raise OSError
        with path.open("rb") as file:
            data = file.read(SECRET_BYTES_MAX + 1)
        if len(data) > SECRET_BYTES_MAX:
            raise OSError
        return data.decode().rstrip("\r\n")
    except (OSError, ValueError):
        # The original error may quote the file; only that it failed is told.
        raise CredentialUnusableError(f"the secret file {place!r} cannot be read as text of at most 64 kB") from None


class VaultSecrets:
    """A store that speaks Vault's KV version 2 over HTTP. Its address comes from the settings, never a reference."""

    def __init__(self, settings: VaultSettings, by: Redactor = redactor) -> None:
        """Nothing is asked yet."""
        self._settings = settings
        self._redactor = by
        self._client: httpx.AsyncClient | None = None

    async def read(self, place: str) -> str:
        """One field of the newest version of a secret. Raises CredentialUnusableError."""
        found = _VAULT.fullmatch(place)
        if found is None or any(part in (".", "..") for part in found[2].split("/")):
            raise CredentialUnusableError("a reference into the store is vault:MOUNT/PATH#FIELD")
        mount, path, field = found.groups()
        where = f"{mount}/{path}"
        headers = {"X-Vault-Token": await self._token(), "X-Vault-Request": "true"}
        if self._settings.namespace:
            headers["X-Vault-Namespace"] = self._settings.namespace
        status, body = await self._get(f"/v1/{mount}/data/{path}", headers, where)
        if status != httpx.codes.OK:
            raise CredentialUnusableError(f"the secret store refuses {where}: HTTP {status}")
        return _field(body, field, where)

    async def close(self) -> None:
        """Close the connections."""
        if self._client is not None:
            await self._client.aclose()

    async def _token(self) -> str:
        path = self._settings.token_file
        if path is not None:
            token = await asyncio.to_thread(_read_file, path, path.name)
        elif self._settings.token is not None:
            token = self._settings.token.get_secret_value()
        else:
            raise CredentialUnusableError("the secret store needs OPSWIRE_VAULT_TOKEN_FILE or OPSWIRE_VAULT_TOKEN")
        try:
            self._redactor.register(token)
        except SecretTooShortError:
            raise CredentialUnusableError("the token of the secret store is too short to be one") from None
        return token

    async def _get(self, path: str, headers: dict[str, str], where: str) -> tuple[int, bytes]:
        """Status and body, in five seconds, redirects not followed, at most 64 kB."""
        if self._client is None:
            verify: Any = str(self._settings.ca_file) if self._settings.ca_file else True
            self._client = httpx.AsyncClient(
                base_url=self._settings.url, verify=verify, timeout=TIMEOUT_S, follow_redirects=False, trust_env=False
            )
        try:
            async with asyncio.timeout(TIMEOUT_S), self._client.stream("GET", path, headers=headers) as reply:
                body = b""
                async for chunk in reply.aiter_bytes():
                    body += chunk
                    if len(body) > SECRET_BYTES_MAX:
                        raise CredentialUnusableError(f"the secret store answers more than 64 kB for {where}")
                return reply.status_code, body
        except (httpx.HTTPError, TimeoutError, OSError) as error:
            kind = type(error).__name__
            raise CredentialUnusableError(f"the secret store does not answer for {where}: {kind}") from None


def _field(body: bytes, field: str, where: str) -> str:
    try:
        value = orjson.loads(body)["data"]["data"][field]
    except (ValueError, KeyError, TypeError):
        raise CredentialUnusableError(f"the secret store holds no field {field} in {where}") from None
    if not isinstance(value, str) or not value:
        raise CredentialUnusableError(f"the field {field} in {where} is no text")
    return value
