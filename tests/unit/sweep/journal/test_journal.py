import itertools
import math
import os
import random
import sqlite3
import stat
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from analysis.interval import Interval
from sweep.journal.clock import Clock
from sweep.journal.database import DamagedJournalError, JournalError
from sweep.journal.journal import FILE, Journal, locked
from sweep.journal.records import COLUMNS, Record, Result, Resumption, record, row
from sweep.settings import SweepSettings
from sweep.tasks import Destroy, DrawnCpus, Length, Measure, Measured
from tests.support.sweeps import candidates, settings
from tools.pins import ROOT

A, B = candidates(a=(2, 4))
MEASURED = Measured(
    "run-1",
    Interval(12.5, 12.0, 13.0),
    2.5,
    DrawnCpus("E2 in us-central1", 2, (("node-1", "AMD EPYC 7B12"), ("node-2", "Xeon"))),
)


class Watch:
    """A clock that the test turns."""

    def __init__(self) -> None:
        self.elapsed_s, self.wall_s = 1000.0, 1.8e9

    def passes(self, seconds: float) -> None:
        self.elapsed_s += seconds
        self.wall_s += seconds

    @property
    def clock(self) -> Clock:
        return Clock(lambda: self.elapsed_s, lambda: self.wall_s)


def create(folder: Path, watch: Watch | None = None) -> Journal:
    return Journal.create(folder / "s1", settings(A, B), (watch or Watch()).clock)


def reopen(journal: Journal, watch: Watch | None = None) -> Journal:
    journal.close()
    return Journal.open(journal.folder, (watch or Watch()).clock)


def test_what_was_recorded_is_there_after_the_process_ended(tmp_path: Path) -> None:
    journal = create(tmp_path)
    run = journal.begin(Measure(A, 1, Length.short))
    journal.end(run.number, Result.measured, MEASURED)
    destroyed = journal.begin(Destroy("a"))
    journal.end(destroyed.number, Result.destroyed, leftovers=["an address: gcloud … delete"])
    journal.begin(Measure(B, 1, Length.short))

    again = reopen(journal)

    assert again.records == journal.records
    assert again.records[0].measured == MEASURED
    assert [record.is_open for record in again.records] == [False, False, True]
    assert again.settings == settings(A, B)
    assert again.sweep_id == "s1"


def test_the_order_of_beginnings_and_ends_of_tasks_side_by_side_is_kept(tmp_path: Path) -> None:
    journal = create(tmp_path)
    first, second = journal.begin(Measure(A, 1, Length.short)), journal.begin(Destroy("b"))
    journal.end(second.number, Result.failed, why="no network")
    journal.end(first.number, Result.measured, MEASURED)

    assert [(record.number, record.end_number) for record in reopen(journal).records] == [(1, 4), (2, 3)]


def test_a_resumption_has_its_place_among_the_beginnings_and_ends(tmp_path: Path) -> None:
    watch = Watch()
    journal = create(tmp_path, watch)
    journal.begin(Measure(A, 1, Length.short))
    watch.passes(5)
    journal.resume()
    journal.end(1, Result.failed, why="no network")

    again = reopen(journal, watch)

    assert again.resumptions == journal.resumptions == (Resumption(2, 5.0),)
    assert [(record.number, record.end_number) for record in again.records] == [(1, 3)]
    assert again.begin(Destroy("a")).number == 4


def test_a_journal_of_an_earlier_version_is_refused(tmp_path: Path) -> None:
    journal = create(tmp_path)
    journal.close()
    with sqlite3.connect(journal.folder / FILE) as connection:
        connection.execute("PRAGMA user_version = 1")
    with pytest.raises(JournalError, match="is not a journal of this version"):
        Journal.open(journal.folder)


@given(
    measured=st.builds(
        Measured,
        st.text(),
        st.builds(Interval, st.none() | st.floats(0.1, 1e5), st.floats(0, 1e5), st.floats(0.1, math.inf)),
    ),
    block=st.integers(1, 100),
    result=st.sampled_from(Result),
    why=st.text(),
    leftovers=st.lists(st.text()),
)
def test_a_record_is_the_same_after_it_was_a_row(
    measured: Measured, block: int, result: Result, why: str, leftovers: list[str]
) -> None:
    for task in (Measure(A, block, Length.full), Destroy("a")):
        made = Record(3, task, 1.5, 4, 2.5, result, measured, why, tuple(leftovers))
        assert record(row(made), {A.key: A}) == made
        assert len(row(made)) == len(COLUMNS)


def test_only_one_process_at_a_time_holds_a_journal(tmp_path: Path) -> None:
    journal = create(tmp_path)
    with pytest.raises(JournalError, match="Another process is running the sweep s1"):
        Journal.open(journal.folder)
    reopen(journal).close()


def test_a_journal_is_not_written_over(tmp_path: Path) -> None:
    create(tmp_path).close()
    with pytest.raises(JournalError, match="exists already"):
        create(tmp_path)


