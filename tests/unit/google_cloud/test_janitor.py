"""The janitor finds leftovers, removes them in an order that works, and removes nothing that is not a stack's."""

from datetime import timedelta
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from google_cloud.inventory import CloudResource, inventory, labels_of
from google_cloud.kinds import KINDS
from google_cloud.leftovers import Why, leftovers
from google_cloud.removal import Remover
from google_cloud.rest import CloudError, GoogleClient
from stacks.names import COMMIT, EXPIRES, STACK, as_description, stack_labels
from tests.support import google_resources
from tests.support.google_resources import DAY, NOW, labels
from tests.support.google_stand_in import PROJECT, GoogleStandIn, serving
from tests.unit.components.gke.gke_program import record_stack
from tests.unit.google_cloud.conftest import access_to

THEIRS = {"owner": "somebody", "goog-terraform-provisioned": "true"}


@pytest.fixture
def google(access):
    return GoogleClient(access)


@pytest.fixture
def left(cloud, google):
    """The reason for each leftover, by name."""
    return lambda: {
        leftover.resource.name: leftover.why for leftover in leftovers(inventory(google, PROJECT, print), NOW)
    }


@pytest.fixture
def remove(cloud, google):
    """Remove all leftovers; the failures, by name."""

    def all_of_it() -> dict[str, str]:
        found = leftovers(inventory(google, PROJECT, print), NOW)
        done = Remover(google, print).remove(found)
        return {each.resource.name: failure for each, failure in done if failure is not None}

    return all_of_it


def test_all_resources_of_an_expired_stack_are_removed_users_before_what_they_use(cloud, left, remove):
    cloud.resources = google_resources.whole_stack("8cpu-16gb", -DAY)
    assert set(left().values()) == {Why.expired}
    assert remove() == {}
    assert cloud.resources == {}


def test_a_stack_whose_lease_has_not_ended_has_no_leftovers(cloud, left):
    cloud.resources = google_resources.whole_stack("8cpu-16gb", DAY)
    assert left() == {}


def test_what_a_killed_update_was_creating_is_a_leftover_before_its_lease_ends(cloud, google):
    mine = "gke-cluster-control-plane-1a2b3c4"
    cloud.resources = google_resources.whole_stack("8cpu-16gb", DAY) | google_resources.cluster(
        mine, labels(left=DAY), "PROVISIONING"
    )
    found = leftovers(inventory(google, PROJECT, print), NOW, {mine: None})
    assert [(each.resource.name, each.why) for each in found] == [(mine, Why.interrupted)]


def test_an_interrupted_service_account_is_found_by_its_name_before_the_at_sign(cloud, google):
    cloud.resources = google_resources.account("shapebench-nodes-0a1b2c3", labels(left=DAY))
    interrupted = {"shapebench-nodes-0a1b2c3": as_description(labels(left=DAY))}
    (found,) = leftovers(inventory(google, PROJECT, print), NOW, interrupted)
    assert found.why == Why.interrupted


NODES = "shapebench-8cpu-16gb-nodes"
EMAIL = f"{NODES}@{PROJECT}.iam.gserviceaccount.com"


def cluster_with(email: str, its_labels: dict[str, str], **more: Any) -> dict[str, Any]:
    pools = [{"name": "serving", "initialNodeCount": 2, "config": {"serviceAccount": email}}]
    return google_resources.cluster("gke-cluster-control-plane-fedcba9", its_labels, nodePools=pools, **more)


def test_the_account_of_a_colleagues_living_stack_is_not_taken_for_one_that_my_killed_update_made(cloud, google):
    """Both stacks have one name, and each has a state of its own: Google refuses the second account of that name."""
    theirs = labels(left=2 * DAY)
    mine = {NODES: as_description(labels(left=DAY))}
    for colleague in (
        google_resources.account(NODES, theirs),  # their cluster is not created yet
        google_resources.account(NODES, theirs) | cluster_with(EMAIL, theirs),
        google_resources.account(NODES, labels(left=DAY)) | cluster_with(EMAIL, labels(left=DAY)),  # in the same hour
        # The same, before the cluster has its own node pools.
        google_resources.account(NODES, labels(left=DAY)) | cluster_with("default", labels(left=DAY)),
    ):
        cloud.resources = colleague
        assert leftovers(inventory(google, PROJECT, print), NOW, mine) == []


