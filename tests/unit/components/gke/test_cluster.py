"""The cluster: hardened, private, and reached by name; its pools fixed, apart, and made one after the other."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pulumi_gcp.container.cluster import Cluster

from components.gke.kubeconfig import exec_kubeconfig
from stacks.machines.gke import BOOT_DISK_GB
from stacks.names import account_id
from tests.support.sdk import has_property
from tests.unit.components.gke.gke_program import SHAPES, record_gke, record_stack, settings_with
from tests.unit.components.recorder import DNS_ENDPOINT, LEASE, PROJECT


def cluster():
    return record_stack("8cpu-16gb").one("cluster:Cluster")


def pool(role: str, stack: str = "8cpu-16gb"):
    return record_stack(stack).one("nodePool:NodePool", role)


def used_kubeconfig(recording) -> dict:
    return json.loads(recording.one("providers:kubernetes").inputs["kubeconfig"]["value"])


def test_the_cluster_is_zonal_and_can_be_destroyed():
    inputs = cluster().inputs
    assert inputs["location"] == "us-central1-a"
    assert inputs["deletionProtection"] is False


def test_the_default_pool_is_deleted_and_fields_that_gke_changes_are_ignored():
    inputs = cluster().inputs
    assert (inputs["removeDefaultNodePool"], inputs["initialNodeCount"]) == (True, 1)
    assert "nodePools" not in inputs
    assert {"initialNodeCount", "nodeConfig", "nodePools", "nodeVersion"} <= set(cluster().ignore_changes)


def test_what_the_api_decides_or_may_add_is_ignored_and_nothing_that_the_program_declares():
    # Both of privateClusterConfig: hashicorp/terraform-provider-google issue 27901.
    assert {
        "privateClusterConfig.enablePrivateEndpoint",
        "privateClusterConfig.masterGlobalAccessConfig",
        "maintenancePolicy.disruptionBudget",
        "dataplaneOptimizationMode",
    } <= set(cluster().ignore_changes)
    declared = cluster().inputs
    of_the_default_pool = {"initialNodeCount", "nodeConfig"}
    for path in set(cluster().ignore_changes) - of_the_default_pool:
        block, _, field = path.partition(".")
        assert field not in declared[block] if field else block not in declared


@pytest.mark.parametrize("path", record_stack("8cpu-16gb").one("cluster:Cluster").ignore_changes)
def test_every_ignored_path_is_a_property_of_the_cluster(path):
    assert has_property(Cluster, path)


def test_cost_allocation_is_declared_only_where_it_is_on():
    on = record_gke(settings_with({"costAllocation": True})).one("cluster:Cluster").inputs
    off = record_gke(settings_with({"costAllocation": False})).one("cluster:Cluster").inputs
    assert on["costManagementConfig"] == {"enabled": True}
    assert "costManagementConfig" not in off


def test_the_cluster_is_hardened():
    inputs = cluster().inputs
    assert inputs["datapathProvider"] == "ADVANCED_DATAPATH"
    assert inputs["enableShieldedNodes"] is True
    assert inputs["enableLegacyAbac"] is False
    assert inputs["masterAuth"] == {"clientCertificateConfig": {"issueClientCertificate": False}}
    assert inputs["workloadIdentityConfig"] == {"workloadPool": f"{PROJECT}.svc.id.goog"}
    assert inputs["privateClusterConfig"] == {"enablePrivateNodes": True}


def test_the_cluster_is_not_upgraded_before_its_lease_ends():
    inputs = cluster().inputs
    assert inputs["releaseChannel"] == {"channel": "REGULAR"}
    (exclusion,) = inputs["maintenancePolicy"]["maintenanceExclusions"]
    assert (exclusion["startTime"], exclusion["endTime"]) == (LEASE["startsAt"], LEASE["expiresAt"])
    assert exclusion["exclusionOptions"] == {"scope": "NO_UPGRADES"}


def test_the_control_plane_has_a_dns_endpoint_and_no_address():
    inputs = cluster().inputs
    endpoints = inputs["controlPlaneEndpointsConfig"]
    assert endpoints["ipEndpointsConfig"] == {"enabled": False}
    assert endpoints["dnsEndpointConfig"] == {"allowExternalTraffic": True}
    assert "masterAuthorizedNetworksConfig" not in inputs
    (used,) = used_kubeconfig(record_stack("8cpu-16gb"))["clusters"]
    assert used["cluster"] == {"server": f"https://{DNS_ENDPOINT}"}


def test_the_kubeconfig_is_secret_and_holds_no_credential():
    said = record_stack("8cpu-16gb").one("providers:kubernetes").inputs["kubeconfig"]
    assert set(said) > {"value"}, "the engine's mark of a secret is missing"
    (user,) = json.loads(said["value"])["users"]
    assert set(user["user"]) == {"exec"}


def test_a_kubeconfig_uses_the_auth_plugin_and_says_how_to_install_it():
    config = json.loads(exec_kubeconfig("gke.example"))
    (user,) = config["users"]
    plugin = user["user"]["exec"]
    assert plugin["command"] == "gke-gcloud-auth-plugin"
    assert plugin["provideClusterInfo"] is True
    # Without it the plugin asks gcloud's own login, and not the credentials of Pulumi's Google provider.
    assert plugin["args"] == ["--use_application_default_credentials"]
    assert "gcloud components install gke-gcloud-auth-plugin" in plugin["installHint"]
    assert "apt-get install google-cloud-cli-gke-gcloud-auth-plugin" in plugin["installHint"]
    (context,) = config["contexts"]
    assert context["name"] == config["current-context"]
    assert context["context"] == {"cluster": config["clusters"][0]["name"], "user": user["name"]}


@pytest.mark.parametrize("stack", SHAPES)
def test_the_serving_pool_has_the_shape_and_a_fixed_size(stack):
    inputs = pool("serving", stack).inputs
    machine_type, _, nodes = SHAPES[stack]
    assert inputs["nodeConfig"]["machineType"] == machine_type
    assert inputs["nodeCount"] == nodes
    assert "autoscaling" not in inputs


def test_only_server_pods_are_scheduled_on_the_serving_pool():
    config = pool("serving").inputs["nodeConfig"]
    assert config["labels"] == {"shapebench/pool": "serving"}
    assert config["taints"] == [{"key": "shapebench/pool", "value": "serving", "effect": "NO_SCHEDULE"}]


def test_the_load_pool_also_runs_the_systems_own_pods():
    config = pool("load").inputs["nodeConfig"]
    assert config["labels"] == {"shapebench/pool": "load"}
    assert "taints" not in config


@pytest.mark.parametrize("role", ["serving", "load"])
def test_nodes_enforce_cpu_limits_and_have_no_open_kubelet_port(role):
    kubelet = pool(role).inputs["nodeConfig"]["kubeletConfig"]
    assert kubelet == {"cpuCfsQuota": True, "insecureKubeletReadonlyPortEnabled": "FALSE"}


@pytest.mark.parametrize("role", ["serving", "load"])
def test_nodes_are_private_and_shielded_and_have_small_disks(role):
    inputs = pool(role).inputs
    config = inputs["nodeConfig"]
    assert inputs["networkConfig"] == {"enablePrivateNodes": True}
    assert config["workloadMetadataConfig"] == {"mode": "GKE_METADATA"}
    assert config["shieldedInstanceConfig"] == {"enableSecureBoot": True, "enableIntegrityMonitoring": True}
    assert (config["diskSizeGb"], config["diskType"]) == (BOOT_DISK_GB, "pd-balanced")


def test_every_node_has_the_account_that_may_only_log_measure_and_pull():
    recording = record_stack("8cpu-16gb")
    email = f"shapebench-8cpu-16gb-nodes@{PROJECT}.iam.gserviceaccount.com"
    configs = [each.inputs["nodeConfig"] for each in (*recording.of("nodePool:NodePool"), cluster())]
    assert {config["serviceAccount"] for config in configs} == {email}
    granted = {each.inputs["role"]: each.inputs["member"] for each in recording.of("projects/iAMMember:IAMMember")}
    assert granted == dict.fromkeys(
        ("roles/container.defaultNodeServiceAccount", "roles/artifactregistry.reader"), f"serviceAccount:{email}"
    )


def test_gke_gets_one_operation_at_a_time():
    load, serving = pool("load"), pool("serving")
    assert cluster().urn in load.depends_on
    assert load.urn in serving.depends_on


def test_a_replaced_pool_is_deleted_first_because_quota_is_for_one():
    assert pool("serving").delete_before_replace
    assert pool("load").delete_before_replace


def test_resources_in_the_cluster_are_created_after_the_nodes_and_deleted_before_them():
    recording = record_stack("8cpu-16gb")
    provider = recording.one("providers:kubernetes")
    assert {pool("load").urn, pool("serving").urn} <= provider.depends_on
    deployed = [resource for resource in recording.resources if resource.typ.startswith("kubernetes:")]
    assert deployed
    assert all(each.provider.startswith(provider.urn) for each in deployed)


@given(st.text(alphabet=st.characters(codec="ascii"), min_size=1, max_size=100), st.sampled_from(["nodes", "model"]))
def test_every_stack_name_gives_an_account_name_that_google_accepts(stack, role):
    name = account_id(stack, role)
    assert 6 <= len(name) <= 30
    assert name[0].isalpha()
    assert name[-1] != "-"
    assert set(name) <= set("abcdefghijklmnopqrstuvwxyz0123456789-")


@given(st.lists(st.from_regex(r"[a-zA-Z0-9._-]{1,40}", fullmatch=True), min_size=2, max_size=2, unique=True))
def test_two_stacks_never_share_an_account(stacks):
    first, second = (account_id(stack, "nodes") for stack in stacks)
    assert first != second
