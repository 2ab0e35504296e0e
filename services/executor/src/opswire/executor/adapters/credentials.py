"""Credential references into keys. The reference travels; the key never leaves this process."""

from __future__ import annotations

import base64
from contextlib import suppress
from pathlib import Path

import asyncssh
from opswire.chassis.redaction import SecretTooShortError, redactor
from opswire.contracts.findings import Asset
from opswire.executor.errors import CredentialUnusableError, HostKeyUnknownError

KEY_BYTES_MAX = 64 * 1024


def client_key(asset: Asset, credentials_dir: Path) -> asyncssh.SSHKey:
    """The private key that the asset's `credential` refers to. Raises CredentialUnusableError; never shows content.

    What was read is taken out of everything that leaves this process from now on, also where it is no key after all.
    """
    path = resolve_reference(asset.attributes.get("credential", ""), asset.name, credentials_dir)
    try:
        with path.open("rb") as file:
            content = file.read(KEY_BYTES_MAX)
        _keep_out_of_text(content)
        return asyncssh.import_private_key(content)
    except (OSError, asyncssh.KeyImportError, asyncssh.KeyEncryptionError, ValueError):
        # The original error may quote the file; only that it failed is told.
        raise CredentialUnusableError(f"the credential of {asset.name} cannot be read as a private key") from None


def _keep_out_of_text(content: bytes) -> None:
    """A binary key is no text itself; base64 is how it would be shown."""
    try:
        text = content.decode()
    except UnicodeDecodeError:
        text = base64.b64encode(content).decode()
    with suppress(SecretTooShortError):
        redactor.register(text)


def resolve_reference(reference: str, name: str, credentials_dir: Path) -> Path:
    """The file of a `file:` reference: inside `credentials_dir`, links followed. Raises CredentialUnusableError."""
    if not reference.startswith("file:"):
        raise CredentialUnusableError(f"the inventory holds no credential reference of the form file:... for {name}")
    relative = reference.removeprefix("file:")
    if not relative or not relative.isprintable() or Path(relative).is_absolute():
        raise CredentialUnusableError(f"the credential reference of {name} is not a relative path")
    base = credentials_dir.resolve()
    path = (base / relative).resolve()
    if not path.is_relative_to(base) or path == base:
        raise CredentialUnusableError(f"the credential reference of {name} leaves the credentials directory")
    return path


def host_key(asset: Asset) -> asyncssh.SSHKey:
    """The public key that the host must show. Raises HostKeyUnknownError."""
    text = asset.attributes.get("ssh_host_key", "")
    if not text:
        raise HostKeyUnknownError(f"the inventory holds no ssh_host_key for {asset.name}, so it is not contacted")
    try:
        return asyncssh.import_public_key(text)
    except asyncssh.KeyImportError:
        raise HostKeyUnknownError(f"the ssh_host_key of {asset.name} in the inventory is no public key") from None
