# What Runtime.load does with a text, and where the runtime has keys: apart from what everybody has.
from ..errors import LoadError


# source: the path of a file, whose bytes are taken where they lie: only in memory-mapped flash they have such a place;
# or an image's name.
def load(runtime, source):
    try:
        file = open(source, "rb")
    except OSError:
        if "/" in source:
            raise
        from .images import Images

        return Images().load(runtime, source)
    with file:
        try:
            place = memoryview(file)
        except TypeError:
            raise LoadError(
                "%s is not in flash that can be executed: put it in a ROM partition (vfs.VfsRom), or give the "
                "address it was flashed to" % source
            )
    return runtime.load(place)


def check(runtime, base, size, limit, name):
    from .trust import check

    check(runtime, base, size, limit, name)
