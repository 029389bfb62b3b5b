"""
Walmart's On-request Reports API on your own machine, and clocks that make its hours short.

For tests of programs that use `reports_async`, and of clients in any language.
"""

from ._clocks import LoopClock, ScaledClock
from ._dispatch import SimulatedCall
from ._ledger import SimulatedRequest
from ._replies import Reply
from ._rules import Rules
from ._server import SimulatorServer
from ._simulator import Simulator
from ._transport import SimulatorTransport

__all__ = [
    "LoopClock",
    "Reply",
    "Rules",
    "ScaledClock",
    "SimulatedCall",
    "SimulatedRequest",
    "Simulator",
    "SimulatorServer",
    "SimulatorTransport",
]
