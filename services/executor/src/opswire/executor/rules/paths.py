"""Which paths on a host may be read, written and deleted. Pure: links are followed by the adapter, which asks again."""

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

# Where operations keep what they change; the rest of a host is its operating system's.
_WRITABLE = ("/etc", "/opt", "/srv", "/home", "/tmp", "/var/lib", "/var/www", "/var/backups", "/var/tmp", "/var/log")  # noqa: S108
# Whoever may write one of these decides who logs in and what runs as root.
_PRIVILEGES = (
    "/etc/passwd*",
    "/etc/group*",
    "/etc/subuid*",
    "/etc/subgid*",
    "/etc/pam.d*",
    "/etc/security*",
    "/etc/ssh*",
    "/etc/ld.so*",
    "/etc/cron*",
    "/etc/profile*",
    "/etc/environment",
    "/etc/init.d*",
    "/etc/rc*",
    "/etc/systemd*",
    "/etc/polkit*",
    "/etc/doas.conf",
    "/etc/hosts.equiv",
    "/var/lib/dpkg*",
    "/var/lib/rpm*",
    "/var/lib/systemd*",
    "*/.bashrc",
    "*/.bash_profile",
    "*/.profile",
    "*/.zshrc",
    "*/.rhosts",
    "*/.ssh",
)
# Where single files come and go; elsewhere a path that is deleted has two names: `/srv/shop/old`, never `/srv/shop`.
_PASSING = ("/tmp", "/var/tmp", "/var/backups")  # noqa: S108
DELETE_DEPTH_MIN = 2


def check_writable(text: str) -> str:
    """The normalised path of a file that may be written. Raises PathRefusedError, as `check_path` does and more."""
    path = check_path(text)
    if _below(path) < 1:
        raise PathRefusedError(f"{_shown(path)} is not below {', '.join(_WRITABLE)}; nothing else is written.")
    folded = path.casefold()
    if any(fnmatch.fnmatchcase(folded, pattern) for pattern in _PRIVILEGES):
        raise PathRefusedError(f"{_shown(path)} decides who may do what on the host; it is not written.")
    return path


def check_deletable(text: str) -> str:
    """The normalised path of what may be deleted. Raises PathRefusedError for what is too close to a root."""
    path = check_writable(text)
    passing = any(path.startswith(f"{root}/") for root in _PASSING)
    if _below(path) < DELETE_DEPTH_MIN and not passing:
        raise PathRefusedError(f"{_shown(path)} is too close to the root of the host to be deleted.")
    return path


def _below(path: str) -> int:
    """How many names the path has below the innermost writable root; 0 where it is below none."""
    depths = [path.removeprefix(f"{root}/").count("/") + 1 for root in _WRITABLE if path.startswith(f"{root}/")]
    return min(depths, default=0)


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
