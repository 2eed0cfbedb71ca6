"""Which process of this machine listens where the load goes, so that a restart during a test is noticed."""

from urllib.parse import urlsplit

import psutil

from loadtest.result.validity.servers import NO_SERVERS, Servers, ServerState
from provider.resources.server_process import ProcessIdentity


def listener(url: str) -> ProcessIdentity | None:
    """The process that listens on the port of `url`; None where there is none, or it cannot be seen."""
    port = urlsplit(url if "//" in url else f"//{url}").port
    try:
        listening = psutil.net_connections("tcp")
    except psutil.AccessDenied:
        return None
    pids = {at.pid for at in listening if at.status == psutil.CONN_LISTEN and at.laddr and at.laddr.port == port}
    pid = next((pid for pid in sorted(filter(None, pids))), None)
    return ProcessIdentity.of(pid) if pid else None


def servers(before: ProcessIdentity | None, after: ProcessIdentity | None) -> Servers:
    """For the checks of validity; where one cannot be seen nothing is known, and a server that is gone is a check."""
    if before is None or after is None:
        return NO_SERVERS
    return Servers(
        1, *((ServerState(f"process {each.pid}", f"{each.pid} {each.started}"),) for each in (before, after))
    )
