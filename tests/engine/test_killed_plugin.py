"""A plugin that is killed at any moment of `pulumi up`: the next command ends all that it started, and no row is lost.

SHAPEBENCH_KILLS is the number of moments; by default there are few, so that the tier stays short.
"""

import contextlib
import os
import random
import re
import time

import psutil
import pyarrow.parquet as pq
import pytest

from analysis.results.storage.store import ResultsStore
from loadtest.result.raw_rows import read_all_raw_rows
from tests.engine.harness import SMOKE, WORK_DIR, answered_ok, eventually, servers_on

KILLS = int(os.environ.get("SHAPEBENCH_KILLS", "4"))
# In the environment of Pulumi, and so of each process that this test starts, whatever the product adds to it.
MARK = "SHAPEBENCH_KILLED_PLUGIN_TEST"


@pytest.fixture(scope="module")
def marked(stack):
    stack.variables = {MARK: stack.name}
    # About as long as all that comes before it.
    stack.config["load"] = SMOKE | {"durationS": 8}
    return stack


def ours():
    """The processes that the updates of this module have left."""
    return [process for process in psutil.process_iter() if environment_of(process).get(MARK)]


def environment_of(process):
    try:
        return {} if process.status() == psutil.STATUS_ZOMBIE else process.environ()
    except psutil.Error:
        return {}


def plugin_of(update):
    try:
        children = psutil.Process(update.pid).children(recursive=True)
        return next((child for child in children if "provider.engine.plugin" in child.cmdline()), None)
    except psutil.Error:
        return None


def start_up(stack):
    """Start `pulumi up`; returns it and its plugin."""
    update = stack.start("up", "--yes", "--skip-preview")
    return update, eventually(lambda: plugin_of(update), "the plugin runs")


def rows_by_run(stack):
    """How many rows each run has: in the store, or, of one that was not stored, among the raw rows."""
    server = f"127.0.0.1:{stack.config['local']['restPort']}"
    plans = [plan for plan in WORK_DIR.glob("*/plan.json") if server in plan.read_text()]
    raw = {plan.parent.name: read_all_raw_rows(plan.parent, 1).rows.num_rows for plan in plans}
    stored = {run.run_id: len(pq.read_table(only_folder(stack, run.run_id))) for run in stack.runs()}
    return raw | stored


def only_folder(stack, run_id):
    (folder,) = stack.results.glob(f"requests/stack=*/run_id={run_id}")
    return folder


def sent_by_the_load_test(stack):
    """The predictions that the server says it answered, but for the update's own; none where it does not answer."""
    try:
        return max(answered_ok(stack.config["local"]["restPort"]) - 1, 0)
    except OSError:
        return 0


# Pulumi's SDK may print a traceback of its own: its request to the engine has failed, and it reports that to the same
# engine, which may have ended meanwhile. Then `log.error` in pulumi-language-python-exec raises. If the engine ends
# while it shows that traceback, the last lines are missing, so every line that is there is judged.
OF_PULUMI = re.compile(r'/site-packages/(pulumi|grpc)/|/pulumi-language-python-exec"|/(asyncio|concurrent)/')


def frames_of_others(output):
    """The frames of tracebacks that are not in Pulumi's SDK or in what it runs on."""
    return [line for line in output.splitlines() if 'File "' in line and not OF_PULUMI.search(line)]


def fingerprints(stack):
    """Every file of the store, with its content."""
    return {path: path.read_bytes() for path in stack.results.rglob("*") if path.is_file()}


@pytest.fixture(scope="module")
def life_s(marked):
    """How long a plugin lives in a whole update."""
    update, plugin = start_up(marked)
    started = time.monotonic()
    eventually(lambda: not plugin.is_running(), "the update is over", within_s=240)
    life_s = time.monotonic() - started
    output, _ = update.communicate(timeout=30)
    # Whether the machine was quiet enough for a valid run does not matter here.
    assert len(marked.runs()) == 1, output
    marked.must("destroy", "--yes", "--skip-preview")
    return life_s


@pytest.mark.parametrize("number", range(KILLS))
def test_a_destroy_after_a_killed_plugin_leaves_no_process_and_keeps_every_row(marked, life_s, number):
    """Each moment is at random within its own part of the update, so that all parts have one."""
    moment_s = life_s * (number + random.Random(number).random()) / KILLS
    whole, before = fingerprints(marked), rows_by_run(marked)
    update, plugin = start_up(marked)
    time.sleep(moment_s)
    answered = sent_by_the_load_test(marked)
    with contextlib.suppress(psutil.NoSuchProcess):  # this update was quicker than the one that was timed
        plugin.kill()
    output, _ = update.communicate(timeout=60)
    print(f"killed after {moment_s:.1f} s of {life_s:.1f} s, {answered} answers, exit code {update.returncode}")
    assert frames_of_others(output) == [], output
    marked.must("destroy", "--yes", "--skip-preview")
    eventually(lambda: not ours(), f"nothing of the update is left, but {ours()}", within_s=20)
    assert whole.items() <= fingerprints(marked).items()
    scan = ResultsStore(str(marked.results)).scan()
    # A folder without a manifest is named as unfinished, and a file without its name as incomplete.
    assert all("its writer was stopped" in problem.why for problem in scan.problems)
    kept = {run_id: rows for run_id, rows in rows_by_run(marked).items() if run_id not in before}
    print(f"rows kept: {kept}")
    assert sum(kept.values()) >= answered


def test_the_next_up_after_a_killed_plugin_needs_no_hand(marked, life_s):
    """Killed when the server runs and no state knows it."""
    marked.config["load"] = SMOKE
    update, plugin = start_up(marked)
    (server,) = eventually(lambda: servers_on(marked.config["local"]["restPort"]), "a server runs")
    plugin.kill()
    output, _ = update.communicate(timeout=60)
    assert update.returncode != 0, output
    assert server.is_running()
    output = marked.must_up()
    assert f"stopped process {server.pid}, a server that an interrupted update left running" in output
    assert not server.is_running()
    assert [run.validity.verdict for run in marked.runs()][-1] == "valid"
    marked.must("preview", "--expect-no-changes")
    marked.must("destroy", "--yes", "--skip-preview")
    eventually(lambda: not ours(), "nothing is left", within_s=20)
