"""What a loaded model holds, in a process of its own."""

import subprocess
import sys

WEIGHTS_MIB = 64
LOAD = """
import sys
from pathlib import Path

import tensorflow as tf

from serving.memory import return_memory
from serving.model.loaded_model import LoadedModel


def held_mib():
    return_memory()
    status = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) // 1024 for line in status if line.startswith("RssAnon"))


class Dense(tf.Module):
    def __init__(self):
        self.weights = tf.Variable(tf.random.uniform([4096, 4096]))

    @tf.function(input_signature=[tf.TensorSpec([None, 4096], tf.float32, name="inputs")])
    def serve(self, inputs):
        return {"outputs": inputs @ self.weights}


folder = Path(sys.argv[1])
module = Dense()
tf.saved_model.save(module, str(folder), signatures={"serving_default": module.serve})
del module
before_mib = held_mib()
model = LoadedModel("dense", 1, folder)
model.signature("").run({"inputs": tf.ones([1, 4096]).numpy()})
print("more", held_mib() - before_mib)
"""


def test_a_model_at_rest_holds_its_weights_three_times(tmp_path):
    """In the session's definition, as constants, and as oneDNN has reordered them; TensorFlow's way is ten times."""
    command = [sys.executable, "-c", LOAD, str(tmp_path / "1")]
    output = subprocess.run(command, check=True, capture_output=True, text=True, timeout=300).stdout
    more_mib = int(output.split()[-1])
    assert 1 * WEIGHTS_MIB < more_mib < 3.5 * WEIGHTS_MIB
