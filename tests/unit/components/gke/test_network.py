"""The network: apart, private, and with one way out."""

import ipaddress

from tests.unit.components.gke.gke_program import record_stack


def ranges():
    subnet = record_stack("2cpu-4gb").one("subnetwork:Subnetwork").inputs
    secondary = {each["rangeName"]: each["ipCidrRange"] for each in subnet["secondaryIpRanges"]}
    return {name: ipaddress.ip_network(cidr) for name, cidr in {"nodes": subnet["ipCidrRange"], **secondary}.items()}


def test_the_vpc_has_the_one_subnetwork_that_is_declared():
    recording = record_stack("2cpu-4gb")
    assert recording.one("network:Network", "vpc").inputs["autoCreateSubnetworks"] is False
    assert len(recording.of("subnetwork:Subnetwork")) == 1


def test_ranges_are_private_and_do_not_overlap():
    nodes, pods, services = (ranges()[name] for name in ("nodes", "pods", "services"))
    assert all(network.is_private for network in (nodes, pods, services))
    assert not any(a.overlaps(b) for a, b in ((nodes, pods), (nodes, services), (pods, services)))


def test_the_ranges_have_addresses_for_the_largest_stack():
    pool = record_stack("2cpu-4gb").one("nodePool:NodePool", "serving").inputs
    block = 2 * pool["maxPodsPerNode"]
    assert ranges()["pods"].num_addresses / block >= 64 + 16 + 1
    assert ranges()["nodes"].num_addresses >= 64 + 16 + 1


def test_google_apis_are_reached_without_nat_and_the_internet_through_it():
    recording = record_stack("2cpu-4gb")
    assert recording.one("subnetwork:Subnetwork").inputs["privateIpGoogleAccess"] is True
    nat = recording.one("routerNat:RouterNat").inputs
    assert nat["sourceSubnetworkIpRangesToNat"] == "LIST_OF_SUBNETWORKS"
    assert [each["sourceIpRangesToNats"] for each in nat["subnetworks"]] == [["ALL_IP_RANGES"]]


def test_a_renewed_lease_does_not_replace_the_network():
    recording = record_stack("2cpu-4gb")
    for typ in ("network:Network", "subnetwork:Subnetwork", "router:Router"):
        for each in recording.of(typ):
            if each.typ.startswith("gcp:"):
                assert each.ignore_changes == ("description",)


def test_nat_exists_before_the_nodes_and_until_they_are_deleted():
    recording = record_stack("2cpu-4gb")
    assert recording.one("routerNat:RouterNat").urn in recording.one("cluster:Cluster").depends_on
