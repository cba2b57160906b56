"""The price of a message, from balances in any order and from workers that die."""

import random

import pytest

from customersms_async.outbox._core.price import Answer, Purse

NEW = Purse(None, 1.0, 0, 0.0)


def hear(purse, balance, *, before=1000, left_at=2.0, in_flight=0):
    return purse.hear(Answer(balance, before, left_at, 100, in_flight))


def test_the_first_balance_gives_no_price():
    """Spending before the first balance is unknown, so it gives no price."""
    assert Purse(900, 1.0, 0, 0.0) == hear(NEW, 900, before=None, in_flight=100)


def test_a_lost_answer_shares_the_next_drop():
    """The next drop of the balance also counts for messages without an answer."""
    purse = Purse(1000, 1.0, 0, 0.0).lose(100, 1.0)

    assert 2.0 == hear(purse, 600).price
    assert 4.0 == hear(Purse(1000, 1.0, 0, 0.0), 600).price


def test_a_lost_answer_counts_until_a_later_request():
    """Only an answer to a request that left later settles what was lost."""
    purse = Purse(1000, 1.0, 0, 0.0).lose(100, 3.0)

    assert [100, 0] == [hear(purse, 900, left_at=at).unheard for at in (2.0, 4.0)]


def test_an_older_balance_changes_nothing():
    """An answer that was overtaken has a higher balance, which is ignored."""
    purse = Purse(800, 1.0, 0, 0.0)

    assert purse == hear(purse, 900)
    assert purse == hear(purse, 800)


def test_a_top_up():
    """A balance higher than when its request left gives no price."""
    assert Purse(5000, 2.0, 0, 0.0) == hear(Purse(800, 2.0, 0, 0.0), 5000, before=900)


def test_other_spending_is_left_out():
    """What was spent before a request left does not raise the price of its messages."""
    purse = Purse(1000, 1.0, 0, 0.0)

    assert 2.0 == hear(purse, 300, before=500).price  # 500 credits of codes, then 100 messages
    assert 7.0 == hear(purse, 300, before=None).price


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
                purse = purse.hear(Answer(told, *known, size, in_flight))

    assert 1 <= purse.price <= price
