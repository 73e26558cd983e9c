# Ports of MicroPython whose flash cannot be executed by the address that data is read from: how sys.platform begins
# there, and why.
REFUSED = {
    "esp": "flash is read and executed at different addresses on this port",
    "nrf": "this port takes the addresses of machine code for addresses of RAM",  # MICROPY_MAKE_POINTER_CALLABLE
}
