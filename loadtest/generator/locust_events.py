"""Locust's events, with types."""

from collections.abc import Callable

from locust.event import EventHook


def listen(event: EventHook, handler: Callable[..., None]) -> None:
    """Have `handler` called with the event's own arguments."""
    event.add_listener(handler)  # type: ignore[no-untyped-call]  # Locust leaves it without types
