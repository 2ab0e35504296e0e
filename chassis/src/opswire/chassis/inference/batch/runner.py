"""A batch run by a program beside the server: vLLM's `run_batch`, which loads the model itself and ends."""

from __future__ import annotations

import fcntl
import os
import subprocess
import sys
from collections.abc import AsyncIterator, Mapping, Sequence
from pathlib import Path

from opswire.chassis.inference.batch.items import BatchResult
from opswire.chassis.inference.batch.lines import read_lines, to_lines
from opswire.chassis.inference.batch.transport import BatchStatus, Handed
from opswire.chassis.inference.endpoint import Endpoint
from opswire.chassis.inference.errors import InferenceRefusedError, InferenceUnavailableError

VLLM = ("-m", "vllm.entrypoints.openai.run_batch")


class ProgramBatches:
    """Runs `python -m vllm.entrypoints.openai.run_batch -i IN -o OUT --model MODEL ...` in a folder of ours.

    The program lives on when this process is killed, and is found again by the lock that it holds.
    """

    items_max = 50_000

    def __init__(
        self,
        endpoint: Endpoint,
        folder: Path,
        python: Path | None = None,
        arguments: Sequence[str] = (),
        environment: Mapping[str, str] | None = None,
        program: Sequence[str] = VLLM,
    ) -> None:
        """`python` is that of vLLM's own environment; `arguments` are added behind the model.

        Without `environment` the program has ours.
        """
        self._endpoint, self._folder = endpoint, folder
        self._command = [str(python or sys.executable), *program]
        self._arguments = list(arguments)
        self._environment = None if environment is None else dict(environment)
        self._children: dict[str, subprocess.Popen[bytes]] = {}

    @property
    def identity(self) -> str:
        """See BatchTransport."""
        return f"program {self._endpoint.model} {' '.join(self._arguments)}"

    async def submit(self, handed: Handed, /) -> str:
        """See BatchTransport. Raises InferenceRefusedError where the program cannot be started."""
        self._start(handed)
        return handed.label

    async def find(self, handed: Handed, /) -> str | None:
        """See BatchTransport."""
        return (
            handed.label if self._is_running(handed.label) or self._path(handed.label, "out.jsonl").exists() else None
        )

    async def poll(self, batch_id: str, /) -> BatchStatus:
        """See BatchTransport."""
        if self._is_running(batch_id):
            return BatchStatus(is_ended=False)
        child = self._children.pop(batch_id, None)
        if child is not None:
            child.wait()
        return BatchStatus(is_ended=True)

    async def collect(self, batch_id: str, _: Handed, /) -> AsyncIterator[BatchResult]:
        """See BatchTransport. A program that ended without its file has failed: the log's end says why."""
        path = self._path(batch_id, "out.jsonl")
        if not path.exists():
            raise InferenceRefusedError(
                f"the batch runner wrote no results: {self._last_words(batch_id)}", "no_results"
            )
        for result in read_lines(path.read_bytes()):
            yield result

    async def close(self) -> None:
        """The program is left running: it is found again."""
        self._children.clear()

    def _start(self, handed: Handed) -> None:
        label = handed.label
        self._folder.mkdir(parents=True, exist_ok=True)
        self._path(label, "in.jsonl").write_bytes(to_lines(handed.items, self._endpoint))
        lock = os.open(self._path(label, "lock"), os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            # The lock belongs to the open file, which the program inherits: it is free when the program has ended.
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            with self._path(label, "log").open("wb") as log:
                self._children[label] = subprocess.Popen(
                    [*self._command, *self._files(label), "--model", self._endpoint.model, *self._arguments],
                    stdin=subprocess.DEVNULL,
                    stdout=log,
                    stderr=subprocess.STDOUT,
                    start_new_session=True,
                    env=self._environment,
                    pass_fds=(lock,),
                )
        except OSError as error:
            raise InferenceRefusedError(f"the batch runner cannot be started: {error}", "not_started") from error
        finally:
            os.close(lock)

    def _files(self, label: str) -> list[str]:
        return ["-i", str(self._path(label, "in.jsonl")), "-o", str(self._path(label, "out.jsonl"))]

    def _path(self, label: str, name: str) -> Path:
        return self._folder / f"{label}.{name}"

    def _is_running(self, label: str) -> bool:
        try:
            lock = os.open(self._path(label, "lock"), os.O_RDWR | os.O_CLOEXEC)
        except FileNotFoundError:
            return False
        except OSError as error:
            raise InferenceUnavailableError(f"the batch's lock cannot be read: {error.strerror}") from error
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return True
        finally:
            os.close(lock)
        return False

    def _last_words(self, label: str) -> str:
        try:
            return " ".join(self._path(label, "log").read_text(errors="replace").splitlines()[-3:])[-400:]
        except OSError:
            return "it left no log"
