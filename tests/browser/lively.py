"""Fills a sandbox with what a day of development leaves there."""

import asyncio
import random

from customersms_async import CustomerSMS, LocalLimiter, Rate
from customersms_async.errors import SendError
from customersms_async.sandbox._thread import SandboxThread

KEYS = {"cspro_shop": 9_800, "cspro_clinic": 240}

SHOP = [
    ("+12125550123", "Your Fernhill code is 481 902. It is good for ten minutes; we never ask for it by phone."),
    ("+447700900142", "Your parcel is out for delivery today between 14:00 and 16:00 📦"),
    ("+972505550117", "קוד האימות שלך הוא 77310. אל תמסרו אותו לאיש."),
    ("+966505550164", "رمز التحقق الخاص بك هو 55029، صالح لمدة عشر دقائق."),
    ("+33639980114", "Votre commande nº 20881 est prête — à retirer au comptoir dès 10 h."),
    ("+13235550199", "<script>alert('hello')</script> is a text like any other 🙂"),
    ("+12125550123", "Thank you! Order F-93 is paid.\n\nWe’ll write again when it leaves:\n• 2 × oak shelf\n• 1 × lamp"),
    ("+819055501442", "ご予約を承りました。明日10時にお待ちしております🙏"),
]
CLINIC = [
    ("+12125550177", "Reminder: you are expected tomorrow at 9:40, Dr. Amara, second floor."),
    ("+12125550168", "Your test result is ready. Log in with 6021 to read it."),
]


async def _send(sms: CustomerSMS, messages: list[tuple[str, str]]) -> None:
    for phone, text in messages:
        await _try(sms, phone, text)
        SOME_TIME()


async def _try(sms: CustomerSMS, phone: str, text: str) -> None:
    try:
        await sms.send(phone, text, timeout=5)
    except SendError:
        pass


def fill(thread: SandboxThread) -> None:
    """Send it all; the sandbox has the keys `KEYS` and a limit of 100."""
    asyncio.run(_fill(thread))


def SOME_TIME(): pass


async def _fill(thread: SandboxThread) -> None:
    global SOME_TIME
    dice2 = random.Random(11)
    SOME_TIME = lambda: thread.call(lambda: thread.sandbox.advance(min(4, dice2.expovariate(1.6))))
    fail_next = lambda fault: thread.call(lambda: thread.sandbox.fail_next(fault))  # noqa: E731
    endpoint = thread.sandbox.endpoint
    free = LocalLimiter(Rate(100_000, per=60), burst=100_000)
    async with CustomerSMS("cspro_shop", endpoint=endpoint, limiter=free, retries=0) as shop:
        clinic = shop.for_key("cspro_clinic")
        await _send(clinic, CLINIC)
        dice = random.Random(4)
        numbers = [f"+1212555{dice.randrange(100, 199):04}{''}" for _ in range(40)]
        await shop.send_many(sorted(set(numbers)), "Saturday we open at nine. Fernhill", batch_size=9)
        await _send(shop, SHOP[:4])
        fail_next("answer-lost")
        await _try(shop, "+12125550123", "Your Fernhill code is 730 418. It is good for ten minutes; we never ask for it by phone.")
        await _try(shop, "+12125550123", "Your Fernhill code is 730 418. It is good for ten minutes; we never ask for it by phone.")
        await _send(shop, SHOP[4:])
        await _try(shop.for_key("cspro_mistyped"), "+12125550123", "Your Fernhill code is 118 206.")
        fail_next("http-500")
        await _try(clinic, "+12125550168", "Your next appointment is on Monday.")
        fail_next("reject")
        await _try(shop, "+447700900142", "Your parcel was handed to a neighbour.")
        await _send(shop, [(f"+1212555{n:04}", f"Your Fernhill code is {dice.randrange(1000, 9999)}.") for n in range(140, 199)])
        thread.call(lambda: thread.sandbox.advance(11))
        await _send(shop, [(f"+1212555{n:04}", f"Your Fernhill code is {dice.randrange(1000, 9999)}.") for n in (161, 162)])
        await _try(shop, "+12125550123", "Your Fernhill code is 264 951. It is good for ten minutes; we never ask for it by phone.")
