"""The rate limit against a server that may count a request at any time between leaving and end."""

from __future__ import annotations

import copy
import math

from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from customersms_async._limit.account_state import MARGIN, SLACK, AccountState, Lease, Rules
from customersms_async._limit.law import End, Law
from customersms_async._limit.store_view import merge

PER, GRACE, LONGEST = 7.5, 2.0, 10.0
PERIOD = PER + MARGIN


class LawModel(RuleBasedStateMachine):
    """Requests that are reserved, leave, end and are reported, in any order."""

    @initialize(limit=st.integers(1, 4), burst=st.integers(1, 4), reserve=st.integers(0, 3))
    def begin(self, limit, burst, reserve):
        rules = Rules(limit, PER, min(burst, limit), min(reserve, limit - 1), GRACE)
        self.limit, self.now, self.law = limit, 1000.0, Law(rules)
        self.state = AccountState.new(rules)
        self.old = copy.deepcopy(self.state)
        self.number = 0
        self.waiting = set()  # leases whose holder has not left
        self.left = {}  # lease id: when its holder left
        self.untold = []  # lease id, how, when the answer was received
        self.told = []
        self.spans = []  # the span in which the server may have counted each

    @rule(seconds=st.sampled_from([0.0, 0.1, 1.0, GRACE, PER, PERIOD, 30.0]))
    def wait(self, seconds):
        self.now += seconds

    @rule(data=st.data())
    def wait_for_the_next(self, data):
        """Advance to the exact time of the next change, or to just before it."""
        state = self.state
        ahead = [opens for opens, _ in state.ended]
        ahead += [at for lease in state.leases.values() for at in (lease.at, lease.dies)]
        ahead = sorted(at for at in ahead if at > self.now)
        if ahead:
            at = data.draw(st.sampled_from(ahead))
            self.now = max(self.now, data.draw(st.sampled_from([at, math.nextafter(at, 0)])))

    @rule(is_bulk=st.booleans(), ahead=st.sampled_from([0.0, 2.0, math.inf]), over=st.booleans())
    def reserve(self, is_bulk, ahead, over):
        self.number += 1
        lease = Lease(str(self.number), is_bulk, 0.0, 0.0, 0.0, LONGEST)

        at = self.law.reserve(self.state, self.now, lease, ahead=ahead, is_overdue=over)

        if at is None:
            assert self.now <= lease.at <= self.now + ahead
            self.waiting.add(lease.id)
        else:
            assert at > self.now + ahead or at == math.inf

    @precondition(lambda self: self.waiting)
    @rule(data=st.data())
    def leave(self, data):
        lease_id = data.draw(st.sampled_from(sorted(self.waiting)))
        lease = self.state.leases.get(lease_id)
        if lease is None:
            self.waiting.discard(lease_id)  # a message took its slot, or it expired
        elif lease.at <= self.now <= lease.at + SLACK:
            self.waiting.discard(lease_id)
            self.left[lease_id] = (self.now, lease.at)

    @precondition(lambda self: self.waiting)
    @rule(data=st.data())
    def come_late(self, data):
        """Renew a reservation whose holder is late."""
        lease_id = data.draw(st.sampled_from(sorted(self.waiting)))
        lease = self.state.leases.get(lease_id)
        self.law.tidy(self.state, self.now)
        if lease is not None and lease_id in self.state.leases and lease.at + SLACK < self.now:
            self.law.renew(self.state, self.now, lease)

    @precondition(lambda self: self.waiting)
    @rule(data=st.data())
    def give_back(self, data):
        lease_id = data.draw(st.sampled_from(sorted(self.waiting)))
        self.waiting.discard(lease_id)
        self.law.end(self.state, lease_id, End.UNUSED, self.now)

    @precondition(lambda self: self.left)
    @rule(data=st.data(), how=st.sampled_from([End.ANSWERED, End.LOST]))
    def end(self, data, how):
        lease_id = data.draw(st.sampled_from(sorted(self.left)))
        left_at, at = self.left[lease_id]
        if self.now <= at + SLACK + LONGEST:
            del self.left[lease_id]
            self.spans.append((left_at, self.now + GRACE * (how is End.LOST)))
            self.untold.append((lease_id, how, self.now))

    @precondition(lambda self: self.untold)
    @rule(data=st.data())
    def tell(self, data):
        """Report an end, however late."""
        end = data.draw(st.sampled_from(self.untold))
        self.untold.remove(end)
        self.told.append(end)
        self.law.end(self.state, *end)

    @precondition(lambda self: self.told)
    @rule(data=st.data())
    def tell_again(self, data):
        self.law.end(self.state, *data.draw(st.sampled_from(self.told)))

    @precondition(lambda self: self.left)
    @rule(data=st.data(), retry_after=st.sampled_from([None, 0.0, 3.0]))
    def refuse(self, data, retry_after):
        lease_id = data.draw(st.sampled_from(sorted(self.left)))
        left_at, at = self.left[lease_id]
        if self.now <= at + SLACK + LONGEST:
            del self.left[lease_id]
            self.spans.append((left_at, self.now))
            self.law.refused(self.state, lease_id, self.now, retry_after)

    @rule()
    def remember(self):
        self.old = copy.deepcopy(self.state)

    @rule()
    def merge_with_an_old_copy(self):
        """Merge with an older copy, which must lose nothing."""
        self.waiting &= self.state.leases.keys()  # nobody leaves on the strength of an old copy
        self.state = merge(copy.deepcopy(self.old), self.state, self.now)

    @invariant()
    def the_openings_are_in_order(self):
        assert self.state.ended == sorted(self.state.ended)

    @invariant()
    def the_cap_holds(self):
        """No period holds more than the limit, whenever the server counted each request."""
        ends = [(left_at, at + SLACK + LONGEST + GRACE) for left_at, at in self.left.values()]
        spans = [*self.spans, *((left_at, min(last, self.now)) for left_at, last in ends)]
        for begin in {instant for span in spans for instant in span}:
            met = [first for first, last in spans if first < begin + PER and last >= begin]
            assert len(met) <= self.limit


TestLawModel = LawModel.TestCase
