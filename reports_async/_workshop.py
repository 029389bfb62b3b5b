"""
`Workshop`: the rooms that a job works with, one for all jobs of a client.

Only a bundle: what is done with them is decided in `_job`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from attrs import frozen

if TYPE_CHECKING:
    from pathlib import Path

    from ._api import Api
    from ._download import Downloader
    from ._link import Links
    from ._models import Timeouts
    from ._poller import Poller
    from ._quota import Gate
    from ._recall import Recall
    from ._submit import Submitter
    from ._tasks import Home, Tasks
    from .abc import Clock


@frozen(kw_only=True)
class Workshop:
    """The rooms that a job works with."""

    api: Api
    gate: Gate
    recall: Recall
    submitter: Submitter
    poller: Poller
    links: Links
    downloader: Downloader
    clock: Clock
    tasks: Tasks
    home: Home
    timeouts: Timeouts
    directory: Path
