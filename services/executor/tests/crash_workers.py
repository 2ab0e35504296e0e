"""Executors that die, from the side of the test: commands go to the zygote, ends come back."""

from __future__ import annotations

import asyncio
import itertools
import json
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

WORKER = Path(__file__).with_name("crash_worker.py")
STOPPED = -signal.SIGSTOP


class Workers:
    """The zygote, and the executors that it forks."""

    def __init__(self) -> None:
        self._ids = itertools.count()
        self._told: dict[int, asyncio.Future[int]] = {}
        self.killed = 0

    async def start(self) -> None:
        """Import everything once."""
        self._process = await asyncio.create_subprocess_exec(
            sys.executable, str(WORKER), stdin=subprocess.PIPE, stdout=subprocess.PIPE, limit=1_000_000
        )
        self._reading = asyncio.create_task(self._read())

    async def run(self, command: dict[str, Any]) -> tuple[int, int]:
        """One executor's life: its number and exit status: -9 where it was killed, STOPPED until `wake`."""
        number = next(self._ids)
        return number, await self._tell(number, command | {"id": number})

    async def wake(self, number: int) -> int:
        """Let a stopped one go on; its exit status."""
        return await self._tell(number, {"wake": number})

    async def _tell(self, number: int, command: dict[str, Any]) -> int:
        assert self._process.stdin is not None
        if self._reading.done():
            raise RuntimeError("the zygote has ended")
        self._told[number] = asyncio.get_running_loop().create_future()
        self._process.stdin.write(json.dumps(command).encode() + b"\n")
        status = await self._told[number]
        self.killed += status == -signal.SIGKILL
        return status

    async def _read(self) -> None:
        assert self._process.stdout is not None
        try:
            async for line in self._process.stdout:
                report = json.loads(line)
                self._told.pop(report["id"]).set_result(report["status"])
        finally:
            for future in self._told.values():
                future.set_exception(RuntimeError("the zygote has ended"))

    async def stop(self) -> None:
        """End the zygote."""
        assert self._process.stdin is not None
        self._process.stdin.close()
        await self._process.wait()
        await self._reading
