"""A place of a labgrid board farm: labgrid locks it, turns it on, and says where its serial port is.

labgrid (LGPL-2.1-or-later) is no part of insitu: it is installed by the extra of that name, and used as its own command
and by its Python interface. LG_COORDINATOR says where the farm is, as it does for labgrid-client.
"""

from __future__ import annotations

import contextlib
import importlib.util
import subprocess
import sys
from collections.abc import Iterator

from insitu.errors import InsituError

_SCHEMES = {"raw": "socket", "rfc2217": "rfc2217"}  # of the protocols that labgrid has for serial ports


@contextlib.contextmanager
def place(name: str) -> Iterator[str]:
    """The serial port, see Link, of the place called name, which is nobody else's until the end.

    Raises InsituError with what labgrid says where the place is not to be had, or has no serial port.
    """
    if importlib.util.find_spec("labgrid") is None:
        raise InsituError("labgrid is not installed: pip install insitu[labgrid]")
    _client(name, "acquire")
    try:
        yield _port(name)
    finally:
        _client(name, "release")


def _client(name: str, *words: str) -> None:
    """labgrid-client with these words for the place."""
    command = (sys.executable, "-m", "labgrid.remote.client", "-p", name, *words)
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        said = (done.stderr.strip() or f"status {done.returncode}").splitlines()[-1].rpartition("Error: ")[2]
        raise InsituError(f"labgrid, {words[0]} {name}: {said}")


def _port(name: str) -> str:
    """Of a place that is ours; its power is turned on if the farm can."""
    from labgrid import Target
    from labgrid.exceptions import NoResourceFoundError
    from labgrid.resource import NetworkSerialPort, RemotePlace
    from labgrid.resource.remote import RemotePlaceManager
    from labgrid.util.proxy import proxymanager

    manager = RemotePlaceManager.get()
    if manager.session is not None:  # of a place before, which knows nothing of this one's being ours
        manager.loop.run_until_complete(manager.session.sync_with_coordinator())
    target = Target(name)
    RemotePlace(target, name=name)
    if any(type(resource).__name__.endswith(("PowerPort", "PDUDaemonPort")) for resource in target.resources):
        _client(name, "power", "on")
    try:
        serial = target.get_resource(NetworkSerialPort)
    except NoResourceFoundError as error:  # none, or several
        raise InsituError(f"labgrid, {name}: {error}") from None
    host, port = proxymanager.get_host_and_port(serial)
    return f"{_SCHEMES[serial.protocol]}://{host}:{port}"
