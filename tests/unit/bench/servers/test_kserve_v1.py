"""KServe's server starts as `make bench-serving` starts it, up to KServe itself, which is in another environment."""

import subprocess
import sys

from bench.serving import kserve_command
from tools.pins import ROOT

KSERVE = """
class Model:
    def __init__(self, name):
        self.name = name


class ModelServer:
    def __init__(self, **options):
        self.options = options

    def start(self, models):
        print("started", [model.name for model in models], self.options)
"""
TENSORFLOW = """
from types import SimpleNamespace as N

config = N(threading=N(set_intra_op_parallelism_threads=print, set_inter_op_parallelism_threads=print))
saved_model = N(load=lambda path: N(signatures={"serving_default": path}))
"""


def test_the_script_imports_the_package_kserve_and_not_itself(tmp_path):
    """It was called kserve.py, and Python looks into a script's own folder first."""
    (tmp_path / "kserve.py").write_text(KSERVE)
    (tmp_path / "tensorflow.py").write_text(TENSORFLOW)
    command = kserve_command(sys.executable, tmp_path, 12345)
    done = subprocess.run(
        command, cwd=ROOT, env={"PYTHONPATH": str(tmp_path)}, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    assert "started ['resnet'] {'http_port': 12345, 'enable_grpc': False}" in done.stdout
