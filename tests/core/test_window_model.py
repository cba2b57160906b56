"""The window against a model that looks at every slot and every period, one by one."""

from __future__ import annotations

import math

from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from customersms_async._limit.config import Rate
from customersms_async._limit.window import GRACE, MARGIN, Window

PER = 7.5
PERIOD = PER + MARGIN
LONGEST = 10.0


class WindowModel(RuleBasedStateMachine):
    """Requests that come and end in any order, beside a list of when each slot is busy until."""

    @initialize(limit=st.integers(1, 4))
    def begin(self, limit):
        self.limit, self.now = limit, 0.0
        self.window = Window(Rate(limit, per=PER))
        self.flying = {}  # lease: granted at, until when
        self.ended = []  # until when
        self.spans = []  # from when to when the server may have counted each

    @rule(seconds=st.sampled_from([0.0, 0.1, 1.0, GRACE, PER, MARGIN, PERIOD, 20.0]))
    def wait(self, seconds):
        self.now += seconds
        for lease, (granted_at, until) in list(self.flying.items()):
            if until <= self.now:  # it died without a word
                del self.flying[lease]
                self.spans.append((granted_at, granted_at + LONGEST + GRACE))
        self.ended = [until for until in self.ended if until > self.now]

    @rule(data=st.data())
    def wait_for_the_next(self, data):
        """Go to the very instant at which something changes, or a moment before."""
        ahead = [*self.ended, *(until for _, until in self.flying.values())]
        if ahead:
            at = data.draw(st.sampled_from(sorted(ahead)))
            at = data.draw(st.sampled_from([at, math.nextafter(at, 0)]))
            self.wait(max(at - self.now, 0.0))

    @rule(spare=st.integers(0, 3))
    def take(self, spare):
        is_free = len(self.busy_until()) + spare < self.limit

        lease = self.window.take(self.now, LONGEST, spare)

        assert is_free == bool(lease)
        if lease:
            assert lease not in self.flying
            self.flying[lease] = (self.now, self.now + LONGEST + GRACE + PERIOD)

    @precondition(lambda self: self.flying)
    @rule(data=st.data(), end=st.sampled_from(["answered", "lost"]))
    def end(self, data, end):
        lease = data.draw(st.sampled_from(sorted(self.flying)))
        granted_at, _ = self.flying[lease]
        if self.now > granted_at + LONGEST:
            return  # no request outlives its longest time
        del self.flying[lease]
        grace = GRACE if end == "lost" else 0.0
        until = self.now + grace + PERIOD

        assert until == getattr(self.window, end)(lease, self.now)
        self.ended.append(until)
        self.spans.append((granted_at, self.now + grace))

    @precondition(lambda self: self.flying)
    @rule(data=st.data())
    def unused(self, data):
        lease = data.draw(st.sampled_from(sorted(self.flying)))
        del self.flying[lease]
        self.window.unused(lease)

    def busy_until(self):
        return [*self.ended, *(until for _, until in self.flying.values())]

    @invariant()
    def the_counts_are_right(self):
        assert len(self.busy_until()) == self.window.busy(self.now)
        assert len(self.flying) == self.window.in_flight

    @invariant()
    def the_instants_are_right(self):
        for spare in range(self.limit):
            instants = [self.now, *sorted(self.busy_until())]
            opens = next(at for at in instants if self.left_at(at) + spare < self.limit)

            assert opens == self.window.opens_at(self.now, spare)
            assert (opens == self.now) == self.window.is_free(self.now, spare)

    @invariant()
    def the_next_that_is_free_for_certain(self):
        """With all that is in flight staying so for ever, the first instant with a free slot."""
        instants = [self.now, *sorted(self.ended)]
        free = [
            at
            for at in instants
            if len(self.flying) + sum(until > at for until in self.ended) < self.limit
        ]

        assert (free[0] if free else None) == self.window.next_free_at(self.now)

    @invariant()
    def the_first_of_all_could_go_no_earlier(self):
        """Nobody ahead: a slot is free now, or one that is busy ends, or one in flight does."""
        soonest = [min(until, self.now + PERIOD) for _, until in self.flying.values()]
        missing = len(self.busy_until()) - self.limit
        named = self.now if missing < 0 else sorted([*self.ended, *soonest])[missing]

        assert named == self.window.earliest(self.now, 0)

    @invariant()
    def the_cap_holds(self):
        """Wherever in its span the server counted each, no period holds more than the limit."""
        spans = [*self.spans, *((at, self.now) for at, _ in self.flying.values())]
        for begin in {instant for span in spans for instant in span}:
            met = [first for first, last in spans if first < begin + PER and last >= begin]
            assert len(met) <= self.limit

    def left_at(self, at):
        return sum(until > at for until in self.busy_until())


TestWindowModel = WindowModel.TestCase
