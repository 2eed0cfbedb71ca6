"""Resources of Google Cloud that no stack may have, from public rule lists.

CKV_GCP_…: bridgecrewio/checkov, checkov/terraform/checks/resource/gcp. CIS GKE: CIS Google Kubernetes Engine Benchmark.
Hardening guide: https://cloud.google.com/kubernetes-engine/docs/how-to/hardening-your-cluster
Other sources are beside the resource.
"""

import json
from typing import Any

from tests.unit.policy.changed import Bad, bad, declared

_EVERYBODY = "https://cloud.google.com/storage/docs/access-control/making-data-public"
_ACLS = "https://cloud.google.com/storage/docs/access-control/lists"
_SPOT = "https://cloud.google.com/kubernetes-engine/docs/concepts/spot-vms"
_ACCOUNT = "serviceAccount:a@acme-lab.iam.gserviceaccount.com"

_LABELS: dict[str, Any] = {"labels": declared("models-bucket")[1]["labels"]}
_DESCRIBED: dict[str, Any] = {"description": declared("network-vpc")[1]["description"]}


def _policy(role: str, member: str) -> str:
    return json.dumps({"bindings": [{"role": role, "members": [member]}]})


_READER = "roles/storage.objectViewer"

GRANTS = (
    bad("models-may-read", {"member": "allUsers"}, "everybody reads the model", f"CKV_GCP_28, {_EVERYBODY}"),
    bad("models-may-read", {"member": "allAuthenticatedUsers"}, "every Google account reads it", "CKV_GCP_28"),
    Bad(
        "gcp:storage/bucketIAMBinding:BucketIAMBinding",
        {"bucket": "b", "role": _READER, "members": [_ACCOUNT, "allUsers"]},
        "everybody reads the bucket",
        "CKV_GCP_28",
        "members.1",
    ),
    Bad(
        "gcp:storage/bucketIAMPolicy:BucketIAMPolicy",
        {"bucket": "b", "policyData": _policy(_READER, "allUsers")},
        "everybody reads the bucket",
        _EVERYBODY,
        "policyData",
    ),
    Bad(
        "gcp:storage/bucketACL:BucketACL",
        {"bucket": "b", "roleEntities": ["OWNER:project-owners-1", "READER:allUsers"]},
        "everybody lists the bucket",
        _ACLS,
        "roleEntities.1",
    ),
    Bad(
        "gcp:storage/bucketACL:BucketACL",
        {"bucket": "b", "predefinedAcl": "publicReadWrite"},
        "everybody writes into the bucket",
        _ACLS,
        "predefinedAcl",
    ),
    Bad(
        "gcp:storage/defaultObjectACL:DefaultObjectACL",
        {"bucket": "b", "roleEntities": ["READER:allAuthenticatedUsers"]},
        "every Google account reads new objects",
        _ACLS,
        "roleEntities.0",
    ),
    Bad(
        "gcp:storage/defaultObjectAccessControl:DefaultObjectAccessControl",
        {"bucket": "b", "role": "READER", "entity": "allUsers"},
        "everybody reads new objects",
        _ACLS,
        "entity",
    ),
    Bad(
        "gcp:storage/bucketAccessControl:BucketAccessControl",
        {"bucket": "b", "role": "WRITER", "entity": "allUsers"},
        "everybody writes into the bucket",
        _ACLS,
        "entity",
    ),
    Bad(
        "gcp:storage/objectACL:ObjectACL",
        {"bucket": "b", "object": "o", "predefinedAcl": "publicRead"},
        "everybody reads the object",
        _ACLS,
        "predefinedAcl",
    ),
    Bad(
        "gcp:storage/objectAccessControl:ObjectAccessControl",
        {"bucket": "b", "object": "o", "role": "READER", "entity": "allAuthenticatedUsers"},
        "every Google account reads the object",
        _ACLS,
        "entity",
    ),
    bad("models-bucket", {"publicAccessPrevention": "inherited"}, "grants to everybody are possible", "CKV_GCP_114"),
    bad("models-bucket", {"uniformBucketLevelAccess": False}, "access lists of objects bypass IAM", "CKV_GCP_29"),
    bad("cluster-nodes-node", {"role": "roles/owner"}, "nodes own the project", "CKV_GCP_117, CIS GKE 5.2.1"),
    bad("cluster-nodes-node", {"role": "roles/storage.admin"}, "nodes administer all buckets", "CKV_GCP_42"),
    bad("cluster-nodes-images", {"role": "roles/iam.serviceAccountTokenCreator"}, "nodes become any account",
        "CKV_GCP_41, CKV_GCP_49"),
    Bad(
        "gcp:projects/iAMBinding:IAMBinding",
        {"project": "p", "role": "roles/editor", "members": [_ACCOUNT]},
        "an account edits the project",
        "CKV_GCP_117",
        "role",
    ),
    Bad(
        "gcp:projects/iAMPolicy:IAMPolicy",
        {"project": "p", "policyData": _policy("roles/owner", _ACCOUNT)},
        "replaces every grant of the project, and makes an account its owner",
        "CKV_GCP_117, https://www.pulumi.com/registry/packages/gcp/api-docs/projects/iampolicy/",
        "policyData",
    ),
    Bad(
        "gcp:serviceaccount/iAMMember:IAMMember",
        {"serviceAccountId": "a", "role": "roles/iam.serviceAccountUser", "member": "allAuthenticatedUsers"},
        "every Google account acts as the service account",
        "CKV_GCP_41",
        "member",
    ),
    Bad("gcp:serviceaccount/key:Key", {"serviceAccountId": "a"}, "a key that never expires",
        "https://cloud.google.com/iam/docs/best-practices-for-managing-service-account-keys"),
)  # fmt: skip

