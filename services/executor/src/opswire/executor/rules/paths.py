"""Which paths on a host may be read. Pure: links are followed by the adapter, which asks again with what it found."""

from __future__ import annotations

import fnmatch
import posixpath

from opswire.executor.errors import PathRefusedError

PATH_CHARACTERS_MAX = 512
_KERNEL = ("/proc", "/sys", "/dev")
# Reading these is reading a secret, which has an intent, and later an approval, of its own.
_SECRETS = (
    "/etc/shadow*",
    "/etc/gshadow*",
    "/etc/sudoers*",
    "/etc/ssl/private*",
    "/etc/krb5.keytab",
    "*/.ssh/*",
    "*/.gnupg/*",
    "*/.aws/*",
    "*/.kube/*",
    "*/.docker/config.json",
    "*/id_rsa",
    "*/id_dsa",
    "*/id_ecdsa",
    "*/id_ed25519",
    "*/ssh_host_*_key",
    "*.key",
    "*.pem",
    "*.p12",
    "*.pfx",
    "*.jks",
    "*.kdbx",
    "*/.env",
    "*/.env.*",
    "*/.netrc",
    "*/.pgpass",
    "*/.my.cnf",
    "*/.git-credentials",
    "*/.htpasswd",
    "*/.vault-token",
    "*/.bash_history",
    "*/.zsh_history",
    "*/credentials",
    "*/credentials.json",
    "/run/secrets/*",
    "/var/run/secrets/*",
)


def check_path(text: str) -> str:
    """The normalised absolute path. Raises PathRefusedError for one that is relative, malformed, or never read."""
    if not text.startswith("/"):
        raise PathRefusedError(f"The path {_shown(text)} is not absolute; it must begin with '/'.")
    if len(text) > PATH_CHARACTERS_MAX:
        raise PathRefusedError(f"The path is longer than {PATH_CHARACTERS_MAX} characters.")
    if not text.isprintable():
        raise PathRefusedError(f"The path {_shown(text)} holds control or invisible characters.")
    path = posixpath.normpath(text)
    if path.startswith("//"):
        path = path[1:]
    folded = path.casefold()
    if any(path == root or path.startswith(f"{root}/") for root in _KERNEL):
        raise PathRefusedError(f"{_shown(path)} is the kernel's or a device, not a file to read.")
    if any(fnmatch.fnmatchcase(folded, pattern) for pattern in _SECRETS):
        raise PathRefusedError(f"{_shown(path)} usually holds secrets; it is not read without an approval.")
    return path


def _shown(text: str) -> str:
    return repr(text[:120])
