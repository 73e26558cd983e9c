"""How many loops are around each node of a graph: strongly connected parts, and those in them without their entry."""

from __future__ import annotations

Graph = dict[int, list[int]]


def depths(graph: Graph) -> dict[int, int]:
    """Node to the number of loops that it is in."""
    found = dict.fromkeys(graph, 0)
    pending = [graph]
    while pending:
        part = pending.pop()
        for members in connected(part):
            if len(members) > 1 or members[0] in part[members[0]]:
                inside = set(members)
                for node in members:
                    found[node] += 1
                entry = _entry(part, inside)
                inside.remove(entry)
                pending.append({node: [to for to in part[node] if to in inside] for node in members if node != entry})
    return found


def _entry(graph: Graph, inside: set[int]) -> int:
    """Where most ways from outside come in, the first of them; the first node where none do."""
    counts = dict.fromkeys(sorted(inside), 0)
    for node, ways in graph.items():
        if node not in inside:
            for to in ways:
                if to in counts:
                    counts[to] += 1
    return max(counts, key=lambda node: (counts[node], -node))


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