def test_a_sweep_that_does_not_exist_is_not_made_by_opening_it(tmp_path: Path) -> None:
    with pytest.raises(JournalError, match="There is no sweep s2"):
        Journal.open(tmp_path / "s2")
    assert not (tmp_path / "s2").exists()


@pytest.mark.parametrize("content", [b"no database at all" * 100, b""])
def test_a_file_that_is_no_journal_is_refused_in_one_error(tmp_path: Path, content: bytes) -> None:
    (tmp_path / FILE).write_bytes(content)
    with pytest.raises(JournalError, match=r"is damaged|is not a journal"):
        Journal.open(tmp_path)


def test_a_database_of_another_program_is_refused(tmp_path: Path) -> None:
    with sqlite3.connect(tmp_path / FILE) as other:
        other.execute("CREATE TABLE sweep (settings)")
    with pytest.raises(JournalError, match="is not a journal of this version"):
        Journal.open(tmp_path)


def test_a_journal_with_overwritten_pages_is_refused(tmp_path: Path) -> None:
    journal = create(tmp_path)
    for block in range(1, 200):
        journal.begin(Measure(A, block, Length.full))
    journal.close()
    file = journal.folder / FILE
    content = bytearray(file.read_bytes())
    content[5000:9000] = b"\xff" * 4000
    file.write_bytes(content)
    with pytest.raises(DamagedJournalError, match="is damaged: "):
        Journal.open(journal.folder)


@pytest.mark.parametrize(
    "damage",
    [
        "DELETE FROM tasks WHERE number = 1",
        "DELETE FROM tasks WHERE number = 3",
        "UPDATE tasks SET stack = 'b' WHERE number = 3",
        "UPDATE clock SET at_s = at_s + 1",
        "ALTER TABLE tasks ADD COLUMN more TEXT",
        "DELETE FROM resumptions",
        "UPDATE tasks SET candidate = 'unknown'",
        "UPDATE tasks SET length = 'endless'",
        "UPDATE sweep SET settings = '{}'",
        "DELETE FROM clock",
    ],
)
def test_a_journal_that_contradicts_itself_is_refused(tmp_path: Path, damage: str) -> None:
    journal = create(tmp_path)
    journal.begin(Measure(A, 1, Length.short))
    journal.resume()
    journal.begin(Measure(B, 1, Length.short))
    journal.close()
    with sqlite3.connect(journal.folder / FILE) as connection:
        connection.execute(damage)
    with pytest.raises(DamagedJournalError, match="is damaged"):
        Journal.open(journal.folder)


def finished(folder: Path) -> Journal:
    """A journal with two runs, a resumption and a destroyed stack."""
    journal = create(folder)
    for number, candidate in enumerate((A, B)):
        run = journal.begin(Measure(candidate, 1, Length.full))
        journal.end(run.number, Result.measured, Measured(f"run-{number}", Interval(4.92, 4.5, 5.25)))
    journal.resume()
    journal.end(journal.begin(Destroy("a")).number, Result.destroyed)
    journal.close()
    return journal


