"""What all ways from a graph's first node to another come through."""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING, Generic, TypeVar

if TYPE_CHECKING:
    from collections.abc import Hashable, Iterable, Mapping

Node = TypeVar("Node", bound="Hashable")


class Dominators(Generic[Node]):
    """Of the nodes that the first one leads to.

    Attributes:
        order: each node, but in a loop behind those that lead to it, and its number.
        before: for each node those that lead to it.
        nearest: for each node the nearest that all ways to it come through; the first one's is itself.
    """

    def __init__(self, next_: Mapping[Node, Iterable[Node]], first: Node) -> None:
        self.order: dict[Node, int] = _order(next_, first)
        self.before: defaultdict[Node, list[Node]] = defaultdict(list)
        for node in self.order:
            for to in dict.fromkeys(next_[node]):
                self.before[to].append(node)
        self.nearest: dict[Node, Node] = {first: first}
        self._find()

    def _find(self) -> None:
        """Cooper, Harvey, Kennedy: A Simple, Fast Dominance Algorithm, figure 3."""
        _, *others = self.order
        changed = True
        while changed:
            changed = False
            for node in others:
                nearest, *more = (way for way in self.before[node] if way in self.nearest)
                for way in more:
                    nearest = self.common(nearest, way)
                changed |= self.nearest.get(node) != nearest
                self.nearest[node] = nearest

    def common(self, a: Node, b: Node) -> Node:
        """The nearest node that all ways to either come through."""
        while a != b:
            while self.order[a] > self.order[b]:
                a = self.nearest[a]
            while self.order[b] > self.order[a]:
                b = self.nearest[b]
        return a


def _order(next_: Mapping[Node, Iterable[Node]], first: Node) -> dict[Node, int]:
    seen, done, open_ = {first}, [], [(first, iter(next_[first]))]
    while open_:
        node, ways = open_[-1]
        to = next((to for to in ways if to not in seen), None)
        if to is None:
            done.append(node)
            open_.pop()
        else:
            seen.add(to)
            open_.append((to, iter(next_[to])))
    return {node: i for i, node in enumerate(reversed(done))}
