"""All rules of the pack. A new one is a module here, a line below and a fixture in tests/unit/policy/fixtures."""

from policy.rules import (
    exact_images,
    fixed_serving_pool,
    labels_and_expiry,
    no_default_service_account,
    no_public_endpoint,
    private_nodes,
    requests_and_limits,
    shape_matches_stack,
    workload_identity,
)

RULES = tuple(
    module.RULE
    for module in (
        private_nodes,
        no_public_endpoint,
        workload_identity,
        no_default_service_account,
        labels_and_expiry,
        requests_and_limits,
        exact_images,
        fixed_serving_pool,
        shape_matches_stack,
    )
)
