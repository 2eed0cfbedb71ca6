"""What the recorder writes is what the reader gives back, and what is broken is left out and named."""

import tempfile
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from analysis.results.schema.request_rows import REQUESTS_SCHEMA
from loadtest.generator.clients.client import Answer
from loadtest.generator.phases import PhaseMarks
from loadtest.generator.recorder import Recorder
from loadtest.result.raw_rows import read_raw_rows

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)

finished_requests = st.fixed_dictionaries(
    {
        "start_us": st.integers(min_value=1_500_000_000_000_000, max_value=2_500_000_000_000_000),
        "latency_us": st.integers(min_value=0, max_value=10**10),
        "phase": st.sampled_from(["warmup", "ramp", "hold", "step-1", "step-27"]),
        "answer": st.builds(
            Answer,
            status=st.sampled_from([-1, 0, 14, 200, 404, 503]),
            error=st.sampled_from([None, "bad_shape", "timeout", "KeyError"]),
            content=st.binary(max_size=9),
            request_bytes=st.integers(min_value=0, max_value=10**9),
            backend=st.sampled_from([None, "10.0.0.7:8500", "[fd00::7]:8500"]),
        ),
    }
)


def record(path: Path, requests: list[dict[str, Any]]) -> Recorder:
    for_phases = {request["phase"]: PhaseMarks() for request in requests}
    for phase, marks in for_phases.items():
        marks.enter(phase, 0)
    recorder = Recorder(path, PhaseMarks())
    for request in requests:
        recorder._marks = for_phases[request["phase"]]
        recorder.on_request(
            request_type="POST",
            name="predict",
            context={},
            start_time=request["start_us"] / 1e6,
            response_time=request["latency_us"] / 1e3,
            response=request["answer"],
        )
    recorder.flush()
    return recorder


def as_row(request: dict[str, Any]) -> dict[str, Any]:
    """The row that must come of it, by the words of the contract."""
    start = EPOCH + timedelta(microseconds=request["start_us"])
    answer = request["answer"]
    return {
        "intended_start": start,
        "start": start,
        "latency_us": request["latency_us"],
        "phase": request["phase"],
        "ok": answer.error is None,
        "status": answer.status,
        "error": answer.error,
        "request_bytes": answer.request_bytes,
        "response_bytes": len(answer.content),
        "worker": "w",
        "backend": answer.backend,
    }


@settings(max_examples=50)
@given(st.lists(finished_requests, max_size=20))
def test_every_request_comes_back_exactly(requests: list[dict[str, Any]]) -> None:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "rows.csv"
        recorder = record(path, requests)
        raw = read_raw_rows(path, "w")
    assert raw.rows.to_pylist() == [as_row(request) for request in requests]
    assert raw.rows.schema == REQUESTS_SCHEMA
    assert (raw.torn, raw.corrupt_lines) == (False, ())
    assert recorder.rows == len(requests)
    assert recorder.failures == sum(request["answer"].error is not None for request in requests)


LINES = [
    b"1795565227771159,1795565227771159,61123,hold,1,200,,797361,15392,10.0.0.7:8500\n",
    b"1795565227771160,1795565227771160,7,ramp,0,-1,timeout,797361,0,\n",
    b"1795565227771161,1795565227771161,8,warmup,0,503,http_503,797361,20,\n",
]


@given(st.integers(min_value=0, max_value=sum(map(len, LINES))))
def test_a_truncated_file_gives_its_complete_rows(size: int) -> None:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "rows.csv"
        path.write_bytes(b"".join(LINES)[:size])
        raw = read_raw_rows(path, "w")
    whole = b"".join(LINES)[:size].count(b"\n")
    assert raw.rows["start"].cast("int64").to_pylist() == [1795565227771159 + number for number in range(whole)]
    assert raw.torn == (size not in {0, len(LINES[0]), len(LINES[0] + LINES[1]), len(b"".join(LINES))})
    assert raw.corrupt_lines == ()


@pytest.mark.parametrize(
    "broken",
    [
        b"\n",
        b"garbage\n",
        b"\0\0\0\0\n",
        LINES[1][10:],
        LINES[1].replace(b",7,", b",,"),
        LINES[1].replace(b",7,", b",7.5,"),
        LINES[1].replace(b"ramp", b"rump"),
        LINES[1].replace(b"ramp", b""),
        LINES[1].replace(b"timeout", b"time\xffout"),
        LINES[1].replace(b"timeout", b"time\rout"),
        LINES[1].replace(b",0,-1", b",maybe,-1"),
        LINES[1].replace(b"-1", b"99999"),
        LINES[1].replace(b"\n", b",1\n"),
        LINES[0][:20] + LINES[1],
    ],
)
def test_a_corrupt_line_is_left_out_and_its_number_reported(broken: bytes, tmp_path: Path) -> None:
    path = tmp_path / "rows.csv"
    path.write_bytes(LINES[0] + broken + LINES[2])
    raw = read_raw_rows(path, "w")
    assert raw.rows["latency_us"].to_pylist() == [61123, 8]
    assert raw.corrupt_lines == (2,)
    assert not raw.torn


def test_a_file_that_does_not_exist_has_no_rows(tmp_path: Path) -> None:
    raw = read_raw_rows(tmp_path / "none.csv", "w")
    assert raw.rows.num_rows == 0
    assert raw.rows.schema == REQUESTS_SCHEMA


def test_a_recorder_does_not_add_to_the_rows_of_another_run(tmp_path: Path) -> None:
    (tmp_path / "rows.csv").touch()
    with pytest.raises(FileExistsError):
        Recorder(tmp_path / "rows.csv", PhaseMarks())


def test_rows_that_cannot_be_written_are_kept_for_the_next_flush(tmp_path: Path) -> None:
    recorder = Recorder(tmp_path / "rows.csv", PhaseMarks())
    whole, recorder._file = recorder._file, -1
    recorder._lines.append(LINES[0].decode())
    with pytest.raises(OSError, match="Bad file descriptor"):
        recorder.flush()
    recorder._file = whole
    recorder._lines.append(LINES[1].decode())
    recorder.flush()
    assert (tmp_path / "rows.csv").read_bytes() == LINES[0] + LINES[1]
