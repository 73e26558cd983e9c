# Globals and tables as Python has them.
from .. import platform
from ..errors import OutOfHeap
from ..store import table, variables
from ..store.growth import count_of, grow_table
from ..xip.layout import TABLE_TYPE
from ..xip.raw import add
from .handles import Handle
from .lock import locked
from .values import load, store


class Global(Handle):
    # letter of TYPE_STRING, + 256 if mutable
    @property
    def type(self):
        return variables.global_type(self.instance.alive().module, self.index)

    def _slot(self):
        base = self.instance.alive().runtime.base
        return platform.view(add(base, variables.global_offset(self.instance, self.index)), 8)

    @property
    def value(self):
        return load(self.instance.runtime, chr(self.type & 255), self._slot(), 0)

    @value.setter
    def value(self, value):
        if not self.type & 256:
            raise TypeError("the global is not mutable")
        runtime, letter = self.instance.runtime, chr(self.type & 255)
        locked(runtime, store, runtime, letter, self._slot(), 0, value, "the value")
        if letter == "x":
            runtime.release_references()


class Table(Handle):
    # "p": of funcref, "x": of externref
    @property
    def type(self):
        return chr(table.table_word(self.instance.alive().module, self.index, TABLE_TYPE))

    def __len__(self):
        return table.length(self.instance.alive(), self.index)

    def _check(self, i):
        if not 0 <= i < len(self):
            raise IndexError("entry %d: the table has %d" % (i, len(self)))

    def __getitem__(self, i):
        self._check(i)
        words = table.get_words(self.instance, self.index, i)
        return self.instance.runtime.reference_value(self.type, words)

    def __setitem__(self, i, value):
        self._check(i)
        runtime = self.instance.runtime
        locked(runtime, self._put, i, value)
        runtime.release_references()

    def _put(self, i, value):
        words = self.instance.runtime.reference_words(self.type, value, "the entry")
        table.put_words(self.instance, self.index, i, words)

    # Entries before.
    def grow(self, count, value=None):
        old = locked(self.instance.alive().runtime, self._grow, count_of(count, "entries"), value)
        if old < 0:
            raise OutOfHeap("the table cannot grow by %d entries: its limit, or the global heap's" % count)
        return old

    def _grow(self, count, value):
        words = self.instance.runtime.reference_words(self.type, value, "the entry")
        return grow_table(self.instance, self.index, count, words)
