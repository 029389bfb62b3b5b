"""
A request made earlier, by its id: what the store remembers of it, or else what the server tells.

Nothing is requested anew; how it is waited for is decided in `_job`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from ._exceptions import RequestNotFound
from ._sansio import endings

if TYPE_CHECKING:
    from ._api import Api
    from ._models import JobRecord
    from ._quota import Gate


async def recall(api: Api, gate: Gate, request_id: str) -> JobRecord:
    """
    Return the record of a request; one that the server told is remembered from now on.

    Raises:
        ReportExpired: It was remembered once, and is older than 30 days.
        RequestNotFound: Neither store nor server know it.
    """
    record = await gate.find(request_id)
    if record is not None:
        return record
    try:
        request = await api.status(request_id)
    except RequestNotFound as exc:
        if await gate.knew(request_id):
            raise endings.expired(request_id, report_type=exc.report_type) from exc
        raise
    return await gate.remember(
        request,
        report_type=request.report_type or "UNKNOWN",
        version=request.version or "v1",
        filters=None,
        skew=api.skew,
        foreign=False,
    )
