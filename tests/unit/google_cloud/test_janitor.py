"""The janitor: it finds what is left over, removes it in an order that works, and never what is not ours."""

from datetime import timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from google_cloud.inventory import Found, inventory, labels_of
from google_cloud.kinds import KINDS
from google_cloud.leftovers import Why, leftovers
from google_cloud.removal import Remover
from google_cloud.rest import CloudError
from stacks.labels import COMMIT, EXPIRES, STACK, as_description, stack_labels
from tests.support.google_stand_in import PROJECT, GoogleStandIn, RefusedError, serving
from tests.unit.components.gke.gke_program import record_stack
from tests.unit.google_cloud import things
from tests.unit.google_cloud.conftest import access_to, connect
from tests.unit.google_cloud.things import DAY, NOW, labels

THEIRS = {"owner": "somebody", "goog-terraform-provisioned": "true"}


@pytest.fixture
def google(access):
    return connect(access)


@pytest.fixture
def left(cloud, google):
    """What is left over: its name, and why."""
    return lambda: {each.found.name: each.why for each in leftovers(inventory(google, PROJECT, print), NOW)}


@pytest.fixture
def remove(cloud, google):
    """Remove all; what failed, by name."""

    def all_of_it() -> dict[str, str]:
        found = leftovers(inventory(google, PROJECT, print), NOW)
        done = Remover(google, print).remove(found)
        return {each.leftover.found.name: each.failure for each in done if each.failure is not None}

    return all_of_it


def test_an_expired_stack_is_removed_whole_and_in_an_order_that_works(cloud, left, remove):
    cloud.things = things.whole_stack("8cpu-16gb", -DAY)
    assert set(left().values()) == {Why.expired}
    assert remove() == {}
    assert cloud.things == {}


def test_a_stack_whose_lease_goes_on_is_left_alone(cloud, left):
    cloud.things = things.whole_stack("8cpu-16gb", DAY)
    assert left() == {}


def test_what_a_killed_update_was_making_is_left_over_although_its_lease_goes_on(cloud, google):
    mine = "gke-cluster-control-plane-1a2b3c4"
    cloud.things = things.whole_stack("8cpu-16gb", DAY) | things.cluster(mine, labels(left=DAY), "PROVISIONING")
    found = leftovers(inventory(google, PROJECT, print), NOW, {mine})
    assert [(each.found.name, each.why, each.removable) for each in found] == [(mine, Why.interrupted, True)]


def test_a_service_account_is_known_by_the_first_part_of_its_address(cloud, google):
    cloud.things = things.account("shapebench-nodes-0a1b2c3", labels(left=DAY))
    (found,) = leftovers(inventory(google, PROJECT, print), NOW, {"shapebench-nodes-0a1b2c3"})
    assert found.why == Why.interrupted


def test_a_name_alone_does_not_make_a_thing_ours(cloud, google):
    cloud.things = things.cluster("gke-cluster-control-plane-1a2b3c4", THEIRS)
    assert leftovers(inventory(google, PROJECT, print), NOW, {"gke-cluster-control-plane-1a2b3c4"}) == []


def test_of_two_stacks_only_the_expired_one_is_left_over(cloud, remove):
    lives = things.whole_stack("2cpu-4gb", DAY)
    cloud.things = lives | things.whole_stack("8cpu-16gb", -DAY)
    assert remove() == {}
    assert cloud.things == lives


def test_a_network_with_its_first_expiry_stays_while_a_renewed_cluster_lives(cloud, left):
    cloud.things = things.network(labels(left=-DAY)) | things.cluster("c", labels(left=DAY))
    assert left() == {}


@pytest.mark.parametrize(
    "name", ["default", "copy-of-gke-network-vpc-1a2b3c4", "gke-network", "their-shapebench-account"]
)
def test_our_description_under_another_name_is_not_ours(cloud, left, name):
    said = {"name": name, "description": as_description(labels()), "creationTimestamp": things.when(5 * DAY)}
    cloud.things = {f"{things.COMPUTE}/global/networks/{name}": said} | things.account(name, labels())
    assert left() == {}


@pytest.mark.parametrize("status", ["PROVISIONING", "STOPPING", "RECONCILING"])
def test_what_somebody_is_at_work_on_is_left_alone(cloud, left, status):
    cloud.things = things.network(labels()) | things.cluster("c", labels(), status)
    assert left() == {}


def test_what_a_gone_cluster_left_is_orphaned_though_its_lease_goes_on(cloud, left):
    cloud.things = things.network(labels(left=DAY)) | things.disk("d", labels(left=DAY))
    assert set(left().values()) == {Why.orphaned}
    assert len(left()) == 4


