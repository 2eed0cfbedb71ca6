"""What GKE answers about clusters and node pools."""

from typing import Any

from tests.engine.gcp_stand_in.answers import (
    COMPUTE,
    Answer,
    Asked,
    LeftOut,
    Properties,
    Source,
    by_address,
    digest,
    labels_of,
    project_of,
)

_VERSION = "1.34.4-gke.1047000"
_PROJECT_NUMBER = 123456789012
_PRIVATE_ADDRESS = "10.0.0.2"
_SCOPES = "https://www.googleapis.com/auth"
_DEFAULT_SCOPES = ("devstorage.read_only", "logging.write", "monitoring", "service.management.readonly",
                   "servicecontrol", "trace.append")  # fmt: skip


def _zone(resource: Asked) -> str:
    return resource.inputs.get("location") or resource.place.zone


def _dns_name(resource: Asked) -> str:
    """Reaches the tests' API server where it is the cluster's endpoint, nothing where addresses are on."""
    if not by_address(resource):
        return resource.place.control_plane.get("address", "")
    return f"gke-{digest(resource.identity)[:36]}-{_PROJECT_NUMBER}.{_zone(resource)}.gke.goog"


def _address(resource: Asked) -> str:
    return resource.place.control_plane.get("address", "") if by_address(resource) else ""


def _endpoints(resource: Asked) -> Properties:
    return {
        "dnsEndpointConfig": {
            "allowExternalTraffic": False,
            "enableK8sCertsViaDns": False,
            "enableK8sTokensViaDns": False,
            "endpoint": _dns_name(resource),
        },
        "ipEndpointsConfig": {"enabled": True},
    }


def _private_cluster(resource: Asked) -> Properties:
    return {
        "enablePrivateEndpoint": not by_address(resource),
        "enablePrivateNodes": False,
        "masterGlobalAccessConfig": {"enabled": False},
        "masterIpv4CidrBlock": "",
        "peeringName": "",
        "privateEndpoint": _PRIVATE_ADDRESS if by_address(resource) else "",
        "privateEndpointSubnetwork": "",
        "publicEndpoint": _address(resource),
    }


def _private(field: str) -> Any:
    return lambda resource: _private_cluster(resource)[field]


def _group(resource: Asked, collection: str) -> list[str]:
    zone = f"{COMPUTE}/projects/{project_of(resource)}/zones/{_zone(resource)}"
    return [f"{zone}/{collection}/gke-{digest(resource.identity)[:8]}-grp"]


def _subnetwork(resource: Asked) -> str:
    return f"projects/{project_of(resource)}/regions/{resource.place.region}/subnetworks/nodes"


