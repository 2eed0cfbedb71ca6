import os
import subprocess
import sys
import time
from collections import defaultdict
from pathlib import Path

from analysis.results.schema import samples as names
from loadtest.generator.monitoring.sampler import Sampler
from loadtest.result.samples import read_samples

# The kernel counts CPU time in ticks; over the 0.3 s of a sample here.
TWO_TICKS_IN_CORES = 2 / os.sysconf("SC_CLK_TCK") / 0.3


def by_subject(path: Path) -> dict[str, dict[str, list[float]]]:
    found: dict[str, dict[str, list[float]]] = defaultdict(lambda: defaultdict(list))
    for sample in read_samples(path).to_pylist():
        found[sample["subject"]][sample["quantity"]].append(sample["value"])
    return found


def test_a_sample_has_every_subject_by_its_name(tmp_path: Path) -> None:
    path = tmp_path / "samples.csv"
    sampler = Sampler(path, os.getppid())
    time.sleep(0.05)
    before = time.time()
    sampler.sample(generator_percent=25.0)
    found = by_subject(path)
    assert set(found) == {names.GENERATOR, names.SERVER, names.MACHINE}
    quantities = {quantity for subject in found.values() for quantity in subject}
    always = {names.CPU_CORES, names.MEMORY_BYTES, names.MOST_CORES, names.STOLEN_CORES}
    assert quantities - {names.THROTTLED_RATIO} == always
    assert "stolen_cores" not in found["server"]
    assert 0 <= found["machine"]["stolen_cores"][0] <= found["machine"]["cpu_cores"][0]
    assert found["generator"]["cpu_cores"] == [0.25]
    assert "memory_bytes" not in found["machine"]
    assert {abs(at.timestamp() - before) < 1 for at in read_samples(path)["at"].to_pylist()} == {True}


def test_cpu_cores_are_of_the_time_since_the_last_sample(tmp_path: Path) -> None:
    spin = "import time\nwhile True: pass"
    server = subprocess.Popen([sys.executable, "-c", spin])
    try:
        before = at_and_cpu_s(server.pid)
        sampler = Sampler(tmp_path / "samples.csv", server.pid)
        for _ in range(2):
            inside_from = at_and_cpu_s(server.pid)
            time.sleep(0.3)
            inside_until = at_and_cpu_s(server.pid)
            sampler.sample(None)
            after = at_and_cpu_s(server.pid)
            # Both clocks are read at one moment here and at another there, however busy the machine is.
            least = (inside_until[1] - inside_from[1]) / (after[0] - before[0])
            most = (after[1] - before[1]) / (inside_until[0] - inside_from[0])
            measured = by_subject(tmp_path / "samples.csv")["server"]["cpu_cores"][-1]
            assert least - TWO_TICKS_IN_CORES <= measured <= most + TWO_TICKS_IN_CORES
            assert measured > 0
            before = inside_until
    finally:
        server.kill()
        server.wait()
    sampler.sample(None)
    assert len(by_subject(tmp_path / "samples.csv")["server"]["cpu_cores"]) == 2, "a server that is gone uses nothing"
    assert len(by_subject(tmp_path / "samples.csv")["generator"]["cpu_cores"]) == 3


def at_and_cpu_s(pid: int) -> tuple[float, float]:
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return time.perf_counter(), (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def test_a_generator_on_another_machine_than_the_server_samples_only_itself(tmp_path: Path) -> None:
    sampler = Sampler(tmp_path / "samples.csv", None)
    time.sleep(0.01)
    sampler.sample(1.0)
    assert set(by_subject(tmp_path / "samples.csv")) == {"generator"}


def test_an_incomplete_line_is_left_out_and_the_others_are_read(tmp_path: Path) -> None:
    path = tmp_path / "samples.csv"
    path.write_text("1700000000000000,server,cpu_cores,1.5\n\x00\n1700000001000000,server,cpu_co")
    [sample] = read_samples(path).to_pylist()
    assert (sample["subject"], sample["quantity"], sample["value"]) == ("server", "cpu_cores", 1.5)
    assert sample["at"].timestamp() == 1_700_000_000


def test_a_file_that_does_not_exist_has_no_samples(tmp_path: Path) -> None:
    assert read_samples(tmp_path / "none.csv").num_rows == 0
