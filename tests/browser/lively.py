"""Fill a sandbox with a typical day of development."""

import asyncio
import contextlib
import random

from customersms_async import CustomerSMS, LocalLimiter, Rate
from customersms_async.errors import SendError
from customersms_async.sandbox._thread import SandboxThread

KEYS = {"cspro_shop": 9_800, "cspro_clinic": 240}

CUSTOMER, PATIENT = "+12125550123", "+12125550168"

LOGIN = "Your Fernhill code is {}. It is good for ten minutes; we never ask for it by phone."

PAID = """Thank you! Order F-93 is paid.

We'll write again when it leaves:
• 2 × oak shelf
• 1 × lamp"""

LONG = (
    "Dear Ada, your order F-93 left our house this morning. It comes tomorrow between nine and "
    "noon, by a driver who rings twice. If nobody is at home, it goes to the shop at the corner."
)

SHOP = [
    (CUSTOMER, LOGIN.format("481 902")),
    ("+447700900142", "Your parcel is out for delivery today between 14:00 and 16:00 📦"),
    ("+972505550117", "קוד האימות שלך הוא 77310. אל תמסרו אותו לאיש."),
    ("+966505550164", "رمز التحقق الخاص بك هو 55029، صالح لمدة عشر دقائق."),
]
MORE = [
    ("+33639980114", "Votre commande est prête — à retirer au comptoir dès 10 h."),
    ("+13235550199", "<script>alert('hello')</script> is a text like any other 🙂"),
    (CUSTOMER, PAID),
    (CUSTOMER, LONG),
    ("+819055501442", "ご予約を承りました。明日10時にお待ちしております🙏"),
]
CLINIC = [
    ("+12125550177", "Reminder: you are expected tomorrow at 9:40, Dr. Amara, second floor."),
    (PATIENT, "Your test result is ready. Log in with 6021 to read it."),
]


class Day:
    """An application that sends while the sandbox's clock advances."""

    def __init__(self, thread: SandboxThread, shop: CustomerSMS) -> None:
        self.thread = thread
        self.shop = shop
        self.clinic = shop.for_key("cspro_clinic")
        self.dice = random.Random(11)

    async def send(self, messages: list[tuple[str, str]], sms: CustomerSMS | None = None) -> None:
        """Send each message with some time in between, whatever the result."""
        for phone, text in messages:
            with contextlib.suppress(SendError):
                await (sms or self.shop).send(phone, text, timeout=5)
            seconds = min(4, self.dice.expovariate(1.6))
            self.thread.call(lambda by=seconds: self.thread.sandbox.advance(by))

    def fail_next(self, fault: str) -> None:
        self.thread.call(lambda: self.thread.sandbox.fail_next(fault))

    def logins(self, start: int, count: int) -> list[tuple[str, str]]:
        phones = [f"+1212555{n:04}" for n in range(start, start + count)]
        return [
            (phone, f"Your Fernhill code is {self.dice.randrange(1000, 9999)}.") for phone in phones
        ]

    async def pass_by(self) -> None:
        """Send a bulk run and login codes, with a lost answer, a refusal and two failures."""
        await self.send(CLINIC, self.clinic)
        phones = [f"+1212555{n:04}" for n in range(100, 138)]
        await self.shop.send_many(phones, "Saturday we open at nine. Fernhill", batch_size=9)
        await self.send(SHOP)
        self.fail_next("answer-lost")
        await self.send([(CUSTOMER, LOGIN.format("730 418"))] * 2)
        await self.send(MORE)
        mistyped = self.shop.for_key("cspro_mistyped")
        await self.send([(CUSTOMER, "Your Fernhill code is 118 206.")], mistyped)
        self.fail_next("http-500")
        await self.send([(PATIENT, "Your next appointment is on Monday.")], self.clinic)
        self.fail_next("reject")
        await self.send([("+447700900142", "Your parcel was handed to a neighbour.")])
        await self.send(self.logins(140, 59))
        self.thread.call(lambda: self.thread.sandbox.advance(11))
        await self.send([*self.logins(161, 2), (CUSTOMER, LOGIN.format("264 951"))])


def fill(thread: SandboxThread) -> None:
    """Send everything; the sandbox has the keys `KEYS` and a limit of 100."""
    asyncio.run(_fill(thread))


async def _fill(thread: SandboxThread) -> None:
    free = LocalLimiter(Rate(100_000, per=60), burst=100_000)
    endpoint = thread.sandbox.endpoint
    async with CustomerSMS("cspro_shop", endpoint=endpoint, limiter=free, retries=0) as shop:
        await Day(thread, shop).pass_by()
