"""Which process of this machine listens where the load goes, so that a restart during a test is noticed."""

from urllib.parse import urlsplit

import psutil

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


def reasons_against_listener(before: ProcessIdentity | None, after: ProcessIdentity | None) -> tuple[str, ...]:
    """Whether another process answers afterwards; one that is gone has its own reason among those of the load test."""
    if before is None or after is None or before == after:
        return ()
    return (
        f"the server restarted during the test: process {before.pid} listened before it and process {after.pid} after",
    )