@pytest.mark.parametrize("of_cluster", [{}, THEIRS, labels("another", left=DAY)], ids=["none", "theirs", "another"])
def test_an_expired_account_is_no_leftover_while_the_nodes_of_any_cluster_use_it(cloud, left, of_cluster):
    cloud.resources = google_resources.account(NODES, labels()) | cluster_with(EMAIL, of_cluster)
    assert left() == {}
    cloud.resources = google_resources.account(NODES, labels()) | cluster_with("default", of_cluster)
    assert left() == {EMAIL: Why.expired}


def test_an_account_whose_cluster_cannot_be_deleted_stays(cloud, remove):
    cloud.resources = google_resources.account(NODES, labels()) | cluster_with(EMAIL, labels())
    cloud.operation_error = {"message": "it is stuck"}
    assert remove() == {
        "gke-cluster-control-plane-fedcba9": "it is stuck",
        EMAIL: "the nodes of cluster gke-cluster-control-plane-fedcba9 use it",
    }


def test_an_account_that_a_colleague_began_to_use_after_it_was_listed_stays(cloud, google):
    cloud.resources = google_resources.account(NODES, labels())
    found = leftovers(inventory(google, PROJECT, print), NOW)
    cloud.resources |= cluster_with(EMAIL, labels(left=DAY))
    ((_, failure),) = Remover(google, print).remove(found)
    assert failure == "the nodes of cluster gke-cluster-control-plane-fedcba9 use it"
    assert cloud.deleted == []


def test_a_resource_with_only_the_name_of_an_interrupted_one_is_not_a_leftover(cloud, google):
    cloud.resources = google_resources.cluster("gke-cluster-control-plane-1a2b3c4", THEIRS)
    assert leftovers(inventory(google, PROJECT, print), NOW, {"gke-cluster-control-plane-1a2b3c4": None}) == []


def test_of_two_stacks_only_the_expired_one_is_removed(cloud, remove):
    lives = google_resources.whole_stack("2cpu-4gb", DAY)
    cloud.resources = lives | google_resources.whole_stack("8cpu-16gb", -DAY)
    assert remove() == {}
    assert cloud.resources == lives


def test_an_expired_network_is_no_leftover_while_a_renewed_cluster_lives(cloud, left):
    cloud.resources = google_resources.network(labels(left=-DAY)) | google_resources.cluster("c", labels(left=DAY))
    assert left() == {}


@pytest.mark.parametrize(
    "name", ["default", "copy-of-gke-network-vpc-1a2b3c4", "gke-network", "their-shapebench-account"]
)
def test_a_stacks_description_on_a_resource_with_another_name_does_not_count(cloud, left, name):
    found = {"name": name, "description": as_description(labels()), "creationTimestamp": google_resources.when(5 * DAY)}
    cloud.resources = {f"{google_resources.COMPUTE}/global/networks/{name}": found} | google_resources.account(
        name, labels()
    )
    assert left() == {}


@pytest.mark.parametrize("status", ["PROVISIONING", "STOPPING", "RECONCILING"])
def test_a_stack_whose_cluster_is_being_changed_has_no_leftovers(cloud, left, status):
    cloud.resources = google_resources.network(labels()) | google_resources.cluster("c", labels(), status)
    assert left() == {}


def test_resources_without_their_cluster_are_orphaned_before_their_lease_ends(cloud, left):
    cloud.resources = google_resources.network(labels(left=DAY)) | google_resources.disk("d", labels(left=DAY))
    assert set(left().values()) == {Why.orphaned}
    assert len(left()) == 4


def test_a_young_network_without_a_cluster_is_not_orphaned(cloud, left):
    cloud.resources = google_resources.network(
        labels(left=DAY), creationTimestamp=google_resources.when(timedelta(hours=1))
    )
    assert left() == {}


