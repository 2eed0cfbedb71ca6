"""What is known of the servers' machines where not every container answers."""

from typing import cast

from provider.cluster.api import Cluster, ClusterError
from provider.cluster.pod_machine import COMMAND, replicas_of
from provider.cluster.server_pods import ServerPod
from stacks.names import NAME


class Refusing:
    """A cluster that refuses commands in one pod."""

    def __init__(self, refused: str) -> None:
        self.refused = refused
        self.asked: list[tuple[str, tuple[object, ...]]] = []

    def execute(self, pod: str, *asked: object) -> str:
        self.asked.append((pod, asked[:2]))
        if pod == self.refused:
            raise ClusterError("no upgrade")
        return "6.6.72+\nvendor_id\t: AuthenticAMD\nmodel name\t: AMD EPYC 7B12\n"


def test_after_a_refused_command_no_other_server_is_asked_and_one_message_names_the_unknown_ones() -> None:
    cluster = Refusing("s1")
    said: list[str] = []
    servers = [ServerPod(name=f"s{at}", uid="u", ready=True, restarts=0, image=None, node=f"n{at}") for at in range(4)]
    replicas = replicas_of(cast("Cluster", cluster), servers, said.append)
    assert cluster.asked == [("s0", (NAME, COMMAND)), ("s1", (NAME, COMMAND))]
    assert [(each.name, each.node, each.cpu_model, each.kernel) for each in replicas] == [
        ("s0", "n0", "AMD EPYC 7B12", "6.6.72+"),
        ("s1", "n1", None, None),
        ("s2", "n2", None, None),
        ("s3", "n3", None, None),
    ]
    (line,) = said
    assert line == (
        "the CPU of s1, s2, s3 is unknown (no upgrade), so the run is not compared with runs on a known CPU;"
        " to read it, `kubectl exec` must work, and the server's image must have `sh`"
    )
