"""What the drivers need to know. The service's settings build one of these."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path

from pydantic import SecretStr


@dataclass(frozen=True, slots=True)
class DriverSettings:
    """`credentials_dir` is what `file:` references stand in; `nameservers` are `address` or `address#port`.

    `allow_loopback` is for the lab only. `ca_file` (PEM) stands in for the system's certificate authorities.
    """

    credentials_dir: Path
    allow_loopback: bool = False
    nameservers: tuple[str, ...] = ()
    ca_file: Path | None = None
    connect_timeout_s: float = 5.0
    sqlite_dir: Path | None = None
    """Where SQLite files stand that tools may ask; none: no tool opens one."""
    ssh_idle_s: float = 60.0
    ssh_connections_max: int = 64

    @property
    def version(self) -> str:
        """Changes with what could give another answer to the same question: name servers, authorities, SQLite files."""
        told = f"{self.allow_loopback}|{','.join(self.nameservers)}|{self.ca_file or ''}|{self.sqlite_dir or ''}"
        return hashlib.sha256(told.encode()).hexdigest()[:16]


@dataclass(frozen=True, slots=True)
class VaultSettings:
    """Where the store answers. The token comes from a file (an agent renews it there) or is given; the file counts."""

    url: str
    token: SecretStr | None = None
    token_file: Path | None = None
    namespace: str | None = None
    ca_file: Path | None = None
