# Images in a board's flash, by name and version: docs/update.md has how they lie there, and what a power cut leaves.
#
# Each unit of 32 bytes is programmed once between two erases: all that any flash takes (STM32H7 programs so many at a
# time, with check bits). The host sends this file, too (insitu/flash/store.py), so at its top it imports nothing of the
# package. flash, whose functions are the board's, has
#   PLACE: first address for images, bytes of it, bytes that are erased at a time
#   view(address, size): what is there
#   and where a program may write it: free(), buffer, PAGE, erase(address), program(address, start, end), as
#   insitu/flash/device.py has them
import struct
from binascii import crc32

from micropython import const

_UNIT = const(32)
_BLANK = b"\xff" * 32
_SET = bytes(32)  # of a mark; one bit of it is enough

# Segment: whole blocks, erased together. Its first unit and its last say so; in between images follow each other.
_SEGMENT = "<4sHHI16x"  # magic, 1, blocks, number of the first one; then, as in all of these, a CRC
_SEGMENT_MAGIC = b"INSS"
# Image: record (2 units), marks (a unit each), data.
_RECORD = "<4sIIIBB2x40s"  # magic, sequence, bytes of data, version, starts on trial, bytes of the name, name
_RECORD_MAGIC = b"INSR"
_RECORD_SIZE = const(64)
_WHOLE = "<4sII16x"  # magic, sequence, CRC of the data
_WHOLE_MAGIC = b"INSW"
_WHOLE_AT = const(64)
_CONFIRMED_AT = const(96)
_REMOVED_AT = const(128)
_STARTS_AT = const(160)
MOST_NAME = 40  # bytes
MOST_STARTS = 16
MOST_BLOCKS = const(65535)

# Of xip/layout.py, which is not there where the host sends this alone.
_IMAGE_MAGIC = 0x58534E49
_IMAGE_SIZE_AT = const(16)
_IMAGE_CRC_AT = const(20)
_IMAGE_SIZE_INVERTED_AT = const(36)


def _sealed(fields):
    return fields + struct.pack("<I", crc32(fields))


# The fields of what was written with _sealed, None: it is something else, or torn.
def _opened(form, magic, data):
    data = bytes(data)
    if data[:4] == magic and struct.pack("<I", crc32(data[:-4])) == data[-4:]:
        return struct.unpack(form, data[:-4])


def _padded(size):
    return size + _UNIT - 1 & -_UNIT


# Bytes of the image at the start of data, None: there is none.
def image_size(data):
    if len(data) >= _IMAGE_SIZE_INVERTED_AT + 4:
        magic, size = struct.unpack_from("<I", data)[0], struct.unpack_from("<I", data, _IMAGE_SIZE_AT)[0]
        if magic == _IMAGE_MAGIC and size ^ struct.unpack_from("<I", data, _IMAGE_SIZE_INVERTED_AT)[0] == 0xFFFFFFFF:
            return size


class Image:
    # at: address of its record, which has these fields
    def __init__(self, view, at, fields):
        self.view = view
        self.at = at
        _, self.sequence, self.size, self.version, self.starts, length, name = fields
        self.name = str(name[:length], "utf-8")
        self.address = at + _STARTS_AT + _UNIT * self.starts
        self.end = self.address + _padded(self.size)

    def marked(self, place):
        return bytes(self.view(self.at + place, _UNIT)) != _BLANK

    def removed(self):
        return self.marked(_REMOVED_AT)

    def confirmed(self):
        return not self.starts or self.marked(_CONFIRMED_AT)

    # Of a trial: starts that have not been.
    def left(self):
        marks = range(_STARTS_AT, _STARTS_AT + _UNIT * self.starts, _UNIT)
        return sum([1 for place in marks if not self.marked(place)])

    # CRC of the data once all of it was there, None: that was not yet.
    def committed(self):
        fields = _opened(_WHOLE, _WHOLE_MAGIC, self.view(self.at + _WHOLE_AT, _UNIT))
        if fields and fields[1] == self.sequence:
            return fields[2]

    def whole(self):
        crc = self.committed()
        return crc is not None and crc == crc32(self.view(self.address, self.size))


