# Ports of MicroPython whose flash cannot be executed by the address that data is read from: how sys.platform begins
# there, and why.
REFUSED = {
    "esp": "flash is read and executed at different addresses on this port",
    # From 1.26 on MICROPY_MAKE_POINTER_CALLABLE(p) is p - 0x20000000 + 0x00800000 there. A native function's address is
    # read at and called at, so no other one in its place would do. Images are called at their own addresses.
    "nrf": "this port takes the addresses of machine code for addresses of RAM",
}
