"""`opswire trace --from`, `--jaeger` and `--tempo`: traces of other systems, for people and for programs."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from opswire.cli.testing import CommandLine
from opswire.ledger.testing import RecordedServer, TraceBuilder, whole_request

CRISP = {
    "data": [
        {
            "traceID": "A",
            "processes": {"S": {"serviceName": "shop"}, "T": {"serviceName": "stock"}},
            "spans": [
                {"spanID": "A", "operationName": "GET /", "references": [],
                 "startTime": 0, "duration": 100, "processID": "S"},
                {"spanID": "B", "operationName": "count", "startTime": 10, "duration": 50, "processID": "T",
                 "references": [{"refType": "CHILD_OF", "traceID": "A", "spanID": "A"}]},
            ],
        }
    ]
}  # fmt: skip


@pytest.fixture
def command(tmp_path: Path) -> CommandLine:
    """The command line without anything that runs."""
    return CommandLine(tmp_path / "state", {})


@pytest.fixture
def one_trace(tmp_path: Path) -> Path:
    path = tmp_path / "one.json"
    path.write_text(json.dumps(CRISP))
    return path


def otlp_lines(requests: int) -> str:
    """Requests of ours as the collector's file exporter writes them, each with its key on the first span alone."""
    lines = []
    for number in range(requests):
        spans = []
        for span in whole_request(TraceBuilder()):
            attributes = {**span.attributes, "opswire.request_key": f"cli/r{number}"}
            values = [{"key": key, "value": {"intValue" if isinstance(value, int) and not isinstance(value, bool)
                       else "boolValue" if isinstance(value, bool) else "stringValue": value}}
                      for key, value in attributes.items()]  # fmt: skip
            spans.append(
                {
                    "traceId": f"{number:032x}", "spanId": span.span_id, "parentSpanId": span.parent_id or "",
                    "name": span.name, "kind": f"SPAN_KIND_{span.kind}", "startTimeUnixNano": str(span.start_ns),
                    "endTimeUnixNano": str(span.end_ns), "attributes": values,
                }
            )  # fmt: skip
        lines.append(json.dumps({"resourceSpans": [{"scopeSpans": [{"spans": spans}]}]}))
    return "\n".join(lines) + "\n"


def test_the_json_of_a_file_holds_a_partition_for_each_trace(command: CommandLine, one_trace: Path) -> None:
    result = command.run("trace", "--from", str(one_trace), "--json")
    assert result.status == 0, result.err
    (trace,) = result.json
    assert (trace["trace_id"], trace["e2e_ns"], trace["flags"]) == ("A", 100_000, ["foreign"])
    assert trace["unattributed_ns"] == 100_000, "no rule gives these spans a stage of ours"
    names = ("start_ns", "end_ns", "service", "operation", "span_id", "stage", "why")
    assert [tuple(segment[name] for name in names) for segment in trace["segments"]] == [
        (0, 10_000, "shop", "GET /", "A", "unattributed", "no stage"),
        (10_000, 60_000, "stock", "count", "B", "unattributed", "no stage"),
        (60_000, 100_000, "shop", "GET /", "A", "unattributed", "no stage"),
    ]


def test_a_person_sees_the_path_and_what_it_went_to(command: CommandLine, one_trace: Path) -> None:
    result = command.run("trace", "--from", str(one_trace))
    assert result.status == 0, result.err
    lines = [" ".join(line.split()) for line in result.out.splitlines()]
    assert lines[0] == "trace A 0.100 ms unattributed 100.0 %"
    assert "stock count 0.050 50.0 %" in lines
    assert "shop GET / 0.050 50.0 %" in lines
    assert any(line.startswith("count stock █") or "count stock" in line for line in lines)


def test_requests_of_ours_in_a_file_are_listed_and_one_is_shown(command: CommandLine, tmp_path: Path) -> None:
    path = tmp_path / "three.jsonl"
    path.write_text(otlp_lines(3))
    listed = command.run("trace", "--from", str(path)).out
    assert [line.split()[0] for line in listed.splitlines()[1:4]] == ["cli/r0", "cli/r1", "cli/r2"]
    shown = " ".join(command.run("trace", "r1", "--from", str(path)).out.split())
    assert "request cli/r1 completed 40.000 ms unattributed 0.0 %" in shown
    assert "drag: without tool.run at most 7.000 ms shorter; then what ran beside it takes over" in shown
    (trace,) = command.run("trace", "cli/r2", "--from", str(path), "--json").json
    assert (trace["request_key"], trace["e2e_ns"], trace["unattributed_ns"]) == ("cli/r2", 40_000_000, 0)
    assert sum(s["end_ns"] - s["start_ns"] for s in trace["segments"]) == 40_000_000
    assert {row["stage"]: row["drag_ns"] for row in trace["stages"]}["tool.run"] == 7_000_000


def test_a_jaeger_and_a_tempo_are_read(command: CommandLine) -> None:
    trace_id = "0af7651916cd43dd8448eb211c80319c"
    answer = json.dumps({"data": [{**CRISP["data"][0], "traceID": trace_id}]}).encode()
    with RecordedServer({f"/api/traces/{trace_id}": answer}) as jaeger:
        for arguments in ((trace_id, "--jaeger", jaeger.url), ("--jaeger", f"{jaeger.url}/trace/{trace_id}")):
            (trace,) = command.run("trace", *arguments, "--json").json
            assert (trace["trace_id"], trace["e2e_ns"]) == (trace_id, 100_000)
    lines = otlp_lines(1)
    with RecordedServer({"/api/v2/traces/": b'{"trace": ' + lines.encode() + b"}"}) as tempo:
        (trace,) = command.run("trace", "0" * 32, "--tempo", tempo.url, "--json").json
        assert (trace["request_key"], trace["e2e_ns"]) == ("cli/r0", 40_000_000)


def test_what_cannot_be_read_ends_with_a_sentence_and_a_status(command: CommandLine, one_trace: Path) -> None:
    wrong = one_trace.with_name("wrong.jsonl")
    wrong.write_text('{"resourceSpans": []}\n{"what": 1}\n')
    with RecordedServer({}) as nothing:
        gone = nothing.url
    for arguments, status, said in (
        (("--from", str(wrong)), 1, "line 2: expected"),
        (("--from", str(one_trace.with_name("none"))), 1, "cannot be read: No such file"),
        (("zzz", "--from", str(one_trace)), 4, "no trace of zzz"),
        (("--jaeger", f"{gone}/trace/abc123abc123abc1"), 3, "nothing answers at"),
        (("--from", str(one_trace), "--jaeger", gone), 2, "one of --from, --jaeger and --tempo"),
        ((), 2, "--from FILE"),
    ):
        result = command.run("trace", *arguments)
        assert result.status == status, result.err
        assert said in " ".join(result.err.split())
        assert "Traceback" not in result.err
