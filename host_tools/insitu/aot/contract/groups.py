"""Groups of functions that are followed side by side, in processes, and what one finds out told to the others.

In rounds: each group gets what is new to it, and what it has to tell comes with the next. So it does not matter which
process a group is in. Groups are parts of the code of a size that does not depend on how many cores there are; most
modules are one, followed in this process.
"""

from __future__ import annotations

import os
import pickle
import subprocess
import sys
from contextlib import ExitStack
from typing import TYPE_CHECKING, Any, Self

from insitu.aot.contract.group import Found, Group, News

if TYPE_CHECKING:
    from collections.abc import Iterable

    from insitu.aot.contract.functions import Surroundings

_SIZE = 128 * 1024  # bytes of code in a group; a round of 1 MiB of WebAssembly has eight


def follow(around: Surroundings, news: News) -> Found:
    """What the program's functions are found to be, from these on that are entered. Raises ContractError."""
    own = [range(at, at + _SIZE) for at in range(0, len(around.code), _SIZE)]
    count = min(os.cpu_count() or 1, len(own))
    if len(own) == 1:
        group = Group(around, own[0])
        group.follow(news)
        return group.found()
    with ExitStack() as stack:
        hosts = [Host() if count == 1 else stack.enter_context(_Process()) for _ in range(count)]
        for i, host in enumerate(hosts):
            host.start(pickle.dumps(around), own[i::count])
        _rounds(hosts, own, news)
        for host in hosts:
            host.ask(None)
        return _as_one([host.answer() for host in hosts])


def _as_one(found: list[Found]) -> Found:
    walks = {start: walk for some in found for start, walk in some.walks.items()}
    return Found(dict(sorted(walks.items())), {start for some in found for start in some.whole})


def _rounds(hosts: list[Host], own: list[range], news: News) -> None:
    told = [news]
    while any(told):
        boxes = [_for_group(told, mine) for mine in own]
        for i, host in enumerate(hosts):
            host.ask(boxes[i :: len(hosts)])
        answers = [host.answer() for host in hosts]
        told = [answers[i % len(hosts)][i // len(hosts)] for i in range(len(own))]


def _for_group(told: Iterable[News], own: range) -> News:
    """What is for the functions of a group; that a function returns is for all."""
    return News(
        [start for news in told for start in news.entered if start in own],
        [row for news in told for row in news.passed if row[0] in own],
        [start for news in told for start in news.returning],
    )


class Host:
    """Groups in this process, each with what it knows of the others' functions."""

    def __init__(self) -> None:
        self._groups: list[Group] = []
        self._asked: list[News] | None = None

    def start(self, around: bytes, own: list[range]) -> None:
        """around: Surroundings as a pickle."""
        self._groups = [Group(pickle.loads(around), mine) for mine in own]

    def ask(self, boxes: list[News] | None) -> None:
        """News for each group; None: what was found is wanted."""
        self._asked = boxes

    def answer(self) -> Any:
        """What each group has to tell; or the groups' Found as one. Raises ContractError."""
        if self._asked is not None:
            return [group.follow(news) for group, news in zip(self._groups, self._asked, strict=True)]
        return _as_one([group.found() for group in self._groups])


class _Process(Host):
    """The same in another process, group_child.py."""

    def __enter__(self) -> Self:
        command = [sys.executable, "-m", "insitu.aot.contract.group_child"]
        self._process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        return self

    def __exit__(self, *_: object) -> None:
        self._process.kill()
        self._process.communicate()

    def _send(self, what: object) -> None:
        assert self._process.stdin
        pickle.dump(what, self._process.stdin)
        self._process.stdin.flush()

    def start(self, around: bytes, own: list[range]) -> None:
        self._send((around, own))

    def ask(self, boxes: list[News] | None) -> None:
        self._send(boxes)

    def answer(self) -> Any:
        assert self._process.stdout
        answer = pickle.load(self._process.stdout)
        if isinstance(answer, Exception):
            raise answer
        return answer
