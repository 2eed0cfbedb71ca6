"""The init container of a server whose model is in a bucket: waits until the pod may read the model, and checks it.

For a server that reads no buckets it copies the model into a volume of the pod.
"""

import json
from pathlib import Path, PurePosixPath

import pulumi
from pulumi_kubernetes.core import v1 as core

import serving.model_access
from components.serving.variant import BucketAccess

# Less than four minutes with the start of the pod, and more than IAM's typical two.
MODEL_ACCESS_LIMIT_S = 180

# With Dataplane V2 and without: https://cloud.google.com/kubernetes-engine/docs/how-to/workload-identity
_METADATA_URL = "http://169.254.169.254"
_STORAGE_URL = "https://storage.googleapis.com"
_SCRIPT = "model_access.py"


def script_files() -> dict[str, str]:
    """Name and text of the script, for the ConfigMap of the pod."""
    return {_SCRIPT: Path(serving.model_access.__file__).read_text(encoding="utf-8")}


def init_container(
    bucket: BucketAccess,
    model_uri: pulumi.Input[str],
    config_dir: PurePosixPath,
    alike: core.ContainerArgs,
    copy_to: PurePosixPath | None,
) -> core.ContainerArgs:
    """The init container; `alike` is the server's, whose resources, security and volumes it has too.

    With the server's own resources it changes neither where the pod fits nor its quality of service.
    """
    return core.ContainerArgs(
        name="model-access",
        image=bucket.image,
        image_pull_policy="IfNotPresent",
        command=["python", "-I", str(config_dir / _SCRIPT)],
        args=[
            _METADATA_URL,
            _STORAGE_URL,
            pulumi.Output.from_input(model_uri),
            str(MODEL_ACCESS_LIMIT_S),
            *([json.dumps(bucket.objects)] if bucket.objects or copy_to else []),
            *([str(copy_to)] if copy_to else []),
        ],
        resources=alike.resources,
        security_context=alike.security_context,
        volume_mounts=alike.volume_mounts,
        # So that its reason is in the pod's status: provider/cluster/servers.py.
        termination_message_policy="FallbackToLogsOnError",
    )