CLUSTER = (
    Answer("addonsConfig", {}, Source.RECORDING_2025),
    Answer("addonsConfig.dnsCacheConfig", {"enabled": True}, Source.RECORDING_2026),
    Answer("addonsConfig.gcePersistentDiskCsiDriverConfig", {"enabled": True}, Source.RECORDING_2025),
    Answer("addonsConfig.networkPolicyConfig", {"disabled": True}, Source.RECORDING_2025),
    Answer("addonsConfig.nodeReadinessConfig", {"enabled": False}, Source.RECORDING_2026),
    Answer("anonymousAuthenticationConfig", {"mode": "LIMITED"}, Source.RECORDING_2026),
    Answer("clusterAutoscaling", {"enabled": False, "autoscalingProfile": "BALANCED"}, Source.RECORDING_2025),
    Answer("clusterIpv4Cidr", "10.16.0.0/16", Source.RECORDING_2025),
    Answer("clusterTelemetry", {"type": "ENABLED"}, Source.RECORDING_2025),
    Answer("controlPlaneEndpointsConfig", _endpoints, Source.RECORDING_2025),
    Answer("controlPlaneEndpointsConfig.dnsEndpointConfig.endpoint", _dns_name, Source.RECORDING_2025),
    Answer("databaseEncryption", {"state": "DECRYPTED", "keyName": ""}, Source.RECORDING_2025),
    Answer("defaultMaxPodsPerNode", 110, Source.RECORDING_2025),
    Answer("defaultSnatStatus", {"disabled": False}, Source.RECORDING_2025),
    Answer("deletionPolicy", "DELETE", Source.PROVIDER),
    # The DNS name, where addresses are off.
    Answer("endpoint", lambda resource: _address(resource) or _dns_name(resource), Source.RECORDING_2025),
    Answer("enableShieldedNodes", value=True, source=Source.RECORDING_2025, left_out=LeftOut.DEFAULT),
    Answer("enterpriseConfig", {"clusterTier": "STANDARD", "desiredTier": ""}, Source.RECORDING_2025),
    Answer("ipAllocationPolicy", {}, Source.RECORDING_2025),
    Answer("ipAllocationPolicy.clusterIpv4CidrBlock", "10.16.0.0/16", Source.RECORDING_2025),
    Answer("ipAllocationPolicy.networkTierConfig", {"networkTier": "NETWORK_TIER_DEFAULT"}, Source.RECORDING_2026),
    Answer("ipAllocationPolicy.podCidrOverprovisionConfig", {"disabled": False}, Source.RECORDING_2025),
    Answer("ipAllocationPolicy.servicesIpv4CidrBlock", "10.32.0.0/20", Source.RECORDING_2025),
    Answer("ipAllocationPolicy.stackType", "IPV4", Source.RECORDING_2025, LeftOut.DEFAULT),
    Answer("labelFingerprint", lambda resource: digest(resource.identity)[:8], Source.RECORDING_2025),
    Answer("loggingConfig", {"enableComponents": ["SYSTEM_COMPONENTS", "WORKLOADS"]}, Source.RECORDING_2025),
    Answer("loggingService", "logging.googleapis.com/kubernetes", Source.RECORDING_2025),
    Answer("masterAuth", {"clientCertificateConfig": {"issueClientCertificate": False}}, Source.RECORDING_2025),
    Answer("masterAuth.clientCertificate", "", Source.RECORDING_2025),
    Answer("masterAuth.clientKey", "", Source.RECORDING_2025),
    Answer(
        "masterAuth.clusterCaCertificate",
        lambda resource: resource.place.control_plane.get("ca_certificate", ""),
        Source.RECORDING_2025,
    ),
    Answer("masterVersion", _VERSION, Source.RECORDING_2025),
    Answer("monitoringConfig", {"enableComponents": ["SYSTEM_COMPONENTS"]}, Source.RECORDING_2025),
    Answer(
        "monitoringConfig.advancedDatapathObservabilityConfig",
        {"enableMetrics": False, "enableRelay": False},
        Source.RECORDING_2025,
    ),
    Answer("monitoringService", "monitoring.googleapis.com/kubernetes", Source.RECORDING_2025),
    Answer("networkingMode", "VPC_NATIVE", Source.PROVIDER),
    Answer("networkPolicy", {"enabled": False, "provider": ""}, Source.PROVIDER, LeftOut.SUPPRESSED),
    Answer("nodeCreationConfig", {"nodeCreationMode": "VIA_KUBELET"}, Source.RECORDING_2026),
    # Once there is a first pool, Cloud.read gives its configuration. The default pool is removed by then.
    Answer("nodeConfig", None, Source.RECORDING_2025),
    Answer("nodePools", None, Source.RECORDING_2025),
    Answer(
        "nodePoolAutoConfig",
        {"nodeKubeletConfig": {"insecureKubeletReadonlyPortEnabled": "FALSE"}},
        Source.RECORDING_2025,
    ),
    Answer(
        "nodePoolDefaults",
        {"nodeConfigDefaults": {"insecureKubeletReadonlyPortEnabled": "FALSE", "loggingVariant": "DEFAULT"}},
        Source.RECORDING_2025,
    ),
    Answer("nodeVersion", _VERSION, Source.RECORDING_2025),
    Answer("notificationConfig", {"pubsub": {"enabled": False, "topic": ""}}, Source.RECORDING_2025),
    Answer("operation", "", Source.PROVIDER),
    Answer("podAutoscaling", {"hpaProfile": "PERFORMANCE"}, Source.RECORDING_2026),
    Answer("podSecurityPolicyConfig", {"enabled": False}, Source.PROVIDER, LeftOut.SUPPRESSED),
    Answer("privateClusterConfig", _private_cluster, Source.RECORDING_2025),
    Answer(
        "privateClusterConfig.enablePrivateEndpoint",
        _private("enablePrivateEndpoint"),
        Source.RECORDING_2025,
        LeftOut.DIFFERS,
    ),
    Answer("privateClusterConfig.masterGlobalAccessConfig", {"enabled": False}, Source.RECORDING_2025),
    Answer("privateClusterConfig.masterIpv4CidrBlock", "", Source.RECORDING_2025),
    Answer("privateClusterConfig.peeringName", "", Source.RECORDING_2025),
    Answer("privateClusterConfig.privateEndpoint", _private("privateEndpoint"), Source.RECORDING_2025),
    Answer("privateClusterConfig.privateEndpointSubnetwork", "", Source.RECORDING_2025),
    Answer("privateClusterConfig.publicEndpoint", _private("publicEndpoint"), Source.RECORDING_2025),
    Answer(
        "protectConfig",
        {
            "workloadConfig": {"auditMode": "BASIC"},
            "workloadVulnerabilityMode": "WORKLOAD_VULNERABILITY_MODE_UNSPECIFIED",
        },
        Source.RECORDING_2025,
    ),
    Answer(
        "rbacBindingConfig",
        {"enableInsecureBindingSystemAuthenticated": True, "enableInsecureBindingSystemUnauthenticated": True},
        Source.RECORDING_2025,
    ),
    Answer("releaseChannel", {"channel": "REGULAR"}, Source.RECORDING_2025),
    Answer("secretManagerConfig", {"enabled": False}, Source.PROVIDER, LeftOut.SUPPRESSED),
    Answer("secretSyncConfig", {"enabled": False}, Source.PROVIDER, LeftOut.SUPPRESSED),
    Answer(
        "securityPostureConfig",
        {"mode": "BASIC", "vulnerabilityMode": "VULNERABILITY_MODE_UNSPECIFIED"},
        Source.RECORDING_2025,
    ),
    Answer(
        "selfLink",
        lambda resource: f"https://container.googleapis.com/v1beta1/{resource.identity}",
        Source.RECORDING_2025,
    ),
    Answer("serviceExternalIpsConfig", {"enabled": False}, Source.RECORDING_2025),
    Answer("servicesIpv4Cidr", "10.32.0.0/20", Source.RECORDING_2025),
    *labels_of("resourceLabels"),
)

