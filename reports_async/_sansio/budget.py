"""
The call budgets: one token bucket per endpoint, learned from the server's headers.

Published: 20 status, about 20 list and 20 link calls an hour and seller, one refilled every three
minutes. That is the prior; what ``x-current-token-count``, the replenishment headers, Retry-After
and a 429 say overrides it, because other programs spend from the same buckets.

Times are seconds of the client's monotonic clock.
"""

from __future__ import annotations

import math
from typing import Final

from attrs import evolve, frozen

CAPACITY: Final = 20
INTERVAL: Final = 180.0

LONGEST: Final = CAPACITY * INTERVAL
"""Seconds in which an empty bucket is full. Whatever is told, no next token is further away: who
waited for longer would make no call that could tell better."""

LONGEST_REFUSAL: Final = 2 * LONGEST
"""Seconds for which a 429 is obeyed at most; then it is asked again."""

LEAST: Final = 0.5
"""The share of the refill that is counted on, however much others take: who gives way altogether
learns nothing any more, and two who do so in turn would wait for each other's tokens."""

NOTICED: Final = 0.1
"""The share of the refill from which on others are believed to take some."""

MEMORY: Final = 900.0
"""Seconds after which one reply counts as much as all before it for what others take."""

FORGETTING: Final = 0.5
"""What is left of that estimate after a reply that does not tell."""

SEVERAL: Final = 3.0
"""The tokens counted by the server just before of which a call can hardly be refused."""

MOMENT: Final = 60.0
"""The seconds for which that is so: a loop that calls every ten of them takes six."""

GREEDY: Final = 0.9
"""The share of the refill from which on others are believed to take whatever comes: loops that call
every minute or less, and do not care what they are told."""

HAIR: Final = 1e-6
"""A tolerance: 179.9999 of 180 seconds is a token, not one more wait."""

FRESH: Final = 5.0
"""Seconds for which a token that has just come is hardly another's yet."""


