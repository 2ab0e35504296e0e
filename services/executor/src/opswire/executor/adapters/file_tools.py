"""Tools that change files and release links of a host, and that look whether it was done."""

from __future__ import annotations

import posixpath

from opswire.executor.adapters.changed_files import ChangedFiles, Place, changing, digest
from opswire.executor.adapters.ssh import Ssh
from opswire.executor.errors import BadArgumentError, FileBinaryError, FileRefusedError, StateChangedError
from opswire.executor.rules.cells import plain
from opswire.executor.rules.tools import Judgement, Record, Tool, ToolCall, ToolResult, Verdict


class FileTools:
    """Tools over one set of SSH connections."""

    def __init__(self, ssh: Ssh) -> None:
        self._ssh = ssh

    def tools(self) -> dict[str, Tool]:
        """The tools by name."""
        return {
            "file.write": self.write,
            "file.replace_text": self.replace_text,
            "file.restore": self.restore,
            "file.delete": self.delete,
            "file.verify": self.verify,
            "file.verify_absent": self.verify_absent,
            "release.switch": self.switch,
            "release.verify": self.verify_release,
        }

    async def write(self, call: ToolCall) -> ToolResult:
        """Write a whole file. Raises FileRefusedError, StateChangedError, FileUnwritableError."""
        data = call.text("content").encode()
        async with changing(self._ssh, call.needed_host()) as files:
            place = await files.find(call.text("path"))
            return await _replaced(files, call, place, data)

    async def replace_text(self, call: ToolCall) -> ToolResult:
        """Replace a text that the file holds exactly once. Raises StateChangedError where it does not."""
        old, new = call.text("old"), call.text("new")
        async with changing(self._ssh, call.needed_host()) as files:
            place = await files.find(call.text("path"))
            files.require(place, "file")
            try:
                text = (await files.read(place.path)).decode("utf-8")
            except UnicodeDecodeError:
                raise FileBinaryError(f"{place.path!r} is not UTF-8 text; nothing was changed") from None
            count = text.count(old)
            if count != 1:
                raise StateChangedError(
                    f"{place.path!r} holds the text {count} times and not once; nothing was changed"
                )
            return await _replaced(files, call, place, text.replace(old, new).encode())

    async def restore(self, call: ToolCall) -> ToolResult:
        """Put a file back from the copy that an earlier step kept. Raises BackupMissingError."""
        async with changing(self._ssh, call.needed_host()) as files:
            place = await files.find(call.text("path"))
            if place.kind not in ("file", "nothing"):
                files.require(place, "file")
            wanted = await files.digest_of_copy(place, call.text("backup"))
            await files.keep(place, call.step_id)
            await files.restore(place, call.text("backup"), call.step_id)
            return ToolResult((_record(call, place.path, "restored", wanted),))

    async def delete(self, call: ToolCall) -> ToolResult:
        """Remove a file, a link or a directory with all in it. Raises StateChangedError where nothing is there."""
        async with changing(self._ssh, call.needed_host()) as files:
            place = await files.find(call.text("path"), deletable=True)
            if place.kind == "nothing":
                raise StateChangedError(f"nothing is at {place.path!r}; nothing was removed")
            count = await files.delete(place)
            return ToolResult((_record(call, place.path, f"removed, {count} in all", None),))

    async def verify(self, call: ToolCall) -> ToolResult:
        """`pass` when the file holds what the arguments and the change's own result say, else `fail`."""
        async with changing(self._ssh, call.needed_host()) as files:
            place = await files.find(call.text("path"))
            data = await files.read(place.path) if place.kind == "file" else None
            found = None if data is None else digest(data)
            wanted = [call.optional_text("digest"), _digest_written(call)]
            if call.optional_text("backup") is not None:
                wanted.append(await files.digest_of_copy(place, call.text("backup")) or "absent")
        text = call.optional_text("contains")
        wrong = [each for each in wanted if each is not None and each != (found or "absent")]
        if text and text.encode() not in (data or b""):
            wrong.append("text")
        status = Judgement.FAIL if wrong else Judgement.PASS
        said = f"SHA-256 {found[:16]}…, {len(data or b'')} bytes" if found else "there is no file"
        return _verified(call, place.path, Verdict(status, said + (", not what it should be" if wrong else "")))

    async def verify_absent(self, call: ToolCall) -> ToolResult:
        """`pass` when nothing is at the path."""
        async with changing(self._ssh, call.needed_host()) as files:
            place = await files.find(call.text("path"), deletable=True)
        gone = place.kind == "nothing"
        detail = "nothing is there" if gone else f"a {place.kind} is there"
        return _verified(call, place.path, Verdict(Judgement.PASS if gone else Judgement.FAIL, detail))

    async def switch(self, call: ToolCall) -> ToolResult:
        """Let a link point to another release of its folder. Raises StateChangedError, BadArgumentError."""
        async with changing(self._ssh, call.needed_host()) as files:
            place, before = await _release(files, call)
            expected, release = call.optional_text("release_before"), call.text("release")
            folder, name = posixpath.split(before)
            if expected is not None and expected != name:
                raise StateChangedError(f"{place.path!r} points to {name!r}, not to {expected!r}; nothing was changed")
            beside = posixpath.join(posixpath.dirname(place.path), folder, release)
            if (await files.find(posixpath.normpath(beside))).kind != "directory":
                raise BadArgumentError(f"there is no release {release!r} beside {name!r}; nothing was changed")
            await files.point(place, posixpath.join(folder, release), call.step_id)
            record = {"asset": call.needed_asset().name, "link": place.path, "release_before": name, "release": release}
            return ToolResult((record,))

    async def verify_release(self, call: ToolCall) -> ToolResult:
        """`pass` when the link points to the release."""
        async with changing(self._ssh, call.needed_host()) as files:
            place, found = await _release(files, call)
        name = posixpath.basename(found)
        status = Judgement.PASS if name == call.text("release") else Judgement.FAIL
        return _verified(call, place.path, Verdict(status, f"it points to {plain(name, 100)}"))


async def _replaced(files: ChangedFiles, call: ToolCall, place: Place, data: bytes) -> ToolResult:
    if place.kind not in ("file", "nothing"):
        files.require(place, "file")
    await files.keep(place, call.step_id)
    await files.replace(place, data, call.step_id)
    return ToolResult((_record(call, place.path, f"written, {len(data)} bytes", digest(data)),))


async def _release(files: ChangedFiles, call: ToolCall) -> tuple[Place, str]:
    place = await files.find(call.text("link"))
    files.require(place, "link")
    target = (await files.target_of(place)).rstrip("/")
    if not posixpath.basename(target) or posixpath.basename(target) == "..":
        raise FileRefusedError(f"{place.path!r} points to {plain(target, 100)!r}, which is no release")
    return place, target


def _digest_written(call: ToolCall) -> str | None:
    for record in call.verifies.records if call.verifies is not None else ():
        found = record.get("sha256")
        if isinstance(found, str):
            return found
    return None


def _record(call: ToolCall, path: str, detail: str, sha256: str | None) -> Record:
    return {"asset": call.needed_asset().name, "path": plain(path, 512), "detail": detail, "sha256": sha256}


def _verified(call: ToolCall, path: str, verdict: Verdict) -> ToolResult:
    record = {
        "asset": call.needed_asset().name,
        "check": plain(path, 512),
        "result": verdict.status.value,
        "detail": plain(verdict.detail, 300),
    }
    return ToolResult((record,), verdict=verdict)
