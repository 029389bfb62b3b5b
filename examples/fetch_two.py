"""
Fetch two reports at the same time. Try it without a Walmart account.

    reports-async simulate --port 8085 --speed 600
    python examples/fetch_two.py http://127.0.0.1:8085 600
"""

import asyncio
import sys

from reports_async import Credentials, ReportsClient
from reports_async.testing import ScaledClock


async def main(base_url: str, speed: float) -> None:
    """Fetch ITEM_MX and INVENTORY_MX; tell of each as it is finished."""
    credentials, clock = Credentials("any-id", "any-secret"), ScaledClock(speed)
    async with ReportsClient(credentials, market="mx", base_url=base_url, clock=clock) as client:
        async for report in client.fetch_reports(["ITEM_MX", "INVENTORY_MX"]):
            print(f"{report.report_type}: {report.path} ({report.size} bytes)")


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1], float(sys.argv[2])))
