"""What an hour of each run's servers costs, by line item, with the column names of FOCUS 1.2.

So that tools for bills can read it: FinOps-Open-Cost-and-Usage-Spec/FOCUS_Spec on GitHub, specification/columns. It is
no bill, and has no account and no period. Columns that FOCUS does not know begin with `x_`.
"""

from analysis.pricing.cost import hours_of
from analysis.pricing.rules import CLUSTERS, COMPUTE, NETWORK, STORAGE
from analysis.results.schema.manifest import Category, LineItem, Manifest

_SERVICES = {
    Category.serving_nodes: COMPUTE,
    Category.boot_disks: COMPUTE,
    Category.management_fee: CLUSTERS,
    Category.network: NETWORK,
    Category.storage: STORAGE,
}


def focus_rows(manifest: Manifest) -> list[dict[str, object]]:
    """One row for each line item. All prices are list prices on demand; what has none is None, never 0."""
    return [_row(manifest, item) for item in manifest.cost.line_items]


def _row(manifest: Manifest, item: LineItem) -> dict[str, object]:
    return {
        "BillingCurrency": manifest.cost.currency,
        "ChargeDescription": item.name,
        "EffectiveCost": item.hourly,
        "ListCost": item.hourly,
        "ListUnitPrice": item.unit_price,
        "PricingCategory": "Standard",
        "PricingQuantity": item.quantity / hours_of(item.unit),
        "PricingUnit": _plural(item.unit),
        "ProviderName": "Google Cloud",
        "RegionId": manifest.cost.region,
        "ServiceName": _SERVICES.get(item.category),
        "SkuId": item.sku_id,
        "SkuMeter": item.sku,
        "x_Category": item.category.value,
        "x_PricesAsOf": manifest.cost.prices_as_of,
        "x_Reason": item.reason,
        "x_RunId": manifest.run_id,
        "x_Stack": manifest.stack,
    }


def _plural(unit: str) -> str:
    """As FOCUS writes units: `GB-Hours` for GB-hour."""
    thing, _, time = unit.rpartition("-")
    thing = thing.capitalize() if thing.islower() else thing
    return f"{thing}-{time.capitalize()}s" if thing else unit
