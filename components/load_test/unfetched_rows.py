"""UnfetchedRows: fetches, in a destroy, the rows that an interrupted load test left in the cluster."""

from dataclasses import dataclass, fields

import pulumi

from components.load_test.cluster import ClusterLoadTestArgs
from components.plugin_resource import PluginResource


@dataclass(kw_only=True)
class UnfetchedRowsArgs:
    """The fields of the load test's arguments that say where its rows may be, and where they belong."""

    kubeconfig: pulumi.Input[str] | None
    """The kubeconfig of the cluster, which is secret. None for the user's own kubeconfig, which is not stored."""
    context: str | None
    namespace: pulumi.Input[str]
    stack: str
    results: str
    work_dir: str

    @classmethod
    def of(cls, args: ClusterLoadTestArgs) -> "UnfetchedRowsArgs":
        """Those of this load test."""
        values = {field.name: getattr(args, field.name) for field in fields(cls)}
        return cls(
            **values | {"kubeconfig": None if args.kubeconfig is None else pulumi.Output.secret(args.kubeconfig)}
        )


class UnfetchedRows(PluginResource[UnfetchedRowsArgs]):
    """Created before the load test and deleted after it, so that the state has it whenever a test may run.

    Its rows are in the pods of the server's namespace, so it depends on the server and is deleted before it.
    """

    pulumi_type = "shapebench:kubernetes:UnfetchedRows"
