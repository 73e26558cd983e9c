# Compiled with -X emit=native: the module's own body is machine code, too.
SQUARES = [i * i for i in range(5)]


def scaled(n, m=3):
    return sum(x * m for x in range(n))


class Holder:
    def squares(self):
        return SQUARES
