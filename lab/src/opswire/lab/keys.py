"""The lab's SSH keys: made once, kept, readable by their owner only."""

from __future__ import annotations

import os
from pathlib import Path


def ensure_key(path: Path, comment: str) -> str:
    """The public key line of the ed25519 key at `path`, which is made with mode 0600 when it is missing."""
    public = path.with_name(path.name + ".pub")
    if not path.exists() or not public.exists():
        # Imported here: it takes a third of a second, and the keys are made once.
        import asyncssh

        key = asyncssh.generate_private_key("ssh-ed25519", comment=comment)
        public.write_bytes(key.export_public_key())
        path.unlink(missing_ok=True)
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(descriptor, "wb") as file:
            file.write(key.export_private_key())
    path.chmod(0o600)
    return public.read_text().strip()