def test_what_is_young_waits_for_its_cluster(cloud, left):
    cloud.things = things.network(labels(left=DAY), creationTimestamp=things.when(timedelta(hours=1)))
    assert left() == {}


def test_an_account_does_not_say_its_age_and_is_not_orphaned(cloud, left):
    cloud.things = things.account("shapebench-8cpu-16gb-nodes", labels(left=DAY))
    assert left() == {}


def test_a_disk_or_an_address_in_use_is_left_alone(cloud, left):
    cloud.things = things.disk("d", labels(), users=["a-node"]) | things.address("a", labels(), "IN_USE")
    assert left() == {}


def test_the_volume_of_a_gone_cluster_is_shown_and_never_removed(cloud, left, remove):
    of_gke = {"goog-k8s-cluster-name": "gke-cluster-control-plane-1a2b3c4"}
    cloud.things = things.disk("pvc-1", of_gke)
    assert left() == {"pvc-1": Why.volume}
    assert remove() == {"pvc-1": "it carries no label of ours"}
    assert "pvc-1" in repr(cloud.things)


def test_the_volume_of_a_cluster_that_is_there_is_not_shown(cloud, left):
    name = "gke-cluster-control-plane-1a2b3c4"
    cloud.things = things.disk("pvc-1", {"goog-k8s-cluster-name": name}) | things.cluster(name, labels(left=DAY))
    assert left() == {}


def test_the_volume_of_somebody_else_s_cluster_is_not_shown(cloud, left):
    cloud.things = things.disk("pvc-1", {"goog-k8s-cluster-name": "their-cluster"})
    assert left() == {}


def test_what_was_renewed_after_it_was_listed_is_not_removed(cloud, google):
    cloud.things = things.cluster("c", labels())
    found = leftovers(inventory(google, PROJECT, print), NOW)
    cloud.things = things.cluster("c", labels(left=DAY))
    (done,) = Remover(google, print).remove(found)
    assert "labels have changed" in done.failure
    assert cloud.deleted == []


def test_what_is_gone_by_the_time_it_is_removed_is_removed(cloud, google):
    cloud.things = things.cluster("c", labels())
    found = leftovers(inventory(google, PROJECT, print), NOW)
    cloud.things = {}
    (done,) = Remover(google, print).remove(found)
    assert done.failure is None


def test_what_is_in_use_by_somebody_else_fails_and_the_rest_goes(cloud, remove):
    cloud.things = things.network(labels()) | things.disk("d", labels())
    vpc = next(path for path in cloud.things if "/networks/" in path)
    cloud.things["compute/projects/acme/global/firewalls/theirs"] = {"name": "theirs", "holds": [vpc]}
    failed = remove()
    assert list(failed) == ["gke-network-vpc-1a2b3c4"]
    assert "already being used by" in failed["gke-network-vpc-1a2b3c4"]
    assert set(cloud.things) == {vpc, "compute/projects/acme/global/firewalls/theirs"}


@pytest.mark.parametrize(
    ("thing", "error"),
    [
        (things.cluster("c", labels()), {"message": "nodes are stuck"}),
        (things.disk("c", labels()), {"errors": [{"code": "X", "message": "nodes are stuck"}]}),
    ],
    ids=["container", "compute"],
)
def test_a_deletion_that_fails_at_its_end_is_a_failure(cloud, remove, thing, error):
    cloud.things, cloud.operation_error, cloud.looks = dict(thing), error, 3
    assert remove() == {"c": "nodes are stuck"}


def test_zones_whose_clusters_are_unknown_end_it(cloud, google):
    cloud.answers_first = [(200, b'{"clusters": [], "missingZones": ["us-central1-b"]}')]
    with pytest.raises(CloudError, match="us-central1-b"):
        inventory(google, PROJECT, print)


def test_zones_that_do_not_answer_are_named(cloud, google):
    cloud.answers_first = [(200, b"{}"), (200, b'{"items": {}, "unreachables": ["zones/us-east1-b"]}')]
    assert inventory(google, PROJECT, print).unheard == ("us-east1-b",)


@pytest.mark.parametrize("content", [b'{"items": []}', b'{"items": {"zones/z": {"disks": "many"}}}',
                                     b'{"items": {"zones/z": {"disks": [{"labels": {}}]}}}'])  # fmt: skip
