"""The price of a message, from balances in any order and from workers that die."""

import random

import pytest
from attrs import evolve

from customersms_async.outbox._core.price import Answer, Purse

NEW = Purse(None, 1.0, 0, 0.0, is_sure=0)


def hear(purse, balance, *, before=1000, left_at=2.0, in_flight=0, is_recent=True, is_alone=False):
    return purse.hear(Answer(balance, before, left_at, 100, in_flight, is_recent, is_alone))


def test_the_first_balance_gives_no_price():
    """Spending before the first balance is unknown, so it gives no price."""
    assert Purse(900, 1.0, 0, 0.0, 0) == hear(NEW, 900, before=None, in_flight=100)


def test_a_lost_answer_shares_the_next_drop():
    """The next drop of the balance also counts for messages without an answer."""
    purse = Purse(1000, 1.0, 0, 0.0, 0).lose(100, 1.0)

    assert 2.0 == hear(purse, 600).price
    assert 4.0 == hear(Purse(1000, 1.0, 0, 0.0, 0), 600).price


def test_a_lost_answer_counts_until_a_later_request():
    """Only an answer to a request that left later settles what was lost."""
    purse = Purse(1000, 1.0, 0, 0.0, 0).lose(100, 3.0)

    assert [100, 0] == [hear(purse, 900, left_at=at).unheard for at in (2.0, 4.0)]


def test_an_older_balance_changes_nothing():
    """An answer that was overtaken has a higher balance, which is ignored."""
    purse = Purse(800, 1.0, 0, 0.0, 0)

    assert purse == hear(purse, 900)
    assert purse == hear(purse, 800)


def test_a_top_up():
    """A balance higher than when its request left gives no price."""
    assert Purse(5000, 2.0, 0, 0.0, 0) == hear(Purse(800, 2.0, 0, 0.0, 0), 5000, before=900)


def test_other_spending_is_left_out():
    """What was spent before a request left does not raise the price of its messages."""
    purse = Purse(1000, 1.0, 0, 0.0, 0)

    assert 2.0 == hear(purse, 300, before=500).price  # 500 credits of codes, then 100 messages
    assert 7.0 == hear(purse, 300, before=None).price


def test_a_gap_does_not_raise_a_sure_price():
    """What others spent since a balance that was heard long ago makes no message expensive."""
    sure = hear(Purse(1000, 1.0, 0, 0.0, 0), 800, is_alone=True)

    assert (2.0, 1) == (sure.price, sure.is_sure)
    assert evolve(sure, balance=100) == hear(sure, 100, before=800, is_recent=False)
    assert 3.0 == hear(sure, 500, before=800).price


def test_a_gap_counts_until_the_price_is_sure():
    """A program that sends one request a run learns a price, too: rather too high than none."""
    rough = hear(Purse(1000, 1.0, 0, 0.0, 0), 100, is_recent=False)

    assert (9.0, 0) == (rough.price, rough.is_sure)
    assert (9.0, 0) == (hear(rough, 0, before=100).price, hear(rough, 0, before=100).is_sure)


def test_a_request_alone_corrects_a_rough_price():
    """Its drop is its own, so a price that a gap made too high is replaced."""
    rough = hear(Purse(1000, 1.0, 0, 0.0, 0), 300, is_recent=False)

    corrected = hear(rough, 100, before=300, is_alone=True)

    assert (7.0, 2.0, 1) == (rough.price, corrected.price, corrected.is_sure)


def test_a_balance_that_never_falls():
    """An account that pays later, or nothing, has a sure price too: that of one credit."""
    purse = Purse(1000, 1.0, 0, 0.0, 0)

    assert evolve(purse, is_sure=1) == hear(purse, 1000, is_alone=True)
    assert purse == hear(purse, 1000, is_alone=False)
    assert purse == hear(purse, 1000, before=1300, is_alone=True)  # others' answer came first


def test_with_others_in_flight_a_price_is_not_sure():
    """A drop that others may have caused is divided by all of them, which is too low a price."""
    purse = hear(Purse(1000, 3.0, 0, 0.0, 0), 800, in_flight=100, is_alone=True)

    assert (3.0, 0) == (purse.price, purse.is_sure)


@pytest.mark.parametrize("price", [1, 2, 3])
@pytest.mark.parametrize("seed", range(40))
def test_gaps_end_no_budget_early(seed, price):
    """Whatever others spend before pauses, the price is right from the second recent answer on."""
    dice, balance, purse, heard = random.Random(seed), 1_000_000, NEW, None
    for now in range(50):
        is_recent = dice.random() < 0.7
        if not is_recent:
            balance -= dice.randrange(50_000)
        balance -= 100 * price
        purse = purse.hear(Answer(balance, heard, now, 100, 0, is_recent and now > 0, True))
        heard = balance
        assert purse.price >= price or now == 0
    assert (price, 1) == (purse.price, purse.is_sure)


@pytest.mark.parametrize("price", [1, 2, 3])
@pytest.mark.parametrize("seed", range(40))
def test_it_is_never_above_the_true_price(seed, price):
    """With answers reordered, lost, or dying with their worker, the price is never too high."""
    dice, balance, purse = random.Random(seed), 1_000_000, NEW
    heard, under_way = None, []
    for now in range(300):
        if len(under_way) < 8 and dice.random() < 0.5:
            size = dice.choice([1, 10, 100])
            balance -= size * price
            under_way.append((size, balance, heard, now))
        elif under_way:
            size, told, *known = under_way.pop(dice.randrange(len(under_way)))
            in_flight, kind = sum(size for size, *_ in under_way), dice.random()
            if kind < 0.1:  # the answer is lost
                purse = purse.lose(size, now)
            elif kind < 0.2:  # the worker dies, and all its requests with it
                purse = purse.lose(size + in_flight, now)
                under_way.clear()
            else:
                heard = told
                is_recent, is_alone = dice.random() < 0.5, dice.random() < 0.5
                purse = purse.hear(Answer(told, *known, size, in_flight, is_recent, is_alone))

    assert 1 <= purse.price <= price
