"""
Who listens to a client, and tells them what happens.

A listener is a guest: what it raises is logged, and stops nothing. Nothing is kept here.
"""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable

logger = logging.getLogger("reports_async")


class Hub:
    """The listeners of a client or a pool."""

    def __init__(self) -> None:
        self._listeners: dict[object, Callable[[Any, Any], object]] = {}

    def listen(self, listener: Callable[[Any, Any], object]) -> Callable[[], None]:
        """Add a listener; it is called with each event from now on, until what is returned is."""
        # One listener may be added more than once: each time leaves by itself.
        added = object()
        self._listeners = {**self._listeners, added: listener}

        def leave() -> None:
            # Another dictionary: a listener may leave while all are told.
            self._listeners = {key: one for key, one in self._listeners.items() if key is not added}

        return leave

    def tell(self, job: object, event: object) -> None:
        """Tell an event of a job; of None where it is the whole account's."""
        for listener in self._listeners.values():
            try:
                listener(job, event)
            except Exception:
                logger.exception("A listener failed at %r", event)

    def __repr__(self) -> str:
        return f"<Hub of {len(self._listeners)} listeners>"