def test_a_list_in_another_form_ends_it_and_nothing_is_taken_for_gone(cloud, google, content):
    cloud.answers_first = [(200, b"{}"), (200, b"{}"), (200, b"{}"), (200, content)]
    with pytest.raises(CloudError):
        inventory(google, PROJECT, print)


@pytest.mark.parametrize("code", [403, 500])
def test_a_list_that_is_refused_ends_it(cloud, google, code):
    cloud.answers_first = [(200, b"{}"), *[(code, None)] * 5]
    with pytest.raises(CloudError):
        inventory(google, PROJECT, print)


def test_everything_that_a_stack_makes_is_found_by_what_it_carries():
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


def test_what_gke_left_in_an_expired_stacks_network_goes_with_it(cloud, left, remove):
    cloud.things = things.network(labels()) | things.made_by_gke(VPC)
    assert len(left()) == 3 + 4
    assert set(left().values()) == {Why.expired}
    assert remove() == {}
    assert cloud.things == {}


def test_what_gke_made_for_a_cluster_that_is_there_is_the_clusters(cloud, left):
    cloud.things = things.network(labels()) | things.made_by_gke(VPC) | things.cluster("c", labels(), network=VPC)
    assert not any(name.startswith("gke-gke-cluster-") for name in left())


@pytest.mark.parametrize("its_labels", [labels(left=DAY), THEIRS], ids=["a lease that goes on", "not ours"])
def test_what_gke_made_is_left_alone_in_a_network_that_is(cloud, left, its_labels):
    """The lease goes on because the stack has a cluster, though that is in another network."""
    alive = things.cluster("c", labels(left=DAY))
    cloud.things = things.network(its_labels) | things.made_by_gke(VPC) | alive
    assert left() == {}


@pytest.mark.parametrize("name", ["theirs", "gke-their-cluster-0123abcd-vms", "gke-gke-cluster-control-plane-1a2b3c4"])
def test_what_somebody_put_into_our_network_is_left_alone(cloud, remove, name):
    theirs = {}
    for path, thing in things.made_by_gke(VPC).items():
        place = path.rpartition("/")[0]
        theirs[f"{place}/{name}"] = {key: value for key, value in thing.items() if key != "takes"} | {"name": name}
    machine = next(thing for path, thing in theirs.items() if "/instances/" in path)
    machine["labels"] = {"goog-k8s-cluster-name": "their-cluster"}
    cloud.things = things.network(labels()) | theirs
    assert list(remove()) == [VPC]
    assert set(theirs) < set(cloud.things)


def test_what_the_project_grants_an_account_of_ours_is_taken_back_and_nothing_else(cloud, remove):
    nodes = f"serviceAccount:shapebench-8cpu-16gb-nodes@{PROJECT}.iam.gserviceaccount.com"
    theirs = {"role": "roles/viewer", "members": ["user:a@example.org"], "condition": {"title": "until noon"}}
    cloud.things = things.account("shapebench-8cpu-16gb-nodes", labels())
    cloud.policy["bindings"] = [
        {"role": "roles/logging.logWriter", "members": [nodes, "user:b@example.org"]},
        {"role": "roles/monitoring.viewer", "members": [nodes]},
        theirs,
    ]
    assert remove() == {}
    assert cloud.things == {}
    assert cloud.policy["bindings"] == [
        {"role": "roles/logging.logWriter", "members": ["user:b@example.org"]},
        theirs,
    ]


def test_a_policy_that_somebody_changed_meanwhile_is_not_overwritten_and_the_account_stays(cloud, remove, monkeypatch):
    email = f"shapebench-8cpu-16gb-nodes@{PROJECT}.iam.gserviceaccount.com"
    cloud.things = things.account("shapebench-8cpu-16gb-nodes", labels())
    cloud.policy["bindings"] = [{"role": "roles/viewer", "members": [f"serviceAccount:{email}"]}]
    monkeypatch.setattr(cloud, "_policy", lambda _: cloud.policy | {"etag": "of an hour ago"})
    assert "concurrent policy changes" in remove()[email]
    assert len(cloud.things) == 1


def test_grants_to_an_account_that_is_gone_are_shown_and_never_removed(cloud, left, remove):
    gone = f"deleted:serviceAccount:shapebench-8cpu-16gb-nodes@{PROJECT}.iam.gserviceaccount.com?uid=123"
    others = [f"deleted:serviceAccount:other@{PROJECT}.iam.gserviceaccount.com?uid=1", "user:shapebench-a@x.org"]
    cloud.policy["bindings"] = [{"role": "roles/viewer", "members": [gone, *others]}]
    before = dict(cloud.policy)
    assert left() == {gone: Why.grant}
    assert remove() == {gone: "it carries no label of ours"}
    assert cloud.policy == before


