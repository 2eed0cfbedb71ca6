"""Flags, configuration files, and the checks before the model is loaded."""

import os
import re
import shutil
import socket
import subprocess
import sys

import pytest

from bench.servers.processes import free_port
from serving.config_files import default_batching, read_batching_file, read_monitoring_file
from serving.errors import StartError
from serving.flags import parse_flags
from serving.servers import EMBEDDED_SERVER, Apis, TensorFlowServing, command_of, write_config_files
from serving.startup import check_startup
from stacks.server.serving_variant import Batching, ServingVariant
from tools.pins import ROOT

BASE = "--model_base_path=/models/resnet"
VARIANT = ServingVariant(protocol="rest", intra_op=3, inter_op=4)


def server(*arguments):
    command = [sys.executable, "-m", "serving.server", *arguments]
    return subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)


def test_flags_have_the_defaults_of_tf_serving():
    flags = parse_flags([BASE])
    assert (flags.port, flags.rest_api_port, flags.model_name) == (8500, 0, "default")
    assert (flags.rest_api_timeout_in_ms, flags.enable_model_warmup) == (30_000, True)
    assert (flags.enable_batching, flags.enable_grpc_healthcheck_service) == (False, False)
    assert (flags.intra_op_threads, flags.inter_op_threads, flags.num_request_iterations_for_warmup) == (0, 0, 1)


def test_every_flag_changes_its_own_field_only():
    default = parse_flags([BASE])
    for flag, field in (
        ("--bind_address=0.0.0.0", "bind_address"),
        ("--port=1", "port"),
        ("--rest_api_port=1", "rest_api_port"),
        ("--rest_api_num_threads=1", "rest_api_num_threads"),
        ("--rest_api_timeout_in_ms=1", "rest_api_timeout_in_ms"),
        ("--rest_api_max_body_bytes=1", "rest_api_max_body_bytes"),
        ("--grpc_max_threads=1", "grpc_max_threads"),
        ("--grpc_channel_arguments=grpc.max_connection_age_ms=2000,a=b", "grpc_channel_arguments"),
        ("--enable_grpc_healthcheck_service", "enable_grpc_healthcheck_service"),
        ("--model_name=x", "model_name"),
        ("--model_base_path=/x", "model_base_path"),
        ("--enable_model_warmup=false", "enable_model_warmup"),
        ("--num_request_iterations_for_warmup=2", "num_request_iterations_for_warmup"),
        ("--enable_batching=true", "enable_batching"),
        ("--monitoring_config_file=/x", "monitoring_config_file"),
        ("--tensorflow_intra_op_parallelism=1", "intra_op_threads"),
        ("--tensorflow_inter_op_parallelism=1", "inter_op_threads"),
    ):
        changed = parse_flags([BASE, flag])
        differing = [name for name in vars(default) if getattr(default, name) != getattr(changed, name)]
        assert differing == [field]


def test_session_parallelism_sets_both_thread_pools():
    flags = parse_flags([BASE, "--tensorflow_session_parallelism=3"])
    assert (flags.intra_op_threads, flags.inter_op_threads) == (3, 3)


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["--model_bass_path=/x"], "'--model_bass_path=/x' is not a flag of the embedded server"),
        (["--port=1"], "--model_base_path is missing"),
        ([BASE, "--port=0"], "--port=0 leaves the gRPC API without a port"),
        ([BASE, "--port=65536"], "65536 is not a port; give 1 to 65535"),
        ([BASE, "--port=1", "--rest_api_port=1"], "needs its own port; give two free ports"),
        ([BASE, "--bind_address=everywhere"], "'everywhere' is not an IPv4 address"),
        ([BASE, "--rest_api_num_threads=0"], "0 would answer no request"),
        ([BASE, "--enable_batching=maybe"], "'maybe' is neither true nor false"),
        ([BASE, "--batching_parameters_file=/x"], "no effect without --enable_batching"),
        ([BASE, "--tensorflow_intra_op_parallelism=two"], "'two' is not a whole number"),
        (
            [BASE, "--tensorflow_session_parallelism=2", "--tensorflow_inter_op_parallelism=2"],
            "either the first flag or the",
        ),
        ([BASE, "--grpc_channel_arguments=age"], "not of the form key=value"),
    ],
)
def test_an_invalid_command_line_is_rejected_with_the_flag_and_the_reason(arguments, says):
    with pytest.raises(StartError, match=says):
        parse_flags(arguments)


def test_the_version_is_printed_without_loading_tensorflow():
    code = "import sys; sys.argv = ['s', '--version']; import runpy; runpy.run_module('serving.server', run_name='x')"
    loaded = subprocess.run(
        [sys.executable, "-c", f"{code}; print('tensorflow' in sys.modules)"],
        capture_output=True,
        text=True,
        check=True,
    )
    assert loaded.stdout == "False\n"
    assert re.fullmatch(r"shapebench-embedded 0\.1\.0\+[0-9a-f]{8}\n", server("--version").stdout)


def test_another_build_of_the_same_version_says_so(tmp_path):
    for folder in ("serving", "stacks"):
        shutil.copytree(ROOT / folder, tmp_path / folder)

    def version() -> str:
        command = [sys.executable, "-m", "serving.server", "--version"]
        environment = os.environ | {"PYTHONPATH": str(tmp_path)}
        return subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True, check=True).stdout

    before = version()
    assert before == server("--version").stdout
    with (tmp_path / "serving/model/batching.py").open("a") as file:
        file.write("# another build\n")
    assert version() != before