class Images:
    loaded = []  # modules of images: in use until they are unloaded
    started = []  # addresses of images that were loaded since the board's reset
    writer = None  # the one that writes; one at a time

    # flash: None: the board's own
    def __init__(self, flash=None):
        if flash is None:
            from . import flash
        self.flash = flash
        self.view = flash.view
        self.start, size, self.block = flash.PLACE
        self.count = min(size // self.block, MOST_BLOCKS)

    # --- what is there ---

    # First block, blocks and what it is of each piece that is in use: 1 a segment; 0 what was to be one, or is about to
    # be erased; 2 an image that was flashed without a name, which is at the start of all.
    def segments(self):
        block = 0
        while block < self.count:
            blocks, kind = self._segment(block)
            if blocks:
                yield block, blocks, kind
            block += blocks or 1

    def _segment(self, block):
        at = self.start + block * self.block
        head = bytes(self.view(at, _UNIT))
        fields = _opened(_SEGMENT, _SEGMENT_MAGIC, head)
        if fields and fields[3] == block and 0 < fields[2] <= self.count - block:
            return fields[2], int(bytes(self.view(at + fields[2] * self.block - _UNIT, _UNIT)) == head)
        if not block:
            size = image_size(bytes(self.view(at, 64)))
            if size and size <= self.count * self.block:
                return -(-size // self.block), 2
        return 0, 0

    # The images of a segment, in the order in which they lie there; the last thing is the address behind them.
    def _in_segment(self, block, blocks):
        at = self.start + block * self.block + _UNIT
        end = self.start + (block + blocks) * self.block - _UNIT
        while at + _STARTS_AT <= end:
            fields = _opened(_RECORD, _RECORD_MAGIC, self.view(at, _RECORD_SIZE))
            if not fields:
                break
            image = Image(self.view, at, fields)
            if image.end > end:
                break
            yield image
            at = image.end
        yield at

    # Every image that has a record, whole or not. first: only of segments that begin in so many first ones.
    def records(self, first=MOST_BLOCKS):
        for block, blocks, kind in self.segments():
            if kind == 1 and block < first:
                for image in self._in_segment(block, blocks):
                    if isinstance(image, Image):
                        yield image

    # Those that are there, in the order in which load tries those of one name; name: only those; first: see records.
    def found(self, name=None, first=MOST_BLOCKS):
        images = [i for i in self.records(first) if name in (None, i.name) and not i.removed() and i.whole()]
        return sorted(images, key=lambda i: (self._may_start(i), i.sequence), reverse=True)

    def _may_start(self, image):
        return image.confirmed() or image.left() > 0 or image.address in self.started

    # images: all of a name, as found has them. Those that somebody may want: the one that load takes, and the one to go
    # back to from it; and the others.
    def _sorted_out(self, images):
        back = [i for i in images[1:] if i.confirmed()][:1]
        return images[:1] + back, [i for i in images[1:] if i not in back]

    # Of each image: name, version, address, bytes, and what it is.
    def rows(self):
        said, images = [], self.found()
        for image in images:
            kept, _ = self._sorted_out([i for i in images if i.name == image.name])
            if not self._may_start(image):
                state = "failed"
            elif not image.confirmed():
                state = "on trial, %d starts left" % image.left()
            else:
                state = "current" if image is kept[0] else "previous" if image is kept[-1] else "old"
            said.append((image.name, image.version, image.address, image.size, state))
        if self._segment(0)[1] == 2:
            said.append(("", 0, self.start, image_size(bytes(self.view(self.start, 64))), "flashed without a name"))
        return said

    # --- use ---

    # The module of the newest image of that name that is whole, may start, and that the runtime takes.
    def load(self, runtime, name):
        from ..errors import LoadError

        why = "there is no file and no image in flash that is called " + name
        for image in self.found(name):
            try:
                module = runtime.load(image.address, name)
            except LoadError as error:
                why = str(error)
                continue
            if image.address not in self.started:
                self._count_start(image)
                self.started.append(image.address)
            self.loaded[:] = [m for m in self.loaded if m.base] + [module]
            return module
        raise LoadError(why)

    # Where the program cannot write flash nothing is counted: there the host writes images, and nothing goes wrong.
    def _count_start(self, image):
        if not image.confirmed() and image.left() and hasattr(self.flash, "program"):
            self._put(image.address - _UNIT * image.left(), _SET)

    # The image of that name that runs since the last reset is good: it stays.
    def confirm(self, name):
        for image in self.found(name):
            if image.address in self.started:
                if not image.confirmed():
                    self._put(image.at + _CONFIRMED_AT, _SET)
                return
        raise OSError("%s was not loaded since the last reset" % name)

    # version: only that one. The one that load takes goes last.
    def remove(self, name, version=None):
        if not name and self._segment(0)[1] == 2:
            self._writable().erase(self.start)
            return
        images = [i for i in self.found(name) if version in (None, i.version)]
        if not images:
            raise OSError("there is no image %s%s" % (name, "" if version is None else " of version %d" % version))
        self._remove(images)

    def _remove(self, images):
        for image in reversed(images):
            self._put(image.at + _REMOVED_AT, _SET)

    # --- writing ---

    # What takes the data of a new image, in pieces. version: None: one more than the newest has. starts: so often it
    # may be started before confirm(); then the one before it is taken again; 0: it is good.
    def begin(self, name, size, version=None, starts=0):
        if not 0 < len(name.encode()) <= MOST_NAME:
            raise ValueError("a name has 1 to %d bytes" % MOST_NAME)
        if not 0 <= starts <= MOST_STARTS:
            raise ValueError("starts on trial are from 0 to %d" % MOST_STARTS)
        if self._writable().free()[0] > self.start:
            raise OSError("the firmware reaches into the place for images")
        sequence, last = 1, 0
        for image in self.records():
            sequence = max(sequence, image.sequence + 1)
            if image.name == name and not image.removed():
                last = max(last, image.version)
        Images.writer = None
        needs = _STARTS_AT + _UNIT * starts + _padded(size)
        at = self._room(needs)
        if at is None:
            self._remove(self._spare(name))
            at = self._room(needs)
        if at is None:
            raise OSError("no room in flash for %d bytes: remove an image, or restart where one is in use" % size)
        raw = name.encode()
        fields = (_RECORD_MAGIC, sequence, size, last + 1 if version is None else version, starts, len(raw), raw)
        self._put(at, _sealed(struct.pack(_RECORD, *fields)))
        Images.writer = Writer(self, Image(self.view, at, fields))
        return Images.writer

    # Images of that name without which load takes the same one, and there is one to go back to from a newer one.
    def _spare(self, name):
        kept, others = self._sorted_out(self.found(name))
        return kept[1:] + others if kept and kept[0].confirmed() else others

    def _writable(self):
        if not hasattr(self.flash, "program"):
            raise OSError("flash of this board is not written by its own program")
        return self.flash

    # Address of so many blank bytes in a segment, None: there is no room.
    def _room(self, needs):
        for block, blocks, kind in self.segments():
            if kind == 1:
                *_, at = self._in_segment(block, blocks)
                if at + needs <= self.start + (block + blocks) * self.block - _UNIT and self._is_blank(at, needs):
                    return at
        blocks = -(-(needs + 2 * _UNIT) // self.block)
        used, after = self._used()
        for i in range(self.count):
            block = (after + i) % self.count
            if block + blocks <= self.count and not any(used[block : block + blocks]):
                return self._make_segment(block, blocks)

    def _is_blank(self, at, size):
        return all([bytes(self.view(at + i, _UNIT)) == _BLANK for i in range(0, size, _UNIT)])

    # Of each block whether it must stay; and the one behind the newest segment: from there on blocks are taken in turn,
    # which wears them alike.
    def _used(self):
        used, newest, after = bytearray(self.count), 0, 0
        for block, blocks, kind in self.segments():
            stays = kind == 2
            for image in self._in_segment(block, blocks) if kind == 1 else ():
                if isinstance(image, Image):
                    stays = stays or self._stays(image)
                    if image.sequence > newest:
                        newest, after = image.sequence, block + blocks
            if stays:
                used[block : block + blocks] = b"\1" * blocks
        return used, after

    def _stays(self, image):
        if image.committed() is not None and not image.removed():
            return True
        return any([m.base == image.address for m in self._in_use()])

    # By name, and by address of the runtime that was made last.
    def _in_use(self):
        try:
            from ..alive import latest
        except ImportError:  # the host has sent this alone
            return self.loaded
        return self.loaded + (latest[0].modules if latest[0] else [])

    # What was there is erased from its end on: as long as a segment's first block is there nothing else in it is taken
    # for one, and without its last unit it is none.
    def _make_segment(self, block, blocks):
        erased = set()
        for first, size, _ in list(self.segments()):
            if first < block + blocks and block < first + size:
                for i in range(first + size - 1, first - 1, -1):
                    self.flash.erase(self.start + i * self.block)
                    erased.add(i)
        for i in range(block, block + blocks):
            if i not in erased:
                self.flash.erase(self.start + i * self.block)
        at = self.start + block * self.block
        head = _sealed(struct.pack(_SEGMENT, _SEGMENT_MAGIC, 1, blocks, block))
        self._put(at, head)
        self._put(at + blocks * self.block - _UNIT, head)
        return at + _UNIT

    # Whole units. What is programmed at once may be more than that: a page, of which the rest stays as it is.
    def _put(self, address, data):
        flash = self._writable()
        buffer, page, done = flash.buffer, flash.PAGE, 0
        window = min(len(buffer), self.block)
        while done < len(data):
            first = (address + done - self.start) % window
            base = address + done - first
            last = min(window, first + len(data) - done)
            low, high = first // page * page, -(-last // page) * page
            if high - low > last - first:
                buffer[low:high] = self.view(base + low, high - low)
            buffer[first:last] = data[done : done + last - first]
            flash.program(base, low, high)
            done += last - first


class Writer:
    def __init__(self, images, image):
        self.images = images
        self.image = image
        self.version = image.version
        self.address = image.address
        self.written = 0
        self.rest = b""

    # Any number of bytes.
    def write(self, data):
        if self.images.writer is not self:
            raise OSError("another image was begun since")
        data = self.rest + bytes(data)
        if self.written + len(data) > self.image.size:
            raise OSError("the image has %d bytes, and more are written" % self.image.size)
        whole = len(data) & -_UNIT
        self.images._put(self.address + self.written, data[:whole])
        self.written += whole
        self.rest = data[whole:]

    # All is there: from now on it is the newest of its name. Older ones that nobody goes back to are removed.
    def end(self):
        image, images = self.image, self.images
        if self.written + len(self.rest) != image.size:
            raise OSError("%d bytes of %d were written" % (self.written + len(self.rest), image.size))
        if self.rest:
            images._put(self.address + self.written, self.rest + _BLANK[len(self.rest) :])
        data = images.view(image.address, image.size)
        size = image_size(bytes(images.view(image.address, 64)))
        if size is None or size > image.size:
            raise OSError("what was written is no image")
        body = images.view(image.address + _IMAGE_CRC_AT + 4, size - _IMAGE_CRC_AT - 4)
        if struct.pack("<I", crc32(body)) != bytes(images.view(image.address + _IMAGE_CRC_AT, 4)):
            raise OSError("what was written is a damaged image")
        mark = struct.pack(_WHOLE, _WHOLE_MAGIC, image.sequence, crc32(data))
        images._put(image.at + _WHOLE_AT, _sealed(mark))
        Images.writer = None
        images._remove(images._sorted_out(images.found(image.name))[1])