def test_no_bit_of_a_journal_flips_unnoticed(tmp_path: Path) -> None:
    journal = finished(tmp_path)
    file = journal.folder / FILE
    content = file.read_bytes()
    draw, noticed = random.Random(1), 0
    for bit in draw.sample(range(8 * len(content)), 1000):
        damaged = bytearray(content)
        damaged[bit // 8] ^= 1 << bit % 8
        file.write_bytes(damaged)
        try:
            again = Journal.open(journal.folder)
        except DamagedJournalError:
            noticed += 1
            continue
        assert (again.records, again.resumptions) == (journal.records, journal.resumptions), f"bit {bit}"
        assert again.settings == journal.settings, f"bit {bit}"
        again.close()
    assert noticed > 50, "the others are of bytes that SQLite does not use"


def test_a_journal_that_is_damaged_is_not_held_so_that_its_stacks_can_be_destroyed(tmp_path: Path) -> None:
    journal = finished(tmp_path)
    (journal.folder / FILE).write_bytes(b"")
    for _ in range(2):
        with pytest.raises(DamagedJournalError):
            Journal.open(journal.folder)
    locked(journal.folder).close()


def test_a_folder_whose_journal_is_gone_is_a_damaged_sweep_and_not_none(tmp_path: Path) -> None:
    journal = finished(tmp_path)
    (journal.folder / FILE).unlink()
    with pytest.raises(DamagedJournalError, match="is damaged: it is missing"):
        Journal.open(journal.folder)


def test_a_run_that_is_lost_is_recorded_in_place_of_its_result(tmp_path: Path) -> None:
    journal = create(tmp_path)
    journal.begin(Measure(A, 1, Length.full))
    journal.end(1, Result.measured, MEASURED)
    journal.begin(Destroy("a"))
    lost = journal.lose(1, "run-1 is not in the results store")

    again = reopen(journal)

    assert again.records[0] == lost
    assert (lost.result, lost.measured, lost.number, lost.end_number) == (Result.lost, None, 1, 2)
    again.end(again.begin(Measure(A, 1, Length.full)).number, Result.measured, MEASURED)


def test_only_the_owner_can_read_a_journal_and_one_that_others_could_is_closed_to_them(tmp_path: Path) -> None:
    def modes(folder: Path) -> set[int]:
        return {stat.S_IMODE(path.stat().st_mode) for path in folder.iterdir()}

    before = os.umask(0o022)
    try:
        journal = finished(tmp_path)
        assert stat.S_IMODE(journal.folder.stat().st_mode) == 0o700
        assert modes(journal.folder) == {0o600}
        journal.folder.chmod(0o755)
        (journal.folder / FILE).chmod(0o644)
        Journal.open(journal.folder).close()
    finally:
        os.umask(before)
    assert stat.S_IMODE(journal.folder.stat().st_mode) == 0o700
    assert modes(journal.folder) == {0o600}


def test_a_run_is_recorded_once_at_most(tmp_path: Path) -> None:
    journal = create(tmp_path)
    for _ in range(2):
        journal.begin(Measure(A, 1, Length.short))
    journal.end(1, Result.measured, MEASURED)
    with pytest.raises(JournalError, match="cannot be written"):
        journal.end(2, Result.measured, Measured("run-2", Interval(1.0, 0.9, 1.1)))


def test_a_task_is_not_begun_on_a_full_disk_and_the_journal_stays_whole(tmp_path: Path) -> None:
    journal = create(tmp_path)
    journal._database._connection.execute("PRAGMA max_page_count = 1")
    blocks = itertools.count(1)
    with pytest.raises(JournalError, match=r"cannot be written \(database or disk is full\)"):
        [journal.begin(Measure(A, block, Length.full)) for block in blocks]
    assert len(journal.records) == next(blocks) - 2

    again = reopen(journal)
    assert again.records == journal.records
    again.begin(Destroy("a"))


def test_time_between_two_processes_counts_for_the_sweep_but_not_as_work(tmp_path: Path) -> None:
    watch = Watch()
    journal = create(tmp_path, watch)
    watch.passes(100)
    journal.heartbeat()
    journal.close()
    watch.passes(1000)
    watch.elapsed_s = 5.0  # the machine was started again

    again = Journal.open(journal.folder, watch.clock)
    watch.passes(10)

    assert again.at_s == pytest.approx(1110)
    assert again.active_s == pytest.approx(110)


@pytest.mark.parametrize("jump_s", [-86_400.0, 86_400.0])
def test_a_clock_that_is_set_while_a_process_runs_changes_no_time(tmp_path: Path, jump_s: float) -> None:
    watch = Watch()
    journal = create(tmp_path, watch)
    watch.passes(50)
    watch.wall_s += jump_s
    watch.passes(50)
    assert journal.at_s == pytest.approx(100)
    journal.heartbeat()
    assert reopen(journal, watch).at_s == pytest.approx(100)


def test_a_clock_that_was_set_back_between_two_processes_never_makes_time_negative(tmp_path: Path) -> None:
    watch = Watch()
    journal = create(tmp_path, watch)
    watch.passes(100)
    journal.begin(Measure(A, 1, Length.short))
    journal.close()
    watch.wall_s -= 86_400

    assert Journal.open(journal.folder, watch.clock).at_s == pytest.approx(100)


def test_a_resumed_sweep_can_have_other_limits(tmp_path: Path) -> None:
    journal = create(tmp_path)
    journal.change_limits(12.5, None)
    again = reopen(journal)
    assert (again.settings.max_usd, again.settings.max_hours) == (12.5, None)
    assert isinstance(again.settings, SweepSettings)


_WRITER = """
import itertools, sys
from pathlib import Path
from sweep.journal.journal import Journal
from sweep.tasks import Length, Measure
from tests.support.sweeps import candidates, settings
(candidate,) = candidates(a=(2,))
journal = Journal.create(Path(sys.argv[1]), settings(candidate, simulated=False))
for block in itertools.count(1):
    journal.begin(Measure(candidate, block, Length.full))
    print(block, flush=True)
"""


def test_what_was_recorded_before_kill_9_is_there_and_the_lock_is_gone(tmp_path: Path) -> None:
    command = [sys.executable, "-c", _WRITER, str(tmp_path / "s1")]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True) as writer:
        assert writer.stdout
        said = [int(writer.stdout.readline()) for _ in range(20)]
        with pytest.raises(JournalError, match="Another process"):
            Journal.open(tmp_path / "s1")
        writer.kill()
        said += [int(line) for line in writer.stdout]

    journal = Journal.open(tmp_path / "s1")
    # The last one may have been committed without having been said.
    assert len(journal.records) - said[-1] in {0, 1}
    assert all(record.is_open for record in journal.records)