_METADATA = "nodeConfig.metadata"
CLUSTERS = (
    bad("control-plane", {"masterAuth.clientCertificateConfig.issueClientCertificate": True},
        "a certificate that cannot be revoked", "CKV_GCP_13, CIS GKE 2.1.1"),
    bad("control-plane", {"masterAuth.password": "correct horse battery", "masterAuth.username": "admin"},
        "a password that is sent with each request", "hardening guide: leave basic authentication disabled"),
    bad("control-plane", {"enableLegacyAbac": True}, "every account may do everything", "CKV_GCP_7, CIS GKE 5.8.4"),
    bad("control-plane", {"enableShieldedNodes": False}, "nodes are not attested", "CKV_GCP_71, CIS GKE 5.5.5"),
    bad("control-plane", {"privateClusterConfig.enablePrivateNodes": False}, "nodes have public addresses",
        "CKV_GCP_25, CKV_GCP_64, CIS GKE 5.6.5"),
    bad("control-plane", {"controlPlaneEndpointsConfig.ipEndpointsConfig.enabled": True},
        "the control plane has an address", "CKV_GCP_18, CIS GKE 5.6.4"),
    bad("control-plane", {"nodePools": [{"name": "extra", "nodeCount": 3, "nodeConfig": {"spot": True}}]},
        "a pool inside of the cluster, which Google takes back at any time", _SPOT),
    bad("control-plane", {"clusterAutoscaling": {"enabled": True, "resourceLimits": [
        {"resourceType": "cpu", "maximum": 64}]}}, "GKE adds pools under load",
        "https://cloud.google.com/kubernetes-engine/docs/concepts/node-auto-provisioning"),
    bad("control-plane", {"loggingConfig.enableComponents": []}, "nobody can tell what happened",
        "CKV_GCP_1, CIS GKE 5.7.1"),
    bad("cluster-serving", {"nodeConfig.spot": True}, "a node is taken back during a run", _SPOT),
    bad("cluster-load", {"nodeConfig.preemptible": True}, "the load generator is taken back during a run",
        "https://cloud.google.com/kubernetes-engine/docs/how-to/preemptible-vms"),
    bad("cluster-serving", {"nodeConfig.shieldedInstanceConfig.enableSecureBoot": False}, "unsigned kernel modules",
        "CKV_GCP_68, CIS GKE 5.5.7"),
    bad("cluster-load", {"nodeConfig.shieldedInstanceConfig": None}, "secure boot is off where nothing is said",
        "CKV_GCP_68, CIS GKE 5.5.7"),
    bad("cluster-serving", {"nodeConfig.shieldedInstanceConfig.enableIntegrityMonitoring": False},
        "a changed boot sequence stays unseen", "CKV_GCP_72, CIS GKE 5.5.6"),
    bad("cluster-serving", {_METADATA: {"disable-legacy-endpoints": "false"}}, "any request reads node credentials",
        "hardening guide: disable the legacy metadata server APIs"),
    bad("cluster-serving", {"nodeConfig.workloadMetadataConfig.mode": "GCE_METADATA"}, "pods take node credentials",
        "CKV_GCP_69, CIS GKE 5.4.2"),
    bad("cluster-serving", {"nodeConfig.kubeletConfig.insecureKubeletReadonlyPortEnabled": "TRUE"},
        "anybody in the network reads what runs on the node", "CIS GKE 3.2.4, "
        "https://cloud.google.com/kubernetes-engine/docs/how-to/disable-kubelet-readonly-port"),
)  # fmt: skip

