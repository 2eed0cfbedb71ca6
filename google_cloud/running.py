"""What a stack that is up holds of the project's quotas already, as Google lists its cluster."""

from collections.abc import Callable
from dataclasses import replace

from google_cloud.access import Access, NoCredentialsError
from google_cloud.inventory import Found, clusters, node_pools
from google_cloud.preflight import Wanted
from google_cloud.rest import CloudError, Google
from stacks.labels import label_value
from stacks.quota_needs import added, needs


def beyond_running(wanted: Wanted, access: Access, connect: Callable[[Access], Google] = Google) -> Wanted:
    """What is wanted beyond what the stack's clusters in the region have; all of it where none is up.

    A stack that is up has its service accounts, too. Where Google does not say, all is wanted: whoever asks next for
    what is missing is told the same, with the command that mends it.
    """
    if access.project is None:
        return wanted
    try:
        of_stack = [each for each in clusters(connect(access), access.project) if _is_of(each, wanted)]
        pools = [pool for each in of_stack for pool in node_pools(each.document)]
    except (CloudError, NoCredentialsError, KeyError, TypeError, ValueError):
        return wanted
    return replace(wanted, needs=added(wanted.needs, needs(*pools)), accounts=()) if of_stack else wanted


def _is_of(cluster: Found, wanted: Wanted) -> bool:
    region = {cluster.location, cluster.location.rpartition("-")[0]}
    return cluster.stack == label_value(wanted.stack) and wanted.region in region
