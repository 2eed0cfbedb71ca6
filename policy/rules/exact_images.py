"""Every image has an exact version or a digest."""

from collections.abc import Iterator

from policy.pods import container_name, every_container, pod_specs
from policy.resource import UNKNOWN, Resource, at
from stacks.server.images import exact_image


def check(resource: Resource) -> Iterator[str]:
    named = [
        (container_name(each), at(each, "image")) for spec in pod_specs(resource) for each in every_container(spec)
    ]
    if resource.package == "shapebench":
        # The plugin creates the load test's pods, and has their image as an input.
        named += [(key, value) for key, value in resource.inputs.items() if key.endswith("Image") and value is not None]
    for what, image in named:
        if image is not UNKNOWN:
            try:
                exact_image(str(image or ""))
            except ValueError as error:
                yield f"{what}: {error}"
