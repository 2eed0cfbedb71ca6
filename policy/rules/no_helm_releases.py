"""No Helm release: the resources that it creates pass by this pack."""

from collections.abc import Iterator

from policy.resource import Resource


def check(resource: Resource) -> Iterator[str]:
    if resource.package == "kubernetes" and ":helm.sh/" in resource.kind and resource.type_name == "Release":
        yield (
            "Helm creates its resources outside of Pulumi, so no rule sees them and no preview shows them; use"
            " kubernetes.helm.v4.Chart, which makes each a resource of the stack"
        )
