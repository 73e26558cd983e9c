# A firmware as MicroPython ships it: nothing is frozen in.
