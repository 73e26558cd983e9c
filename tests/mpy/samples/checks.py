# What the samples' functions give; f: functions.py, a: an assembler file, e: emitted.py.
import gc
from array import array


def results(f, a, e):
    data = array("i", range(100))
    out = [f.total(data, 100), f.unsigned(0x12345678, 3), f.through_globals(data, 50), f.objects([], {})]
    log = []
    out.append([f.tries(3, log), f.tries(0, log), log])
    out.append([f.defaults(1), f.defaults(1, 2, 3, 4, c=5, d=6, e=7)])
    g = f.count(3)
    out.append([next(g), g.send("sent"), next(g), list(g)])
    g = f.count(3)
    next(g)
    try:
        g.close()
    except RuntimeError as error:
        out.append(repr(error))
    add = f.adder(10)
    gc.collect()
    out.append([add(1), add(2), f.adder(5)(1)])
    fs = f.bytecode_adder(100)
    gc.collect()
    out.append([fs[0](1), fs[1](2), fs[2](3), fs[3]()])
    out.append([f.viper_outer("ab")[0], f.viper_outer(3)[1](4)])
    p = f.Point(5)
    out.append([p.scaled(), p.scaled(by=4), p.add(7), f.Point.low(0x12345678), p.double, p.deep(20)])
    f.LIMIT = 3
    out.append(f.through_globals(data, 50))
    f.set_limit(7)
    out.append([f.plain(5), f.LIMIT, a.asm_sum(1, 2, 3), a.asm_uint(0)])
    try:
        f.raises(4)
    except ValueError as error:
        out.append(repr(error))
    try:
        f.total(data)
    except TypeError as error:
        out.append(repr(error))
    written = bytearray(6)
    f.writes(written, 6)
    out.append(bytes(written))
    out.append([e.SQUARES, e.scaled(4), e.scaled(2, 5), e.Holder().squares()])
    return out