_WORLD = "0.0.0.0/0"
EXPOSED = (
    Bad("gcp:compute/firewall:Firewall",
        {**_DESCRIBED, "network": "n", "sourceRanges": [_WORLD], "allows": [{"protocol": "tcp", "ports": ["22"]}]},
        "SSH from everywhere", "CKV_GCP_2", "sourceRanges.0"),
    Bad("gcp:compute/firewall:Firewall",
        {**_DESCRIBED, "network": "n", "sourceRanges": ["10.0.0.0/8", "::/0"], "allows": [{"protocol": "all"}]},
        "everything from everywhere over IPv6", "CKV_GCP_2, CKV_GCP_3", "sourceRanges.1"),
    Bad("gcp:compute/instance:Instance",
        {**_LABELS, "machineType": "e2-medium", "networkInterfaces": [{"network": "n", "accessConfigs": [{}]}]},
        "a machine with a public address", "CKV_GCP_40", "networkInterfaces.0.accessConfigs"),
    Bad("gcp:compute/globalForwardingRule:GlobalForwardingRule",
        {**_LABELS, "target": "t", "loadBalancingScheme": "EXTERNAL_MANAGED", "portRange": "80"},
        "a public load balancer", "https://cloud.google.com/load-balancing/docs/load-balancing-overview"),
    Bad("gcp:compute/address:Address", {**_LABELS, "addressType": "EXTERNAL", "region": "us-central1"},
        "a public address, billed until it is released", "https://cloud.google.com/vpc/network-pricing#ipaddress"),
    Bad("gcp:sql/databaseInstance:DatabaseInstance",
        {"databaseVersion": "POSTGRES_17", "settings": {"tier": "db-f1-micro", "userLabels": _LABELS["labels"],
         "ipConfiguration": {"ipv4Enabled": True, "authorizedNetworks": [{"value": _WORLD}]}}},
        "a database open to the world", "CKV_GCP_11, CKV_GCP_60", "settings.ipConfiguration.ipv4Enabled"),
    Bad("gcp:cloudrunv2/serviceIamMember:ServiceIamMember",
        {"name": "s", "location": "us-central1", "role": "roles/run.invoker", "member": "allUsers"},
        "everybody calls the service", "CKV_GCP_102", "member"),
    Bad("gcp:bigquery/dataset:Dataset",
        {**_LABELS, "datasetId": "d", "accesses": [{"role": "READER", "specialGroup": "allAuthenticatedUsers"}]},
        "every Google account reads the data", "CKV_GCP_15", "accesses.0.specialGroup"),
)  # fmt: skip

BAD_GOOGLE = GRANTS + CLUSTERS + EXPOSED
