"""
A report straight into an object store: S3, Google Cloud Storage, Azure and others, by `obstore`.

The upload begins when the file is whole and checked, and the object appears when the upload is:
half a report is never under its name. Needs asyncio, and the extra:
``pip install reports-async[obstore]``.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from attrs import frozen

from ._exceptions import InvalidArgument

try:
    import obstore
except ImportError as exc:
    raise ImportError(
        'reports_async.obstore needs obstore: pip install "reports-async[obstore]"'
    ) from exc

if TYPE_CHECKING:
    from obstore import Attributes
    from obstore.store import ObjectStore

    from ._opened import Opened

__all__ = ["StoredReport", "put_report"]

# S3 takes no parts below 5 MiB, and 10,000 of them: this is enough for 78 GiB.
PART: Final = 8 * 1024 * 1024
# So many parts are in memory.
PARTS_AT_ONCE: Final = 3


@frozen(kw_only=True)
class StoredReport:
    """
    A report in an object store: `size` bytes under `path`.

    `sha256` is their digest, where it was asked for; `e_tag` and `version` are the store's.

    .. versionadded:: 0.1.0
    """

    path: str
    request_id: str
    size: int
    sha256: str | None = None
    e_tag: str | None = None
    version: str | None = None


async def put_report(
    client: Opened,
    request_id: str,
    store: ObjectStore,
    path: str,
    *,
    unpack: bool = True,
    sha256: bool = False,
    attributes: Attributes | None = None,
    part_size: int = PART,
    parts_at_once: int = PARTS_AT_ONCE,
) -> StoredReport:
    """
    Bring the file of a READY request into an object store, as an upload in parts.

    Memory is bounded by *part_size* times *parts_at_once*, however large the file. When it fails
    or is cancelled, what was under *path* before stays; unfinished parts that a store keeps are
    for its lifecycle rules to remove.

    Args:
        client: A `ReportsClient`.
        request_id: The id that the API gave.
        store: One of ``obstore.store``.
        path: The object's name.
        unpack: The CSV; False for the archive that it came in.
        sha256: Compute the digest.
        attributes: E.g. ``{"Content-Type": "text/csv"}``.
        part_size: Bytes of a part.
        parts_at_once: How many are on their way at the same time.

    Raises:
        ReportNotReady, ReportFailed, ReportTimedOut, ReportExpired, DownloadError: As `open_report`
            does; the store was not touched.
        obstore.exceptions.BaseError: The store failed.

    .. versionadded:: 0.1.0
    """
    if not path:
        raise InvalidArgument("path must name an object, but is empty.")
    async with client.open_report(request_id, unpack=unpack, sha256=sha256) as stream:
        put = await obstore.put_async(
            store,
            path,
            stream,
            attributes=attributes,
            chunk_size=part_size,
            max_concurrency=parts_at_once,
        )
    return StoredReport(
        path=path,
        request_id=request_id,
        size=stream.size,
        sha256=stream.sha256,
        e_tag=put["e_tag"],
        version=put["version"],
    )