def test_a_port_in_use_is_reported_before_the_model_is_loaded(tiny_base_path):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        for flags in ([f"--port={port}"], [f"--rest_api_port={port}", "--port=64999"]):
            ended = server(f"--model_base_path={tiny_base_path}", *flags)
            assert ended.returncode == 1
            assert f"={port} cannot be bound: Address already in use; give a free port" in ended.stderr
            assert "Traceback" not in ended.stderr


def test_a_reserved_port_refuses_connections_until_the_model_is_loaded(tiny_base_path):
    port = free_port()
    startup = check_startup(
        parse_flags([f"--model_base_path={tiny_base_path}", "--port=64998", f"--rest_api_port={port}"])
    )
    with startup.rest_socket, pytest.raises(ConnectionRefusedError):
        socket.create_connection(("127.0.0.1", port))
    assert startup.version.number == 12


def test_a_base_path_without_a_version_is_reported_at_the_start(tmp_path):
    (tmp_path / "empty" / "1").mkdir(parents=True)
    for path, says in ((tmp_path / "none", "is not a folder"), (tmp_path / "empty", "has no version folder")):
        ended = server(f"--model_base_path={path}")
        assert (ended.returncode, says in ended.stderr) == (1, True)


def test_the_server_exits_with_the_reason_if_the_model_does_not_load(tmp_path):
    version = tmp_path / "resnet" / "1"
    version.mkdir(parents=True)
    (version / "saved_model.pb").write_bytes(b"not a model")
    ended = server(f"--model_base_path={version.parent}", "--port=64997")
    assert ended.returncode == 1
    assert f"the model at {version} does not load" in ended.stderr
    assert ended.stderr.rstrip().endswith("export it again")
    assert "Traceback" not in ended.stderr


def test_the_server_exits_with_what_to_do_if_the_model_cannot_be_warmed_up(tiny_base_path, tmp_path):
    version = shutil.copytree(tiny_base_path / "7", tmp_path / "resnet" / "7")
    (version / "assets.extra").mkdir(exist_ok=True)
    (version / "assets.extra/tf_serving_warmup_requests").write_bytes(b"no record of requests")
    ended = server(f"--model_base_path={version.parent}", "--port=64996")
    assert ended.returncode == 1
    assert f"the model at {version} cannot be warmed up: " in ended.stderr
    assert ended.stderr.rstrip().endswith("or start the server with --enable_model_warmup=false")
    assert "Traceback" not in ended.stderr


def test_the_batching_file_is_read_as_it_was_written(tmp_path):
    batching = Batching(max_batch_size=128, batch_timeout_micros=0, max_enqueued_batches=2, num_batch_threads=3)
    write_config_files(EMBEDDED_SERVER, VARIANT.model_copy(update={"batching": batching}), tmp_path)
    assert read_batching_file(tmp_path / "batching.config") == batching


def test_parameters_missing_from_a_batching_file_have_tf_servings_defaults(tmp_path):
    file = tmp_path / "batching.txt"
    file.write_text("# a comment\nmax_batch_size { value: 32 }\n")
    assert read_batching_file(file) == default_batching().model_copy(update={"max_batch_size": 32})


@pytest.mark.parametrize(
    "content",
    [
        "max_batch_size: 3",
        "max_batch_size { value: 0 }",
        "allowed_batch_sizes: 8",
        "max_batch_size { value: many }",
        "{",
    ],
)
def test_a_batching_file_with_unsupported_or_invalid_values_is_rejected(tmp_path, content):
    file = tmp_path / "batching.txt"
    file.write_text(content)
    with pytest.raises(StartError, match=r"batching\.txt"):
        read_batching_file(file)


def test_the_monitoring_file_turns_the_page_on_and_off(tmp_path):
    write_config_files(EMBEDDED_SERVER, VARIANT, tmp_path)
    file = tmp_path / "monitoring.config"
    assert read_monitoring_file(file) == "/monitoring/prometheus/metrics"
    file.write_text('prometheus_config { enable: true path: "/metrics" }')
    assert read_monitoring_file(file) == "/metrics"
    file.write_text("prometheus_config {}")
    assert read_monitoring_file(file) is None


def test_both_servers_get_the_same_flags(tmp_path, monkeypatch):
    real_server = tmp_path / "tensorflow_model_server"
    real_server.touch(mode=0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    batching = Batching(max_batch_size=128, batch_timeout_micros=0, max_enqueued_batches=2, num_batch_threads=3)
    arguments = {"variant": VARIANT.model_copy(update={"batching": batching}), "config_dir": tmp_path}
    arguments |= {
        "model_name": "resnet",
        "model_base_path": "/m",
        "apis": Apis(rest_port=1, grpc_port=2, rest_threads=6, grpc_threads=5),
    }
    real, embedded = command_of(TensorFlowServing(), **arguments), command_of(EMBEDDED_SERVER, **arguments)
    assert real[0] == str(real_server)
    assert embedded[:3] == [sys.executable, "-m", "serving.server"]
    assert real[1:] == embedded[3:]
    flags = parse_flags(embedded[3:])
    assert (flags.intra_op_threads, flags.inter_op_threads, flags.port, flags.rest_api_port) == (3, 4, 2, 1)
    assert (flags.grpc_max_threads, flags.rest_api_num_threads) == (5, 6)
    assert flags.enable_batching
    assert (flags.model_name, str(flags.model_base_path)) == ("resnet", "/m")