def test_a_service_account_has_no_age_and_is_not_orphaned(cloud, left):
    cloud.resources = google_resources.account("shapebench-8cpu-16gb-nodes", labels(left=DAY))
    assert left() == {}


def test_a_disk_in_use_is_not_a_leftover(cloud, left):
    cloud.resources = google_resources.disk("d", labels(), users=["a-node"])
    assert left() == {}


def test_the_volume_of_a_users_own_pod_is_not_a_leftover(cloud, left):
    of_gke = {"goog-k8s-cluster-name": "gke-cluster-control-plane-1a2b3c4"}
    cloud.resources = google_resources.disk("pvc-1", of_gke)
    assert left() == {}


def test_a_resource_renewed_after_it_was_listed_is_not_removed(cloud, google):
    cloud.resources = google_resources.cluster("c", labels())
    found = leftovers(inventory(google, PROJECT, print), NOW)
    cloud.resources = google_resources.cluster("c", labels(left=DAY))
    ((_, failure),) = Remover(google, print).remove(found)
    assert "labels have changed" in failure
    assert cloud.deleted == []


def test_a_resource_that_is_already_gone_counts_as_removed(cloud, google):
    cloud.resources = google_resources.cluster("c", labels())
    found = leftovers(inventory(google, PROJECT, print), NOW)
    cloud.resources = {}
    ((_, failure),) = Remover(google, print).remove(found)
    assert failure is None


def test_a_resource_in_use_fails_and_the_others_are_removed(cloud, remove):
    cloud.resources = google_resources.network(labels()) | google_resources.disk("d", labels())
    vpc = next(path for path in cloud.resources if "/networks/" in path)
    cloud.resources["compute/projects/acme/global/firewalls/theirs"] = {"name": "theirs", "holds": [vpc]}
    failed = remove()
    assert list(failed) == ["gke-network-vpc-1a2b3c4"]
    assert "already being used by" in failed["gke-network-vpc-1a2b3c4"]
    assert set(cloud.resources) == {vpc, "compute/projects/acme/global/firewalls/theirs"}


@pytest.mark.parametrize(
    ("resource", "error"),
    [
        (google_resources.cluster("c", labels()), {"message": "nodes are stuck"}),
        (google_resources.disk("c", labels()), {"errors": [{"code": "X", "message": "nodes are stuck"}]}),
    ],
    ids=["container", "compute"],
)
def test_a_deletion_whose_operation_ends_with_an_error_is_a_failure(cloud, remove, resource, error):
    cloud.resources, cloud.operation_error, cloud.polls = dict(resource), error, 3
    assert remove() == {"c": "nodes are stuck"}


def test_a_zone_whose_clusters_cannot_be_listed_is_an_error(cloud, google):
    cloud.answers_first = [(200, b'{"clusters": [], "missingZones": ["us-central1-b"]}')]
    with pytest.raises(CloudError, match="us-central1-b"):
        inventory(google, PROJECT, print)


def test_zones_that_do_not_answer_are_named_in_the_inventory(cloud, google):
    cloud.answers_first = [(200, b"{}"), (200, b'{"items": {}, "unreachables": ["zones/us-east1-b"]}')]
    assert inventory(google, PROJECT, print).unlisted == ("us-east1-b",)


@pytest.mark.parametrize("content", [b'{"items": []}', b'{"items": {"zones/z": {"disks": "many"}}}',
                                     b'{"items": {"zones/z": {"disks": [{"labels": {}}]}}}'])  # fmt: skip
def test_a_list_of_an_unknown_form_is_an_error(cloud, google, content):
    cloud.answers_first = [(200, b"{}"), (200, content)]
    with pytest.raises(CloudError):
        inventory(google, PROJECT, print)


@pytest.mark.parametrize("code", [403, 500])
def test_a_list_that_google_refuses_is_an_error(cloud, google, code):
    cloud.answers_first = [(200, b"{}"), *[(code, None)] * 5]
    with pytest.raises(CloudError):
        inventory(google, PROJECT, print)


