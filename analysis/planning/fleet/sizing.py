"""How many nodes a load needs: whole nodes, with headroom, and enough of them without the largest zone."""

import math
from bisect import bisect_left
from collections.abc import Callable
from dataclasses import dataclass, field

# A fleet that is this large has a known capacity, or none worth planning.
_MOST_NODES = 1 << 16


class NoFleetError(ValueError):
    """No number of nodes carries the load; the message is a clause that says why."""


@dataclass(frozen=True)
class Sizing:
    """The fleets of one variant. A plan and the curve of bills both use it, so that they agree.

    `node_rps` is the load that one node certainly carries, spread as in its run. `relative(nodes)` is the capacity per
    node of so many nodes as a multiple of that; None where the load is spread as in the run. The load is carried with
    `headroom`, as a share of it, and without headroom when the largest of `zones` zones is lost.
    """

    node_rps: float
    relative: Callable[[int], float] | None = None
    headroom: float = 0.0
    zones: int = 1
    _known: dict[int, float] = field(default_factory=dict, repr=False, compare=False)

    def capacity_rps(self, nodes: int) -> float:
        """The highest load at which all nodes meet the objective; it grows with the nodes.

        Between powers of two it is interpolated, because each is simulated.
        """
        if nodes <= 0 or self.relative is None:
            return nodes * self.node_rps
        below = 1 << (nodes.bit_length() - 1)
        low_rps = self._at_power(below)
        if nodes == below:
            return low_rps
        return low_rps + (self._at_power(2 * below) - low_rps) * (nodes - below) / below

    def most_rps(self, nodes: int) -> float:
        """The highest load that so many nodes carry, with its headroom and without its largest zone."""
        whole_rps = self.capacity_rps(nodes) / (1 + self.headroom)
        return (
            whole_rps if self.zones == 1 else min(whole_rps, self.capacity_rps(nodes - lost_nodes(nodes, self.zones)))
        )

    def nodes_for(self, rps: float) -> int:
        """The smallest fleet that carries a load. Raises NoFleetError."""
        enough = 1 << max(0, math.ceil(math.log2(rps / self.node_rps)))
        # Capacities of other sizes may be simulated, so the search begins where the size is expected.
        while enough > 1 and self.most_rps(enough // 2) >= rps:
            enough //= 2
        while enough <= _MOST_NODES and self.most_rps(enough) < rps:
            enough *= 2
        if enough > _MOST_NODES:
            raise NoFleetError(f"even {_MOST_NODES:,} nodes are not enough for {rps:g} requests/s; plan for less")
        below = enough // 2
        return below + 1 + bisect_left(range(below + 1, enough + 1), rps, key=self.most_rps)

    def _at_power(self, nodes: int) -> float:
        assert self.relative is not None
        if nodes not in self._known:
            self._known[nodes] = nodes * self.node_rps * self.relative(nodes)
        return self._known[nodes]


def lost_nodes(nodes: int, zones: int) -> int:
    """The nodes of the largest zone: GKE spreads the nodes of a pool evenly over its zones."""
    return math.ceil(nodes / zones)
