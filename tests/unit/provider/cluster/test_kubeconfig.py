"""A kubeconfig tells which cluster it is of, without a connection."""

import base64
import json

from provider.cluster.kubeconfig import Access, cluster_of, settings_of


def cluster(server: str, authority: bytes | None = None, token: str = "t") -> str:
    data = {} if authority is None else {"certificate-authority-data": base64.b64encode(authority).decode()}
    kubeconfig = {
        "clusters": [{"name": "c", "cluster": {"server": server} | data}],
        "users": [{"name": "u", "user": {"token": token}}],
        "contexts": [{"name": "x", "context": {"cluster": "c", "user": "u"}}],
        "current-context": "x",
    }
    return cluster_of(settings_of(Access(json.dumps(kubeconfig))))


def test_a_cluster_is_told_from_others_by_its_address_and_its_authority() -> None:
    one = cluster("https://127.0.0.1:6443", b"one")
    assert one.startswith("https://127.0.0.1:6443 (authority ")
    assert len({one, cluster("https://127.0.0.1:6443", b"two"), cluster("https://10.0.0.1", b"one")}) == 3


def test_another_user_of_a_cluster_sees_the_same_one() -> None:
    for authority in (b"one", None):
        assert cluster("https://gke-1.example", authority, "a") == cluster("https://gke-1.example", authority, "b")


def test_it_holds_no_secret() -> None:
    assert "s3cr3t" not in cluster("https://10.0.0.1", b"one", "s3cr3t")