def test_every_resource_that_a_stack_creates_is_found_by_its_labels():
    # Names as the engine would make them, and descriptions and labels as the program gives them.
    of = {"network:Network": "network", "subnetwork:Subnetwork": "subnetwork", "router:Router": "router",
          "account:Account": "service account", "cluster:Cluster": "cluster", "bucket:Bucket": "bucket"}  # fmt: skip
    kinds = {kind.name: kind for kind in KINDS}
    recording = record_stack("8cpu-16gb")
    for typ, kind in of.items():
        for each in recording.of(typ):
            name = each.inputs.get("accountId", f"{each.name}-1a2b3c4")
            assert labels_of(kinds[kind], name, each.inputs)[STACK] == "8cpu-16gb", each.name


VPC = "gke-network-vpc-1a2b3c4"


def test_what_gke_left_in_an_expired_stacks_network_is_removed_with_it(cloud, left, remove):
    cloud.resources = google_resources.network(labels()) | google_resources.created_by_gke(VPC)
    assert len(left()) == 3 + 3
    assert set(left().values()) == {Why.expired}
    assert remove() == {}
    assert cloud.resources == {}


def test_what_gke_created_for_an_existing_cluster_is_not_a_leftover(cloud, left):
    cloud.resources = (
        google_resources.network(labels())
        | google_resources.created_by_gke(VPC)
        | google_resources.cluster("c", labels(), network=VPC)
    )
    assert not any(name.startswith("gke-gke-cluster-") for name in left())


@pytest.mark.parametrize("its_labels", [labels(left=DAY), THEIRS], ids=["a lease that has not ended", "not a stack's"])
def test_what_gke_created_in_a_network_that_is_no_leftover_is_none_either(cloud, left, its_labels):
    """The lease has not ended because the stack has a cluster, though that one is in another network."""
    alive = google_resources.cluster("c", labels(left=DAY))
    cloud.resources = google_resources.network(its_labels) | google_resources.created_by_gke(VPC) | alive
    assert left() == {}


@pytest.mark.parametrize("name", ["theirs", "gke-their-cluster-0123abcd-vms", "gke-gke-cluster-control-plane-1a2b3c4"])
def test_what_others_created_in_a_stacks_network_is_never_removed(cloud, remove, name):
    others = {}
    for path, resource in google_resources.created_by_gke(VPC).items():
        place = path.rpartition("/")[0]
        others[f"{place}/{name}"] = {key: value for key, value in resource.items() if key != "deletes_along"} | {
            "name": name
        }
    machine = next(resource for path, resource in others.items() if "/instances/" in path)
    machine["labels"] = {"goog-k8s-cluster-name": "their-cluster"}
    cloud.resources = google_resources.network(labels()) | others
    assert list(remove()) == [VPC]
    assert set(others) < set(cloud.resources)


def test_what_moved_to_another_network_after_it_was_listed_is_not_removed(cloud, google):
    cloud.resources = google_resources.network(labels()) | google_resources.created_by_gke(VPC)
    found = [leftover for leftover in leftovers(inventory(google, PROJECT, print), NOW) if leftover.resource.network]
    for resource in cloud.resources.values():
        if "networkInterfaces" in resource or "network" in resource:
            resource |= {"network": "x/global/networks/default", "networkInterfaces": [{"network": "default"}]}
    assert {failure for _, failure in Remover(google, print).remove(found)} == {
        "it is in another network than when it was listed"
    }
    assert cloud.deleted == []


OURS = stack_labels("8cpu-16gb", "876bcdc", "2026-11-01T00:00:00Z")
SAID = as_description(OURS)
LABELS = [
    {}, THEIRS, {STACK: ""}, {STACK: "8cpu-16gb"}, OURS | {EXPIRES: "soon"}, {EXPIRES: OURS[EXPIRES]}, OURS,
    {"goog-k8s-cluster-name": "gke-cluster-control-plane-1a2b3c4"},
]  # fmt: skip
NEARLY = st.sampled_from(LABELS) | st.dictionaries(
    st.sampled_from([STACK, COMMIT, EXPIRES, "owner"]), st.sampled_from(["", "8cpu-16gb", OURS[EXPIRES]])
)
DESCRIPTIONS = (
    NEARLY.map(as_description)
    | st.sampled_from(["", "do not delete", SAID, f"{SAID} (a copy)", f"see {SAID}"])
    | st.text(max_size=30)
)
NAMES = st.sampled_from(["gke-network-vpc-1a2b3c4", "default", "shapebench-x-nodes", "prod", "gke-network"])