NODE_POOL = (
    Answer("deletionPolicy", "DELETE", Source.PROVIDER),
    Answer("initialNodeCount", lambda resource: resource.inputs.get("nodeCount"), Source.RECORDING_2026),
    Answer("instanceGroupUrls", lambda resource: _group(resource, "instanceGroupManagers"), Source.RECORDING_2026),
    Answer("managedInstanceGroupUrls", lambda resource: _group(resource, "instanceGroups"), Source.PROVIDER),
    Answer("management", {"autoRepair": True, "autoUpgrade": True}, Source.RECORDING_2025),
    Answer("maxPodsPerNode", 110, Source.RECORDING_2026),
    Answer("networkConfig", {}, Source.RECORDING_2026),
    Answer("networkConfig.enablePrivateNodes", value=False, source=Source.RECORDING_2026),
    Answer("networkConfig.podIpv4CidrBlock", "10.16.0.0/16", Source.RECORDING_2026),
    Answer("networkConfig.podRange", "pods", Source.RECORDING_2026),
    Answer("networkConfig.subnetwork", _subnetwork, Source.RECORDING_2026),
    Answer("nodeConfig", {}, Source.RECORDING_2025),
    Answer("nodeConfig.machineType", "e2-medium", Source.RECORDING_2025),
    Answer("nodeConfig.metadata", {"disable-legacy-endpoints": "true"}, Source.RECORDING_2025),
    Answer("nodeConfig.oauthScopes", [f"{_SCOPES}/{scope}" for scope in _DEFAULT_SCOPES], Source.RECORDING_2025),
    Answer("nodeConfig.serviceAccount", "default", Source.RECORDING_2025),
    Answer("nodeConfig.diskSizeGb", 100, Source.RECORDING_2026),
    Answer("nodeConfig.diskType", "pd-balanced", Source.RECORDING_2026),
    Answer(
        "nodeConfig.bootDisk",
        lambda resource: {
            "diskType": (resource.inputs.get("nodeConfig") or {}).get("diskType", "pd-balanced"),
            "sizeGb": (resource.inputs.get("nodeConfig") or {}).get("diskSizeGb", 100),
        },
        Source.RECORDING_2026,
    ),
    Answer(
        "nodeConfig.effectiveTaints",
        lambda resource: (resource.inputs.get("nodeConfig") or {}).get("taints") or [],
        Source.PROVIDER,
    ),
    Answer("nodeConfig.imageType", "COS_CONTAINERD", Source.RECORDING_2026),
    Answer("nodeConfig.kubeletConfig", {"insecureKubeletReadonlyPortEnabled": "FALSE"}, Source.RECORDING_2026),
    Answer("nodeConfig.kubeletConfig.cpuCfsQuota", value=True, source=Source.PROVIDER),
    Answer("nodeConfig.kubeletConfig.maxParallelImagePulls", 2, Source.RECORDING_2026),
    Answer("nodeConfig.loggingVariant", "DEFAULT", Source.RECORDING_2026),
    Answer(
        "nodeConfig.nodeImageConfigs",
        [{"image": "gke-1344-gke1047000-cos-125", "imageProject": "gke-node-images"}],
        Source.RECORDING_2026,
    ),
    Answer("nodeConfig.resourceLabels", {}, Source.RECORDING_2026, LeftOut.SUPPRESSED),
    Answer(
        "nodeConfig.resourceLabels.goog-gke-node-pool-provisioning-model",
        "on-demand",
        Source.RECORDING_2026,
        LeftOut.SUPPRESSED,
    ),
    Answer("nodeConfig.shieldedInstanceConfig", {"enableIntegrityMonitoring": True}, Source.RECORDING_2026),
    Answer("nodeConfig.windowsNodeConfig", {"osversion": ""}, Source.RECORDING_2026),
    Answer("nodeLocations", lambda resource: [_zone(resource)], Source.RECORDING_2026),
    Answer("operation", "", Source.PROVIDER),
    Answer("upgradeSettings", {"maxSurge": 1, "maxUnavailable": 0, "strategy": "SURGE"}, Source.RECORDING_2026),
    Answer("version", _VERSION, Source.RECORDING_2026),
)
