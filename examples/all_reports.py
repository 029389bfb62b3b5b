"""
Fetch a report of each type that is known in the US, all at once. Try it without an account.

    reports-async simulate --port 8085 --speed 600
    python examples/all_reports.py http://127.0.0.1:8085 600

Started twice at once, in the same folder, the two share the account, its budgets and the requests.
"""

import asyncio
import sys

from reports_async import Credentials, ReportsClient, SQLiteStore
from reports_async.testing import ScaledClock


async def main(url: str, speed: float) -> None:
    """Ask for them all; tell of each as it is finished."""
    seller, store = Credentials("any-id", "any-secret"), SQLiteStore("requests.sqlite3")
    async with ReportsClient(seller, store=store, base_url=url, clock=ScaledClock(speed)) as client:
        async for report in client.fetch_reports(client.report_types):
            print(report.report_type, report.path, flush=True)


asyncio.run(main(sys.argv[1], float(sys.argv[2])))
