"""What is known of a stack before it is created: its prices, and how long it takes to create, update and destroy."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from analysis.pricing.stack_cost import kept_cost, load_cost
from loadtest.run.saved_model import uploaded_bytes_of
from stacks.explain import SettingsError
from stacks.files import load_config, settings_in
from sweep.fleet import Expected, LastingError
from sweep.pulumi_fleet.stack_file import config_in_sweep
from tools.pins import ROOT


@dataclass(frozen=True)
class _Times:
    create_s: float
    update_s: float
    destroy_s: float


# `local`: measured with two cores, ResNet50 and the embedded server (docs/adr/0058); the first export takes as long
# again. `kubernetes`: the pod loads its image and the model, within the ten minutes of docs/serving-in-a-cluster.md.
# `gke`: the estimates of docs/gke-quick-start.md, 20 minutes to create and as many to destroy; to update, the pods are
# replaced one after the other, each with its termination grace and start.
_TIMES = {
    "local": _Times(create_s=40, update_s=20, destroy_s=10),
    "kubernetes": _Times(create_s=120, update_s=90, destroy_s=60),
    "gke": _Times(create_s=1200, update_s=120, destroy_s=1200),
}
# To delete a node pool and to make another one of as many nodes. An estimate.
_REPLACE_NODES_S = 300


def expected_of(stack: str, config: Mapping[str, Any] | None = None) -> Expected:
    """Known from the stack's configuration and the dated prices of the checkout; raises LastingError for a wrong one.

    `config` is that of a stack whose file is not written yet. On `local` and `kubernetes` nothing is billed by the
    stack: the machines are there already.
    """
    try:
        settings = settings_in(config_in_sweep(load_config(stack) if config is None else config))
        uploaded_bytes = uploaded_bytes_of(settings, ROOT)
    except SettingsError as error:
        raise LastingError(
            f"the file of the stack {stack} is wrong, so this command created nothing: {error}"
        ) from None
    times = _TIMES[settings.platform]
    serving = kept_cost(settings.platform, settings.node_shape(stack), settings.region, uploaded_bytes)
    billed: float | None = 0.0
    if settings.platform == "gke":
        test = load_cost(settings.load_shape, settings.region)
        known = serving.hourly is not None and test.hourly is not None
        billed = (serving.hourly or 0) + (test.hourly or 0) if known else None
    # At most: candidates of one block have the same nodes, but a race measures few of them one after the other.
    update_s = times.update_s + (_REPLACE_NODES_S if settings.fresh_nodes else 0)
    return Expected(serving.hourly, billed, times.create_s, update_s, times.destroy_s, settings.fresh_nodes)
