"""How many loops are around each node of a graph, and its strongly connected parts."""

from __future__ import annotations

from insitu.aot.dominators import Dominators

Graph = dict[int, list[int]]


def depths(graph: Graph, start: int) -> dict[int, int]:
    """For what a node leads to, the number of loops that it is in.

    A loop is what leads back to a node that all ways to it come through, without that node; or a strongly connected
    part that has no such node.
    """
    over = Dominators(graph, start)
    found = dict.fromkeys(over.order, 0)
    bodies = []
    for head in over.order:
        back = [node for node in over.before[head] if over.common(head, node) == head]
        if back:
            bodies.append(_body(head, back, over.before))
    parts = ({node for node in part if node in found} for part in connected(graph))
    several = [part for part in parts if len(part) > 1 and not any(part <= body for body in bodies)]
    for body in bodies + several:
        for node in body:
            found[node] += 1
    return found


def _body(head: int, back: list[int], before: dict[int, list[int]]) -> set[int]:
    """A loop's nodes. back: those that lead to its head from inside."""
    found, pending = {head}, back
    while pending:
        node = pending.pop()
        if node not in found:
            found.add(node)
            pending += before[node]
    return found


def cycles(graph: Graph) -> list[list[int]]:
    """The strongly connected parts whose nodes lead back to themselves."""
    return [part for part in connected(graph) if len(part) > 1 or part[0] in graph[part[0]]]


def connected(graph: Graph) -> list[list[int]]:
    """The strongly connected parts of a graph, by Tarjan's algorithm, without recursion."""
    index: dict[int, int] = {}
    low: dict[int, int] = {}
    stack: list[int] = []
    on_stack: set[int] = set()
    found = []
    for root in graph:
        if root in index:
            continue
        work = [(root, iter(graph[root]))]
        index[root] = low[root] = len(index)
        stack.append(root)
        on_stack.add(root)
        while work:
            node, ways = work[-1]
            for to in ways:
                if to not in index:
                    index[to] = low[to] = len(index)
                    stack.append(to)
                    on_stack.add(to)
                    work.append((to, iter(graph[to])))
                    break
                if to in on_stack:
                    low[node] = min(low[node], index[to])
            else:
                work.pop()
                if work:
                    low[work[-1][0]] = min(low[work[-1][0]], low[node])
                if low[node] == index[node]:
                    at = stack.index(node)
                    found.append(stack[at:])
                    on_stack.difference_update(stack[at:])
                    del stack[at:]
    return found
