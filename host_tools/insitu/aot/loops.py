"""How many loops are around each node of a graph, and its strongly connected parts."""

from __future__ import annotations

from collections import defaultdict

Graph = dict[int, list[int]]


def depths(graph: Graph, start: int) -> dict[int, int]:
    """For what a node leads to, the number of loops that it is in.

    A loop is what leads back to a node that all ways to it come through, without that node; or a strongly connected
    part that has no such node.
    """
    order = _order(graph, start)
    before = _before(graph, order)
    above = _above(order, before)
    found = dict.fromkeys(order, 0)
    bodies = []
    for head in order:
        back = [node for node in before[head] if _is_above(head, node, above, order)]
        if back:
            bodies.append(_body(head, back, before))
    parts = ({node for node in part if node in order} for part in connected(graph))
    several = [part for part in parts if len(part) > 1 and not any(part <= body for body in bodies)]
    for body in bodies + several:
        for node in body:
            found[node] += 1
    return found


def _order(graph: Graph, start: int) -> dict[int, int]:
    """Each node that is reached, and its number in reverse postorder."""
    left: list[int] = []
    seen, work = {start}, [(start, iter(graph[start]))]
    while work:
        node, ways = work[-1]
        to = next((to for to in ways if to not in seen), None)
        if to is None:
            left.append(node)
            work.pop()
        else:
            seen.add(to)
            work.append((to, iter(graph[to])))
    return {node: i for i, node in enumerate(reversed(left))}


def _before(graph: Graph, order: dict[int, int]) -> defaultdict[int, list[int]]:
    found = defaultdict(list)
    for node in order:
        for to in dict.fromkeys(graph[node]):
            found[to].append(node)
    return found


def _above(order: dict[int, int], before: dict[int, list[int]]) -> dict[int, int]:
    """For each node, the nearest one that all ways to it come through (Cooper, Harvey and Kennedy's algorithm)."""
    start, *others = order
    found = {start: start}
    changed = True
    while changed:
        changed = False
        for node in others:
            nearest, *more = (way for way in before[node] if way in found)
            for way in more:
                while nearest != way:
                    if order[nearest] > order[way]:
                        nearest = found[nearest]
                    else:
                        way = found[way]
            if found.get(node) != nearest:
                found[node], changed = nearest, True
    return found


def _is_above(one: int, node: int, above: dict[int, int], order: dict[int, int]) -> bool:
    """Whether all ways to a node come through one."""
    while order[node] > order[one]:
        node = above[node]
    return node == one


def _body(head: int, back: list[int], before: dict[int, list[int]]) -> set[int]:
    """A loop's nodes. back: those that lead to its head from inside."""
    found, pending = {head}, back
    while pending:
        node = pending.pop()
        if node not in found:
            found.add(node)
            pending += before[node]
    return found


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
