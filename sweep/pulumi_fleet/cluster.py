"""Lists the namespaces of a stack that are left in an existing cluster. Imported only where it is used."""

from kubernetes import client
from kubernetes.client.exceptions import ApiException
from urllib3.exceptions import HTTPError

from provider.cluster.api import ClusterError
from provider.cluster.kube_api import message_of
from provider.cluster.kubeconfig import Access, settings_of
from stacks.names import STACK, label_value
from sweep.fleet import FleetError


def left_in_cluster(stack: str, context: str | None) -> list[str]:
    """Each namespace with how to remove it; raises FleetError where the cluster does not list them."""
    selector = f"{STACK}={label_value(stack)}"
    try:
        with client.ApiClient(settings_of(Access(context=context))) as api:
            found = client.CoreV1Api(api).list_namespace(label_selector=selector).items
    except (ApiException, ClusterError, HTTPError, OSError) as error:
        why = message_of(error) if isinstance(error, ApiException) else str(error)
        command = f"kubectl get namespaces --selector {selector}" + (f" --context {context}" if context else "")
        raise FleetError(
            f"the cluster does not list its namespaces ({why}), so it is not known whether something of {stack} is left"
            f" there; correct the cause, then `{command}` lists it"
        ) from error
    names = [namespace.metadata.name for namespace in found if namespace.metadata]
    return [f"namespace {name}: kubectl delete namespace {name}" for name in names]
