"""
A store in Redis (or Valkey): for many machines. On asyncio only.

Every call is one Lua script, so it happens as a whole or not at all. The server's clock decides,
unless told otherwise: callers are trusted only in differences of their times. What the server
forgets (eviction, no persistence) is forgotten here too.
"""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Any, Final

from attrs import define, field
from redis.asyncio import Redis
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.exceptions import RedisError

from reports_async._exceptions import StoreError
from reports_async._http import without_query
from reports_async._models import RETENTION
from reports_async._sansio import window
from reports_async._secrets import Secret, bare

from . import _codec, _server

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    from redis.commands.core import AsyncScript

    from reports_async._models import JobRecord

CONNECT_TIMEOUT: Final = 5.0
CALL_TIMEOUT: Final = 10.0
"""Seconds of real time; a script takes less than a millisecond."""


def _micros(seconds: float) -> int:
    return _codec.length(timedelta(seconds=seconds))


# Instants are whole microseconds, which a double holds exactly until the year 2255. Each record
# has a hash; a sorted set per account has its reservations, one per hour its holds.
_CONSTANTS: Final = f"""
local PREFIX = 'reports-async:1:'
local PERIOD = {_micros(window.PERIOD)}
local TOLERANCE = {_micros(window.TOLERANCE)}
local RETENTION = {_micros(RETENTION.total_seconds())}
local UNUSED = {2 * RETENTION // timedelta(seconds=1)}
"""
_SCRIPT: Final = (
    _CONSTANTS
    + """
local verb, clock, given = ARGV[1], ARGV[2], tonumber(ARGV[3])
local now = given
if clock == 'server' then
  local time = redis.call('TIME')
  now = tonumber(time[1]) * 1000000 + tonumber(time[2])
end
local shift = now - given

local function text(number) return string.format('%.0f', number) end
local function moved(instant, by)
  if not tonumber(instant) then return '' end
  return text(tonumber(instant) + by)
end
local function job(key) return PREFIX .. 'job:' .. key end
local function jobs(account) return PREFIX .. 'jobs:' .. account end
local function hour(account, kind) return PREFIX .. 'hour:' .. account .. ' ' .. kind end

local function forget(key)
  local old = redis.call('HMGET', job(key), 'account', 'type')
  if old[1] then
    redis.call('ZREM', jobs(old[1]), key)
    redis.call('ZREM', hour(old[1], old[2]), key)
    redis.call('DEL', job(key))
  end
end

local function write(key, account, kind, reserved, holds, owner, lease, body)
  forget(key)
  redis.call('HSET', job(key), 'account', account, 'type', kind, 'reserved', reserved,
    'owner', owner, 'lease', lease, 'body', body)
  redis.call('ZADD', jobs(account), moved(reserved, shift), key)
  redis.call('EXPIRE', job(key), UNUSED)
  redis.call('EXPIRE', jobs(account), UNUSED)
  if holds ~= '' then
    redis.call('ZADD', hour(account, kind), moved(holds, shift), key)
    redis.call('EXPIRE', hour(account, kind), UNUSED)
  end
end

local function read(key)
  local row = redis.call('HMGET', job(key), 'account', 'type', 'reserved', 'owner', 'lease', 'body')
  if not (row[1] and row[2] and tonumber(row[3])) then return nil end
  local holds = redis.call('ZSCORE', hour(row[1], row[2]), key)
  return {key, row[1], row[2], row[3], moved(holds, -shift), row[4] or '', moved(row[5], -shift),
    row[6] or ''}
end

local function holder(account, kind)
  while true do
    local top = redis.call('ZREVRANGE', hour(account, kind), 0, 0, 'WITHSCORES')
    if not top[1] or tonumber(top[2]) <= now then return nil end
    if read(top[1]) then
      if tonumber(top[2]) > now + PERIOD + TOLERANCE then
        redis.call('ZADD', hour(account, kind), text(now + PERIOD), top[1])
      end
      return top[1]
    end
    redis.call('ZREM', hour(account, kind), top[1])
  end
end

if verb == 'reserve' then
  local key, account, kind, reserved, holds, owner, lease, body = unpack(ARGV, 4)
  local old = redis.call('ZRANGEBYSCORE', jobs(account), '-inf', text(now - RETENTION))
  for _, each in ipairs(old) do
    redis.call('ZREM', jobs(account), each)
    forget(each)
  end
  local winner = holder(account, kind)
  if not winner then
    write(key, account, kind, reserved, holds, owner, moved(lease, shift), body)
    winner = key
  end
  return read(winner)
end

if verb == 'claim' then
  local key, me, lease = ARGV[4], ARGV[5], tonumber(ARGV[6])
  local row = redis.call('HMGET', job(key), 'account', 'owner', 'lease')
  if not row[1] then return 0 end
  local until_ = tonumber(row[3])
  local horizon = now + math.max(lease, PERIOD) + TOLERANCE
  if (row[2] or '') == '' or row[2] == me or not until_ or until_ <= now or until_ > horizon then
    redis.call('HSET', job(key), 'owner', me, 'lease', text(now + lease))
    return 1
  end
  return 0
end

if verb == 'save' then
  local key, account, kind, reserved, holds, owner, lease, body = unpack(ARGV, 4)
  local old = redis.call('HMGET', job(key), 'account', 'owner', 'lease')
  if old[1] then
    write(key, account, kind, reserved, holds, old[2] or '', old[3] or '', body)
  else
    write(key, account, kind, reserved, holds, owner, moved(lease, shift), body)
  end
  return 1
end

if verb == 'delete' then
  forget(ARGV[4])
  return 1
end

local found = {}
local since = '(' .. text(now - RETENTION)
for _, key in ipairs(redis.call('ZREVRANGEBYSCORE', jobs(ARGV[4]), '+inf', since)) do
  local row = read(key)
  if row and (ARGV[5] == '' or ARGV[5] == row[3]) then
    table.insert(found, row)
  end
end
return found
"""
)


