import pytest

from serving.servers import Apis, command_of, server_named
from stacks.server.serving_variant import ServingVariant


@pytest.mark.parametrize("runtime", ["onnxruntime", "openvino"])
def test_the_server_is_the_embedded_one_with_another_runtime(tmp_path, runtime):
    server = server_named(runtime)
    assert server is server_named(f"shapebench-{runtime}")
    apis = Apis(rest_port=1, grpc_port=2, rest_threads=3, grpc_threads=4)
    variant = ServingVariant(protocol="rest", intra_op=1, inter_op=1)
    command = command_of(server, variant, apis, model_name="m", model_base_path=tmp_path, config_dir=tmp_path)
    assert command[1:4] == ["-m", "serving.server", f"--runtime={runtime}"]