@frozen(kw_only=True)
class Bucket:
    """
    The tokens left for one endpoint, as of a moment.

    `tokens` may have a fraction (the next one is on its way) and may be below zero (the server
    named a time that is further away than one refill). `told` is True once the server spoke, last
    at `told_at`. `drain` is what other programs take, in tokens per second: what was missing
    between two replies; `others` is True where some were noticed to, at this bucket or at another.
    A new bucket is full, whenever it is asked.

    `doubted` is True where a call was refused of which the server had just counted several: more
    than we count ourselves is not believed then. `counted` is its last count, `dropped` whether
    that was several less than ours; where the next one takes that back, as no other program can,
    its counts are worth nothing (since `erratic_at`) for as long as a bucket takes to fill.

    `next_at` is when the server said that a token comes, as one does every `interval` from there
    until the bucket is full. Beside others who spend whatever comes, that is the moment to call,
    unless they may be clients like this one, which would call in it as well: `polite`, until a call
    is refused, as these leave the last token to others.
    """

    capacity: int = CAPACITY
    interval: float = INTERVAL
    tokens: float = float(CAPACITY)
    as_of: float = -math.inf
    told: bool = False
    drain: float = 0.0
    told_at: float = -math.inf
    others: bool = False
    doubted: bool = False
    counted: int = CAPACITY
    dropped: bool = False
    erratic_at: float = -math.inf
    next_at: float = -math.inf
    polite: bool = True

    @property
    def rate(self) -> float:
        """Tokens per second that are ours: the refill, less what other programs take."""
        return max(1.0 / self.interval - self.drain, LEAST / self.interval)

    @property
    def drained(self) -> bool:
        """Whether other programs are noticed to take some."""
        return self.drain * self.interval > NOTICED

    @property
    def contended(self) -> bool:
        """Whether others take whatever comes: a token is there only when it has just come."""
        greedy = self.drain * self.interval > GREEDY and not self.polite
        return greedy and self.next_at > -math.inf

    @property
    def spare(self) -> float:
        """Tokens that are left alone: where others take some, the last one may be gone already."""
        return 1.0 if self.others or self.drained else 0.0

    def at(self, now: float) -> Bucket:
        """Return the bucket as it is at *now*: refilled, up to its capacity."""
        gained = max(0.0, now - self.as_of) * self.rate
        tokens = min(float(self.capacity), self.tokens + gained)
        return evolve(self, tokens=tokens, as_of=max(now, self.as_of))

    def usable(self, now: float) -> float:
        """Return the tokens that there are for us at *now*, with the fraction of the next."""
        return self.at(now).tokens - (0.0 if self.contended else self.spare)

    def available(self, now: float) -> int:
        """Return how many calls can be made at *now*."""
        if not self.contended:
            return self.left(now)
        return int(self.usable(now) + HAIR >= 1.0 and self._fresh_in(now) <= 0.0)

    def left(self, now: float) -> int:
        """Return how many calls are left at *now* as far as was counted; another may be quicker."""
        return max(0, math.floor(self.at(now).tokens - self.spare + HAIR))

    def _fresh_in(self, now: float) -> float:
        """Return the seconds from *now* until a token has just come."""
        left = self.next_at - now
        if left < 0.0:
            since = -left % self.interval
            left = self.interval - since if since >= FRESH else 0.0
        return left if left > HAIR else 0.0

    def full_in(self, now: float) -> float:
        """Return the seconds until what is there, or comes next, would be lost if not used."""
        if self.contended:
            return self.wait(now)
        return max(0.0, self.capacity - HAIR - self.at(now).tokens) / self.rate

    def full(self, now: float) -> bool:
        """Tell whether something would be lost now."""
        return self.full_in(now) <= 0.0

    def stale(self, now: float) -> bool:
        """Tell whether nothing was told for so long that others may have spent some since."""
        return now - self.told_at >= self.interval

    def wait(self, now: float, *, calls: int = 1) -> float:
        """Return the seconds until that many calls can be made; 0.0 if they can be at *now*."""
        calls = 1 if self.contended else min(calls, self.capacity)
        if self.available(now) >= calls:
            return 0.0
        wait = max(0.0, (calls - self.usable(now)) / self.rate)
        return wait + self._fresh_in(now + wait) if self.contended else wait

    def spend(self, now: float) -> Bucket:
        """Return the bucket after a call at *now*."""
        bucket = self.at(now)
        return evolve(bucket, tokens=bucket.tokens - 1.0)

    def unspent(self, now: float, *, since: float) -> Bucket:
        """Return the bucket at *now* after a call that was spent at *since*, and never sent."""
        if self.told_at > since:
            return self  # by what the server counts, and that was not counted
        bucket = self.at(now)
        return evolve(bucket, tokens=min(bucket.tokens + 1.0, float(self.capacity)))

    def learn(
        self, now: float, *, tokens: int | None, next_in: float | None, alone: bool = True
    ) -> Bucket:
        """
        Return the bucket after a reply that told the calls left, the next token, both or neither.

        Args:
            now: When the reply came.
            tokens: Calls left.
            next_in: Seconds until the next token comes.
            alone: No other call of ours was on its way meanwhile. Replies overtake each other: the
                count of one that was not alone may be from before the other calls.
        """
        bucket = self._noted(now, tokens) if alone and tokens is not None else self
        bucket = bucket.at(now)
        if bucket.next_at - now > bucket.interval:
            bucket = evolve(bucket, next_at=-math.inf)  # and yet this call was answered
        ours = max(0, math.floor(bucket.tokens))
        erratic = now - bucket.erratic_at < LONGEST
        if erratic or (bucket.doubted and tokens is not None and tokens > ours + 1):
            return bucket.within(LONGEST)
        if tokens is None and next_in is None:
            return bucket
        whole = ours if tokens is None else tokens if alone else min(tokens, ours)
        part = 0.0 if next_in is None else 1.0 - min(next_in, LONGEST) / self.interval
        if whole > 0:
            part = min(max(part, 0.0), 0.999)
        level = min(whole + min(part, 0.999), float(max(self.capacity, whole)))
        learned = evolve(
            bucket,
            capacity=max(self.capacity, whole),
            tokens=level,
            told=True,
            told_at=now,
            next_at=bucket.next_at if next_in is None else now + min(next_in, LONGEST),
            doubted=bucket.doubted and tokens is None,
            # What is told is never too little: all our calls are spent that were answered by then.
            drain=self.drain
            if tokens is None or (not alone and tokens >= ours)
            else bucket.missing(now, level, exact=next_in is not None),
        )
        return learned.within(LONGEST)

    def _noted(self, now: float, tokens: int) -> Bucket:
        """Return the bucket with a count noted, and whether it contradicts the last one."""
        come = (now - self.told_at) / self.interval
        noted = evolve(self, counted=tokens, dropped=tokens <= self.at(now).tokens - SEVERAL)
        if self.dropped and tokens > self.counted + come + 1.0:
            noted = evolve(noted, erratic_at=now, drain=0.0)
        return noted

    def missing(self, now: float, level: float, *, exact: bool) -> float:
        """Return the drain that explains a level told at *now*, averaged with what was believed."""
        passed = now - self.told_at
        if not 0.0 < passed < math.inf:
            return self.drain
        gone = self.tokens - level
        if exact or abs(gone) >= 1.0:
            taken = max(0.0, self.drain + gone / passed)
        else:
            # Perhaps only the fraction that nobody told; others are forgotten by and by.
            taken = self.drain * FORGETTING
        # The shorter the time, the more the inexactness of clocks counts in what was missing.
        trust = passed / (passed + MEMORY)
        return min((1 - trust) * self.drain + trust * taken, 1.0 / self.interval)

    def refused(self, now: float, *, retry_in: float | None) -> Bucket:
        """Return the bucket after a 429: empty for *retry_in* seconds, or for one refill."""
        wait = self.interval if retry_in is None else min(max(0.0, retry_in), LONGEST_REFUSAL)
        level = 1.0 - wait / self.interval
        bucket = self.at(now)
        # The refused call took nothing; others took what it counted on.
        believed = evolve(bucket, tokens=bucket.tokens + 1.0)
        drain = believed.missing(now, max(level, 0.0), exact=retry_in is not None)
        empty = evolve(bucket, tokens=level, told=True, told_at=now, drain=drain, polite=False)
        if retry_in is not None:
            empty = evolve(empty, next_at=now + wait)
        if now - self.told_at < MOMENT and believed.tokens >= SEVERAL:
            # Nobody took so many since they were counted.
            empty = evolve(
                empty, drain=self.drain, doubted=True, capacity=min(self.capacity, CAPACITY)
            )
        return empty.within(LONGEST_REFUSAL)

    def within(self, longest: float) -> Bucket:
        """Return the bucket with its next token not further away than so many seconds."""
        least = 1.0 + self.spare - longest * self.rate
        return evolve(self, tokens=max(self.tokens, least))
