"""The inputs that name a cluster, and the server's pods in it."""

from collections.abc import Mapping
from typing import Annotated

from pydantic import Field

from provider.resource import ResourceInputs


class NamespaceInputs(ResourceInputs):
    """The kubeconfig's text, whose current context is used; without one, the user's own and its context `context`."""

    kubeconfig: Annotated[str | None, Field(repr=False)] = None
    context: str | None = None
    namespace: str


class ClusterInputs(NamespaceInputs):
    """A namespace of a cluster, and the server's pods in it."""

    selector: Mapping[str, str]
    replicas: int
