"""Whether a run needs a fresh deployment: one that has answered no run before."""

from collections.abc import Sequence

from analysis.results.storage.store import ResultsStore
from analysis.results.storage.store_files import StoreError
from loadtest.result.servers import ServerState, deployment_of
from provider.load_test_inputs import LoadTestInputs
from provider.resource import ResourceError


def must_restart(inputs: LoadTestInputs, servers: Sequence[ServerState]) -> bool:
    """Whether the stack asks for fresh deployments, and these servers answered its newest run, or may have.

    The results store knows that whatever became of the update that measured the run: the state of a load test that
    failed knows no run. Raises ResourceError where the store cannot be read.
    """
    if not inputs.fresh_deployment:
        return False
    try:
        newest = ResultsStore(inputs.results).newest(inputs.stack)
    except StoreError as error:
        raise ResourceError(f"{error}. Nothing was measured") from error
    current = deployment_of(servers)
    return newest is not None and (newest.deployment is None or current is None or newest.deployment == current)
