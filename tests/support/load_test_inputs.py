"""The inputs of a load test in a cluster, as the engine sends them to the plugin."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from loadtest.run.payload import payload_of
from stacks.server.models import RESNET50


def load_test_inputs(folder: Path) -> dict[str, Any]:
    """The inputs that both load tests have, for a test as short as its phases allow."""
    return {
        "stack": "kubernetes",
        "platform": "kubernetes",
        "baseUrl": "http://127.0.0.1:8501",
        "fingerprint": "f",
        "serving": {
            "server": "tensorflow_model_server",
            "server_version": "2.20.0",
            "protocol": "rest",
            "intra_op": 2,
            "inter_op": 2,
            "batching": None,
            "rest_threads": 8,
            "grpc_threads": 1024,
            "seed_faithful": False,
            "model": {"name": "resnet", "digest": "d" * 64, "weights": "random"},
        },
        "model": RESNET50.model_dump(),
        "payloadDigest": "p" * 64,
        "checkAnswers": "values",
        "tolerance": 1e-3,
        "profile": {
            "mode": "closed",
            "users": 2,
            "spawn_rate_per_s": 9.0,
            "wait_s": 0.05,
            "warmup_s": 0.0,
            "duration_s": 1.5,
        },
        "shape": {"name": "small", "machine_type": "e2-custom-2-4096", "vcpus": 2, "memory_gb": 4, "nodes": 1},
        "region": "us-central1",
        "repeats": 1,
        "freshDeployment": False,
        "processes": 1,
        "rerun": "",
        "sweep": None,
        "results": str(folder / "results"),
        "workDir": str(folder / "runs"),
    }


def local_load_test_inputs(folder: Path, server_url: str) -> dict[str, Any]:
    """All inputs of a load test on this machine, over REST; its server cannot be restarted."""
    payload = folder / "payload"
    payload.write_bytes(payload_of(RESNET50).to_bytes())
    return load_test_inputs(folder) | {
        "payload": str(payload),
        "platform": "local",
        "baseUrl": server_url,
        "restUrl": server_url,
        "serverLog": str(folder / "server.log"),
        "startTimeoutS": 20,
    }


def cluster_load_test_inputs(
    folder: Path, server_url: str, namespace: str, selector: Mapping[str, str], kubeconfig: str | None = None
) -> dict[str, Any]:
    """All inputs of a load test in a cluster; `selector` are the labels of the servers' pods."""
    return load_test_inputs(folder) | {
        "kubeconfig": kubeconfig,
        "namespace": namespace,
        "baseUrl": server_url,
        "selector": selector,
        "replicas": 1,
        "generatorImage": "locustio/locust:2.46.6",
        "nodeSelector": {"shapebench/pool": "load"},
        "startTimeoutS": 60,
        "scripts": "scripts-1",
        "payload": ["payload-1"],
        "serviceAccount": "account-1",
    }
