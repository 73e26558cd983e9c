"""insitu, the host side: WebAssembly to images that microcontrollers execute in place."""

from insitu import _micropython, _port

_micropython.install()
_port.install()