@st.composite
def projects(draw):
    """Resources that a project may hold: of stacks, nearly of stacks, and of others."""
    resources = {}
    for index in range(draw(st.integers(0, 6))):
        make = draw(
            st.sampled_from(
                [
                    google_resources.cluster,
                    google_resources.disk,
                    google_resources.bucket,
                ]
            )
        )
        resources |= make(f"thing-{index}", draw(NEARLY))
    resources |= google_resources.created_by_gke(
        draw(NAMES), draw(st.sampled_from(["gke-cluster-control-plane-1a2b3c4", "theirs"]))
    )
    for name in draw(st.sets(NAMES, max_size=3)):
        resources[f"{google_resources.COMPUTE}/global/networks/{name}"] = {
            "name": name,
            "description": draw(DESCRIPTIONS),
        }
        email = f"{name}@{PROJECT}.iam.gserviceaccount.com"
        resources[f"{google_resources.ACCOUNTS}/{email}"] = {"email": email, "description": draw(DESCRIPTIONS)}
    return resources


def has_stack_labels(resource: dict) -> bool:
    """The rule, independent of the code: a stack's labels, or a description of nothing else and a stack's name."""
    found = resource.get("resourceLabels") or resource.get("labels") or {}
    if "description" in resource:
        words = (resource["description"] or "").split(" ")
        found = dict(word.split("=", 1) for word in words if word.count("=") == 1)
        if not resource.get("email", resource.get("name")).startswith(("gke-network-vpc-", "shapebench-")):
            return False
        if set(found) - {STACK, COMMIT, EXPIRES} or len(found) != len(words):
            return False
    return bool(found.get(STACK)) and found.get(EXPIRES) == OURS[EXPIRES]


def is_in_a_stacks_network(path: str, resources: dict) -> bool:
    """Whether its name is one that GKE gives for a stack's cluster, and its network carries a stack's labels."""
    resource = resources[path.replace("/instanceGroupManagers/", "/instanceGroups/")]
    links = [resource.get("network"), *(interface["network"] for interface in resource.get("networkInterfaces", []))]
    networks = [
        resources.get(f"{google_resources.COMPUTE}/global/networks/{str(link).rpartition('/')[2]}") for link in links
    ]
    return resource["name"].startswith("gke-gke-cluster-") and any(
        network and has_stack_labels(network) for network in networks
    )


@settings(max_examples=60)
@given(resources=projects())
def test_only_resources_with_a_stacks_labels_are_ever_deleted(resources):
    cloud = GoogleStandIn(resources=dict(resources))
    with serving(cloud) as keys:
        google = GoogleClient(access_to(keys))
        found = leftovers(inventory(google, PROJECT, lambda _: None), NOW)
        list(Remover(google, lambda _: None).remove(found))
    deleted_along = {each for path in cloud.deleted for each in resources[path].get("deletes_along", ())}
    assert all(has_stack_labels(resources[path]) or is_in_a_stacks_network(path, resources) for path in cloud.deleted)
    assert set(cloud.resources) == set(resources) - set(cloud.deleted) - deleted_along


@given(document=st.dictionaries(st.sampled_from(["labels", "resourceLabels", "description"]),
                                st.one_of(st.none(), st.integers(), st.text(), st.lists(st.text()), NEARLY)),
       kind=st.sampled_from(KINDS))  # fmt: skip
def test_no_answer_of_google_gets_labels_by_accident_or_raises(document, kind):
    found = CloudResource(kind, "gke-network-vpc-1", "global", "p", document)
    assert found.labels == {} or (found.labels[STACK] and EXPIRES in found.labels)
    assert found.created_at is None
