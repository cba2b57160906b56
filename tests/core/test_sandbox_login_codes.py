"""Finding the login code among the numbers in a message."""

import time

import pytest

from customersms_async.sandbox._gateway.login_codes import LONGEST, code_in


@pytest.mark.parametrize(
    "text",
    [
        "Your code is 4711",
        "Your code is 4711.",
        "+4711",
        "4711 is your code, for 5 minutes; or call 212-555-1234",
        "Votre code est 4711",
        "Ihr Bestätigungscode lautet 4711, Vorgang 20261128",
        "Il tuo codice: 4711",
        "Ваш код: 4711",
        "【Acme】验证码 4711",
        "<#> 4711 is your code FA+9qCX9VSu",
        "Your code is 4711.\n\n@example.com #4711",
    ],
)
def test_a_code_alone(text):
    """A word of four digits is the code, in any position and language."""
    assert "4711" == code_in(text)


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("12345678", "12345678"),
        ("G-123456 is your code", "123456"),
        ("Use 123-456 to log in", "123456"),
        ("Use 123 456 to log in", "123456"),
    ],
)
def test_forms_of_a_code(text, code):
    """A code has 4 to 8 digits, or six digits in two groups."""
    assert code == code_in(text)


@pytest.mark.parametrize(
    "text",
    [
        "Hello",
        "We open at 9, call 123456789",
        "Call +12125551234 or 212 555 1234",
        "Open https://example.com/123456 or write to 4711@example.com",
        "You paid $1500, EUR 1,500.00 and 1500.50",
        "Monday, 28 November 2026; 2026-11-28; 28/11/2026; Nov 28, 2026 at 10:30",
        "Card 1234 5678 9012 3456, parcel AB12345",
    ],
)
def test_no_code(text):
    """Phone numbers, addresses, prices, dates and longer numbers are not codes."""
    assert code_in(text) is None


@pytest.mark.parametrize(
    "text",
    [
        "Call 212 555 1234 if lost. Code 4711",
        "Call (212) 555-1234 if lost. Code 4711",
        "Call 1-800-555-1234 if lost. Code 4711",
        "Call 212.555.1234. Code 4711",
        "Call +44 20 7946 0958. 4711 is your code",
        "Call +1 (212) 555-1234. 4711 is your code",
        "Order 88213 has shipped. Your code is 4711.",
        "Your code for account 88213 is 4711",
        "Your code for order #88213: 4711",
        "Your code is 4711. It is for order 88213.",
        "Acme 2026: 4711",
        "Your code 4711 is valid until 2027",
        "Your old code 1111 is void. Your new code is 4711",
        "Card ending in 4242: code 4711",
        "Code 4711 (Rs. 1200 will be debited)",
        "Pay 1500 EUR with 4711",
        "Confirm your payment of € 2500: 4711",
        "1111 and 4711",
        "4711 is your code for https://example.com/123456",
    ],
)
def test_the_code_among_other_numbers(text):
    """A number called a code is preferred, then one not called anything else, then the last."""
    assert "4711" == code_in(text)


@pytest.mark.parametrize(
    ("text", "code"),
    [("Your code is 2026", "2026"), ("2026 is it", "2026"), ("Order 88213", "88213")],
)
def test_a_number_without_alternatives(text, code):
    """A year or an order number is taken if there is no other number."""
    assert code == code_in(text)


@pytest.mark.parametrize(
    "text", ["x" * 100_000, "1-" * 100_000, "code 1234 " * 100_000, "a." * 9_999]
)
def test_a_long_text(text):
    """Searching a very long text is fast, since only its beginning counts."""
    began_at = time.process_time()
    code_in(text)

    assert time.process_time() - began_at < 0.5
    assert code_in(" " * LONGEST + "4711") is None