def test_a_policy_that_may_not_be_read_is_said_and_the_rest_still_looked_at(cloud, google, monkeypatch):
    def refuse(_: object) -> None:
        raise RefusedError(403, "no")

    monkeypatch.setattr(cloud, "_policy", refuse)
    cloud.things = things.disk("d", labels())
    listed = inventory(google, PROJECT, print)
    assert listed.unheard == ("the project's policy",)
    assert [each.name for each in listed.things] == ["d"]


def test_what_was_moved_to_another_network_since_it_was_listed_stays(cloud, google):
    cloud.things = things.network(labels()) | things.made_by_gke(VPC)
    found = [each for each in leftovers(inventory(google, PROJECT, print), NOW) if each.found.network]
    for thing in cloud.things.values():
        if "networkInterfaces" in thing or "network" in thing:
            thing |= {"network": "x/global/networks/default", "networkInterfaces": [{"network": "default"}]}
    assert {each.failure for each in Remover(google, print).remove(found)} == {
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
    """What somebody's project may hold: things of ours, nearly of ours, and of others."""
    held = {}
    for index in range(draw(st.integers(0, 6))):
        make = draw(
            st.sampled_from([things.cluster, things.disk, things.address, things.forwarding_rule, things.bucket])
        )
        held |= make(f"thing-{index}", draw(NEARLY))
    held |= things.made_by_gke(draw(NAMES), draw(st.sampled_from(["gke-cluster-control-plane-1a2b3c4", "theirs"])))
    for name in draw(st.sets(NAMES, max_size=3)):
        held[f"{things.COMPUTE}/global/networks/{name}"] = {"name": name, "description": draw(DESCRIPTIONS)}
        email = f"{name}@{PROJECT}.iam.gserviceaccount.com"
        held[f"{things.ACCOUNTS}/{email}"] = {"email": email, "description": draw(DESCRIPTIONS)}
    return held


def carries_ours(thing: dict) -> bool:
    """The rule in other words than the code's: our labels, or under a name of ours a description of nothing else."""
    said = thing.get("resourceLabels") or thing.get("labels") or {}
    if "description" in thing:
        words = (thing["description"] or "").split(" ")
        said = dict(word.split("=", 1) for word in words if word.count("=") == 1)
        if not thing.get("email", thing.get("name")).startswith(("gke-network-vpc-", "shapebench-")):
            return False
        if set(said) - {STACK, COMMIT, EXPIRES} or len(said) != len(words):
            return False
    return bool(said.get(STACK)) and said.get(EXPIRES) == OURS[EXPIRES]


def is_of_a_network_of_ours(path: str, held: dict) -> bool:
    """Named as what GKE makes for our clusters, and in a network that carries our labels."""
    thing = held[path.replace("/instanceGroupManagers/", "/instanceGroups/")]
    links = [thing.get("network"), *(card["network"] for card in thing.get("networkInterfaces", []))]
    networks = [held.get(f"{things.COMPUTE}/global/networks/{str(link).rpartition('/')[2]}") for link in links]
    return thing["name"].startswith("gke-gke-cluster-") and any(each and carries_ours(each) for each in networks)


@settings(max_examples=60, deadline=None)
@given(held=projects())
def test_whatever_is_there_only_what_carries_our_labels_is_ever_deleted(held):
    cloud = GoogleStandIn(things=dict(held))
    with serving(cloud) as keys:
        google = connect(access_to(keys))
        found = leftovers(inventory(google, PROJECT, lambda _: None), NOW)
        list(Remover(google, lambda _: None).remove(found))
    taken = {each for path in cloud.deleted for each in held[path].get("takes", ())}
    assert all(carries_ours(held[path]) or is_of_a_network_of_ours(path, held) for path in cloud.deleted)
    assert set(cloud.things) == set(held) - set(cloud.deleted) - taken


@given(document=st.dictionaries(st.sampled_from(["labels", "resourceLabels", "description"]),
                                st.one_of(st.none(), st.integers(), st.text(), st.lists(st.text()), NEARLY)),
       kind=st.sampled_from(KINDS))  # fmt: skip
def test_no_answer_of_google_s_is_ours_by_accident_or_breaks_the_reading(document, kind):
    found = Found(kind, "gke-network-vpc-1", "global", "p", document)
    assert found.labels == {} or (found.labels[STACK] and EXPIRES in found.labels)
    assert found.made_at is None
