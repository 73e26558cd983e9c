# How the global heap lies in its buffer. Constants only: they are folded into the code that uses them.
#
# The buffer is counted in units (8 bytes up to 512 KiB; 16 up to 1 MiB, and so on, so that a unit's number
# fits in 16 bits). A block is known by the unit u of its payload; its header is the word before it:
#   bits 0 free, 1 previous block is free, 2..17 units to the next block's payload, 18..31 check
# The check is a sum over the other bits and u, so a smashed header, an address inside a block and an address
# from elsewhere do not pass. A free block also has its links, next | previous << 16, in its first payload
# word and its size in units in its last. No two free blocks are neighbours. The last header is a sentinel
# of size 0. Control words, from the start of the buffer (aligned to 8):
#   0 end (the sentinel's unit) | (log2(unit) - 2) << 16    1 used bytes    2 peak    3 number of blocks
#   4, 5 one bit for each list that is not empty            6.. 16-bit heads of the lists of class 2, 3 ..
# Class of n units: n below 8, then four classes to each power of two.
from micropython import const

# offsets of control words
USED = const(4)
PEAK = const(8)
BLOCKS = const(12)
BITS = const(16)
CONTROL = const(24)  # bytes before the heads
HEADS = const(10)  # head of class c: 16-bit word HEADS + c
TRIES = const(4)  # blocks of the size's own class that are looked at

# What is wrong with a block. A fault is -(unit << 3 | what).
SMASHED = const(1)
FREED = const(2)
FOREIGN = const(3)
LISTS = const(4)
