"""Finds out that this machine cannot reach Google, before Pulumi's Google provider waits for minutes and says nothing.

Whenever the provider is configured, for a preview too, it asks who its credentials belong to. It only logs the answer,
but repeats the question for five minutes while there is no network: docs/google-cloud-facts.md, "Without a network".
"""

import os
import socket
import threading
from collections.abc import Mapping
from urllib.parse import urlsplit

from google_cloud.access import access_of

# The first is the one that is asked. Where a firewall lets only the other one through, an update is slow, but works.
_HOSTS = ("openidconnect.googleapis.com", "compute.googleapis.com")
_LIMIT_S = 5.0
# Nothing listens at this port, so the question fails at once, and such a failure is not repeated.
REFUSING_PROXY = "HTTPS_PROXY=http://127.0.0.1:1"


def why_google_is_out_of_reach(google: Mapping[str, str]) -> str | None:
    """Why the stack is refused; None where Google answers, or where the provider would not wait for it.

    `google` are the stack's `gcp:*` keys. Whoever sets endpoints has a network in which Google's names prove nothing.
    """
    if access_of(google).endpoints or _any_answers(_addresses()):
        return None
    return (
        f"{_HOSTS[0]} does not answer within {_LIMIT_S:g} s, so this machine seems to be offline, and this stack is"
        " neither previewed nor changed: Pulumi's Google provider would ask there who its credentials belong to, and"
        " repeat that for five minutes or more before each preview and update; connect to the internet. A preview works"
        f" without: set {REFUSING_PROXY} for it, by which the question fails at once"
    )


def _addresses() -> list[tuple[str, int]]:
    """What a request to Google connects to: the proxy, if there is one."""
    # As Go reads them, in which the provider is written.
    proxy = os.environ.get("HTTPS_PROXY") or os.environ.get("https_proxy") or ""
    url = urlsplit(proxy if "://" in proxy else f"http://{proxy}")
    if url.hostname:
        return [(url.hostname, url.port or (443 if url.scheme == "https" else 80))]
    return [(host, 443) for host in _HOSTS]


def _any_answers(addresses: list[tuple[str, int]]) -> bool:
    answered = threading.Event()
    for address in addresses:
        # A look-up of a name cannot be given a limit, so it may outlive this function, but not the program.
        threading.Thread(target=_connect, args=(address, answered), daemon=True).start()
    return answered.wait(_LIMIT_S)


def _connect(address: tuple[str, int], answered: threading.Event) -> None:
    """Only what the provider would repeat is no answer: time-outs, and names that cannot be looked up for now."""
    try:
        socket.create_connection(address, timeout=_LIMIT_S).close()
    except TimeoutError:
        return
    except socket.gaierror as error:
        if error.errno != socket.EAI_NONAME:
            return
    except OSError:
        pass
    answered.set()
