"""How many requests a run may have in flight."""

from customersms_async._bulk.concurrency import AdaptiveConcurrency


def test_a_run_speeds_up_by_answers():
    """A run starts with one request in flight and doubles it after each readable answer."""
    concurrency, allowed = AdaptiveConcurrency(most=16), []
    for _ in range(6):
        allowed.append(concurrency.allowed)
        concurrency.speed_up()

    assert [1, 2, 4, 8, 16, 16] == allowed


def test_a_run_starts_over_after_an_unknown():
    """After a request without an answer, a run is back to one request in flight."""
    concurrency = AdaptiveConcurrency(most=5)
    for _ in range(3):
        concurrency.speed_up()
    assert 5 == concurrency.allowed

    concurrency.start_over()

    assert 1 == concurrency.allowed
