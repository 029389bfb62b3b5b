"""One of the downloads that go on at the same time: its place among them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from attrs import define, field

if TYPE_CHECKING:
    from anyio import CapacityLimiter


@define(eq=False)
class Slot:
    """
    A place in *slots*, taken and left by hand.

    It is not waited for without need: who waits for a call budget or a pause would keep others
    from it, and a link that waits for it ages.
    """

    _slots: CapacityLimiter
    _taken: bool = field(default=False, init=False)

    async def take(self) -> None:
        """Wait for the place; who has it keeps it."""
        if not self._taken:
            await self._slots.acquire_on_behalf_of(self)
            self._taken = True

    def leave(self) -> None:
        """Let another have it; who has none need not."""
        if self._taken:
            self._taken = False
            self._slots.release_on_behalf_of(self)
