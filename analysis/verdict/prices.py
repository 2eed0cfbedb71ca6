"""Runs at another price of their machines than the one on demand that they were stored with."""

from analysis.pricing import ON_DEMAND, Usage
from analysis.pricing.cost import why_unpriced
from analysis.pricing.stack_cost import kept_cost, uploaded_bytes_in
from analysis.results.schema.manifest import Cost, Manifest


def at_price(manifest: Manifest, usage: Usage) -> Manifest:
    """The run with the cost of its shape where the machines are bought in this way.

    The price of a run on demand is that of its day, as it is stored; others are of the newest list in the checkout.
    """
    if usage == ON_DEMAND:
        return manifest
    stored = manifest.cost
    cost = kept_cost(manifest.platform, manifest.shape, stored.region, uploaded_bytes_in(stored), usage=usage)
    return manifest.model_copy(update={"cost": cost})


def why_not_priced(cost: Cost, usage: Usage) -> str:
    """Why a run without a price is not ranked, and what helps."""
    if usage == ON_DEMAND:
        helps = "its cost is not known; `shapebench price --refresh` gets prices for further runs"
    else:
        helps = f"its cost at {usage} prices is not known; `shapebench price --refresh` gets today's prices"
    return f"{why_unpriced(cost)}, so {helps}"


def price_sentences(usage: Usage, prices_as_of: str | None) -> tuple[str, ...]:
    """What ranking by this price leaves out, without the full stop; nothing on demand."""
    if usage == ON_DEMAND:
        return ()
    of = f" of {prices_as_of}" if prices_as_of else ""
    said = (
        f"The nodes are priced at {usage} prices{of}, all else on demand, and no interruption is counted: Google takes"
        " such nodes back when it needs them, no stack has any, and no run measured which capacity and which requests"
        " that costs"
    )
    return (said,)
