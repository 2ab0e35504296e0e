"""Free ports on loopback, chosen where the kernel does not hand them out by itself."""

from __future__ import annotations

import random
import socket

# Linux gives outgoing connections ports from 32768 up, macOS from 49152 up. A server that restarts on its own port must
# not find it taken by a client, and a client that reconnects to a dead port in that range can even connect to itself.
PORT_MIN = 20_000
PORT_MAX = 32_000
ATTEMPTS_MAX = 200


def is_free(port: int) -> bool:
    """Whether a server could listen on this loopback port now. Another process may take it a moment later."""
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
        # As servers do: a port whose old connections are still in TIME_WAIT is free.
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
            # Some systems allow the bind beside a listening socket and refuse only here.
            probe.listen(1)
        except OSError:
            return False
    return True


def free_port(avoid: frozenset[int] = frozenset()) -> int:
    """A loopback port that is free now and not in `avoid`. Raises RuntimeError when 200 tries found none."""
    for _ in range(ATTEMPTS_MAX):
        port = random.SystemRandom().randint(PORT_MIN, PORT_MAX)
        if port not in avoid and is_free(port):
            return port
    raise RuntimeError(f"no free port between {PORT_MIN} and {PORT_MAX}; end a program that listens there")