_SCHEMES: Final = ("redis", "rediss", "unix")


@define(eq=False, repr=False, init=False)
class RedisStore:
    """
    Requests and quota in Redis, shared by everyone who gives the same server and database.

    Args:
        url: e.g. ``redis://:password@host:6379/0``; ``rediss://`` is TLS, ``unix://`` a socket.
        clock: Who knows the time: the ``server``, which is right for real time whatever the
            clocks of the machines say, or the ``caller``, for clocks that do not run in real time
            (`reports_async.testing.ScaledClock`).
    """

    url: str
    _clock: _server.WhoseClock = field(
        default="server", kw_only=True, converter=_server.checked_clock
    )
    _reader: _codec.Reader = field(init=False)
    _client: Redis | None = field(default=None, init=False)
    _script: AsyncScript | None = field(default=None, init=False)

    def __init__(self, url: str, *, clock: _server.WhoseClock = "server") -> None:
        refusal = _server.refusal(url, schemes=_SCHEMES)
        if refusal is not None:
            # A traceback may be shown with its variables, and a password is in this one.
            del self, url
            raise refusal
        self.__attrs_init__(url=Secret(url), clock=clock)  # pyright: ignore[reportAttributeAccessIssue, reportUnknownMemberType]  # attrs makes it
        self._reader = _codec.Reader(without_query(url))

    async def reserve(self, record: JobRecord, *, now: datetime) -> JobRecord:
        """Take the hour if it is open; see `Store.reserve`."""
        row = await self._run("reserve", _instant(now), *_row(record))
        holder = self._reader.holder(row[-1], columns=_columns(row))
        assert holder is not None, "the script gives whole columns"
        return holder

    async def claim(self, key: str, *, owner: str, now: datetime, lease: float) -> bool:
        """Become, or stay, the one who works on a record; see `Store.claim`."""
        return bool(await self._run("claim", _instant(now), key, owner, str(_micros(lease))))

    async def save(self, record: JobRecord, *, now: datetime) -> None:
        """Write a record; see `Store.save`."""
        await self._run("save", _instant(now), *_row(record))

    async def delete(self, key: str) -> None:
        """Forget a record; see `Store.delete`."""
        await self._run("delete", "0", key)

    async def records(
        self, account: str, *, now: datetime, report_type: str | None = None
    ) -> Sequence[JobRecord]:
        """Return an account's records; see `Store.records`."""
        rows = await self._run("records", _instant(now), account, report_type or "")
        records = [self._reader.record(row[-1], columns=_columns(row)) for row in rows]
        found = [record for record in records if record is not None]
        return sorted(found, key=lambda record: (record.reserved_at, record.key), reverse=True)

    async def aclose(self) -> None:
        """Close the connections; a later call opens new ones."""
        client, self._client, self._script = self._client, None, None
        if client is not None:
            await client.aclose()

    async def _run(self, verb: str, *values: str) -> Any:
        _server.require_asyncio("RedisStore")
        try:
            return await self._connected()(args=[verb, self._clock, *values])
        except (RedisError, OSError) as exc:
            # The frames of the driver have the URL with its password in their variables.
            raise StoreError(_server.trouble(exc, url=self.url)) from bare(exc)

    def _connected(self) -> AsyncScript:
        if self._script is None:
            self._client = Redis.from_url(  # pyright: ignore[reportUnknownMemberType]  # its keyword arguments are not typed
                self.url,
                decode_responses=True,
                socket_connect_timeout=CONNECT_TIMEOUT,
                socket_timeout=CALL_TIMEOUT,
                # A server that was restarted has closed our connections: once more, on a new one.
                # That is safe: every call may be repeated.
                retry=Retry(NoBackoff(), 1),
            )
            self._script = self._client.register_script(_SCRIPT)
        return self._script

    def __repr__(self) -> str:
        return f"<RedisStore {without_query(self.url)}>"


def _instant(instant: datetime) -> str:
    return str(_codec.to_micros(instant))


def _row(record: JobRecord) -> tuple[str, ...]:
    return tuple("" if value is None else str(value) for value in _codec.row(record).values())


def _columns(row: Sequence[str]) -> dict[str, Any]:
    columns: dict[str, Any] = dict(zip(_codec.COLUMNS, row[:-1], strict=True))
    for name in ("reserved_at", "holds_until", "lease_until"):
        columns[name] = int(columns[name]) if columns[name] else None
    return columns | {"owner": columns["owner"] or None}
