# NVMC, the flash controller of nRF51 and nRF52, by its registers (nRF51 Series Reference Manual, 6; nRF52840 Product
# Specification, 4.3). The core stalls while flash changes. What is sent before it: flash_controller.py.
_READY, _CONFIG, _ERASEPAGE = 0x4001E400, 0x4001E504, 0x4001E508
_READ, _WRITE, _ERASE = 0, 1, 2


def _ready():
    while not mem32[_READY] & 1:
        pass


def _set(config):
    _ready()
    mem32[_CONFIG] = config


def _erase(address, number, size):
    _set(_ERASE)
    mem32[_ERASEPAGE] = address
    _set(_READ)


def _program(address, start, end):
    _set(_WRITE)
    for at in range(start, end, 4):
        mem32[address + at] = mem32[_source + at]
        _ready()
    _set(_READ)
