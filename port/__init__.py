# insitu: WebAssembly modules, compiled on the host, executed in place from flash.
from .errors import Error, LinkError, LoadError, OutOfHeap, Trap  # noqa: F401
from .runtime import Runtime  # noqa: F401
