"""
Fetch Walmart Marketplace On-request reports with asyncio.

::

    async with ReportsClient(Credentials("id", "secret"), market="mx") as client:
        report = await client.fetch_report("ITEM_MX")
"""

from ._client import ReportsClient
from ._credentials import Credentials
from ._download import Downloads
from ._exceptions import (
    APIError,
    AuthenticationError,
    BadArchive,
    DownloadError,
    ErrorDetail,
    InvalidArgument,
    InvalidRequest,
    JobCancelled,
    LinkExpired,
    RateLimited,
    ReportExpired,
    ReportFailed,
    ReportNotReady,
    ReportsError,
    ReportTimedOut,
    RequestLimitExceeded,
    RequestNotFound,
    ServerError,
    StoreError,
    TransportError,
    TruncatedDownload,
    WebhookError,
)
from ._filters import EnumFilter, Filters, MultiValueFilter, RangeFilter, RowFilter
from ._job import ReportJob
from ._models import (
    DownloadLink,
    JobRecord,
    JobStatus,
    OnLimit,
    Report,
    ReportRequest,
    ReportSpec,
    RequestStatus,
    Timeouts,
)
from ._observed import Listener
from ._opened import ReportStream
from ._pool import ReportsPool
from ._rows import Row
from ._sansio.archive import Limits
from ._sansio.backoff import PollSchedule
from ._sansio.endpoints import Endpoint
from ._sansio.events import (
    Accepted,
    Downloaded,
    Downloading,
    Errored,
    Finished,
    Gone,
    JobEvent,
    LimitOver,
    Linked,
    Linking,
    Progressed,
    Reserved,
    Retrying,
    Stopped,
    Uncertain,
    Waiting,
)
from ._sansio.telemetry import CallEnded, Phase, PhaseEnded, Planned
from ._statistics import Statistics, Waits
from .stores import MemoryStore, SQLiteStore

__all__ = [
    "APIError",
    "Accepted",
    "AuthenticationError",
    "BadArchive",
    "CallEnded",
    "Credentials",
    "DownloadError",
    "DownloadLink",
    "Downloaded",
    "Downloading",
    "Downloads",
    "Endpoint",
    "EnumFilter",
    "ErrorDetail",
    "Errored",
    "Filters",
    "Finished",
    "Gone",
    "InvalidArgument",
    "InvalidRequest",
    "JobCancelled",
    "JobEvent",
    "JobRecord",
    "JobStatus",
    "LimitOver",
    "Limits",
    "LinkExpired",
    "Linked",
    "Linking",
    "Listener",
    "MemoryStore",
    "MultiValueFilter",
    "OnLimit",
    "Phase",
    "PhaseEnded",
    "Planned",
    "PollSchedule",
    "Progressed",
    "RangeFilter",
    "RateLimited",
    "Report",
    "ReportExpired",
    "ReportFailed",
    "ReportJob",
    "ReportNotReady",
    "ReportRequest",
    "ReportSpec",
    "ReportStream",
    "ReportTimedOut",
    "ReportsClient",
    "ReportsError",
    "ReportsPool",
    "RequestLimitExceeded",
    "RequestNotFound",
    "RequestStatus",
    "Reserved",
    "Retrying",
    "Row",
    "RowFilter",
    "SQLiteStore",
    "ServerError",
    "Statistics",
    "Stopped",
    "StoreError",
    "Timeouts",
    "TransportError",
    "TruncatedDownload",
    "Uncertain",
    "Waiting",
    "Waits",
    "WebhookError",
]


def __getattr__(name: str) -> str:
    if name == "__version__":
        from importlib.metadata import version  # noqa: PLC0415 -- slow, and rarely asked for

        return version("reports-async")
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
