"""A plan on disk for what reads one, as the Locust process and the pod's containers do."""

from pathlib import Path

from loadtest.generator.plan import Plan


def write_plan(folder: Path, url: str = "http://127.0.0.1:1", body: bytes = b"") -> Path:
    """The shortest closed loop, of one user who asks a model of three classes; its protocol is that of the URL."""
    (folder / "request.body").write_bytes(body)
    path = folder / "plan.json"
    Plan(
        protocol="rest" if url.startswith("http") else "grpc",
        base_url=url,
        model_name="resnet",
        body_path=str(folder / "request.body"),
        expected_shape=(1, 3),
        users=1,
        spawn_rate_per_s=1,
        wait_s=0,
        warmup_s=0,
        ramp_s=1,
        duration_s=1,
        rows_folder=str(folder),
        parent_pid=None,
    ).write(path)
    return path
