"""The inbox in a real browser: what arrives, what went wrong, and where it is shown."""

import json
from pathlib import Path

import pytest

from customersms_async.sandbox import Sandbox
from customersms_async.sandbox._thread import SandboxThread
from tests.browser.conftest import KEY, OTHER_KEY, OTHER_PHONE, PHONE


def test_a_message_appears_without_a_reload(page, live):
    """A message from `CustomerSMS` appears in the open page: number, text and code."""
    page.script("window.isTheSame = true")
    live.send("Your code is 481 902")
    bubble = page.one(".bubble .text")

    assert "Your code is 481 902" == bubble.text
    assert ["481 902"] == page.texts(".bubble .code")
    assert "481902" == page.text(".last-code .digits")
    assert PHONE in page.text("#number-list")
    assert page.script("return window.isTheSame")


def test_details_of_a_message(page, live):
    """Its segments, its length and its request are shown beside it."""
    live.send("Prête à 9 h 🙂")
    meta = page.one(".bubble .meta").text

    assert "1 segment · 13 characters · UCS-2" in meta
    assert "#1" in meta


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("It\u2019s tonight", "for \u2019"),
        ("at\u00a0nine", "for a blank"),
        ("Pay\u200bPal", "for U+200B"),
        ("\u202ereversed\u202c", "for U+202E U+202C"),
    ],
)
def test_an_invisible_character_is_named(page, live, text, words):
    """An invisible character that makes a text longer is shown by its number."""
    live.send(text)

    assert words == page.one(".bubble .forced").text


def test_segments_are_counted_as_charged(page):
    """The page counts segments as the price by segment does."""
    cases = (Path(__file__).parent.parent / "support" / "segments.json").read_text("utf-8")
    counted = page.script(
        "return import('/static/segments.js').then(({sizeOf}) => "
        f"{cases}.map(([piece, times]) => sizeOf(piece.repeat(times)).segments))"
    )

    assert [segments for _, _, segments in json.loads(cases)] == counted


def test_the_gauge(page, live):
    """It fills with requests, counts refused ones, says when it is free again, and empties."""
    live.thread.call(lambda: live.sandbox.set_limit(5))
    page.until(lambda: "of 5 in 60 s" in page.text("#minute"))
    for n in range(7):
        live.send(f"Message {n}")
    full = page.until(lambda: page.text("#minute") if "2 refused" in page.text("#minute") else None)
    most = page.one("[role=meter]").get_attribute("aria-valuenow")
    width = page.script("return document.querySelector('.minute-fill').style.inlineSize")
    live.thread.call(lambda: live.sandbox.advance(61))

    assert "free again in" in full
    assert ("5", "100%") == (most, width)
    assert page.until(lambda: page.one("[role=meter]").get_attribute("aria-valuenow") == "0")
    assert "5 free" in page.text("#minute")


def test_the_gauge_without_a_limit(page, live):
    """Without a limit it shows the documented limit for comparison."""
    live.post({"Hello": [PHONE] * 103})
    words = page.until(lambda: page.text("#minute") if "3 above" in page.text("#minute") else None)

    assert "no limit here; the gateway has 100" in words


def test_markup_is_shown_as_text(page, live):
    """Markup in a text, or in a request that is not JSON, is shown and never interpreted."""
    text = "<script>alert('no')</script><img src=x onerror=alert(1)>"
    live.send(text)
    live.thread.call(lambda: live.sandbox._service.receive(b"<script>alert(1)</script>"))
    shown = page.one(".bubble .text").text
    page.open("#/request/2")
    page.one("#detail pre")

    assert text == shown
    assert "<script>alert(1)</script>" in page.text("#detail")
    assert page.script("return !document.querySelector('main script, main img')")


def test_right_to_left(page, live):
    """Arabic and Hebrew texts run from right to left; their number and time do not."""
    live.send("رمز التحقق الخاص بك هو 55029، صالح لمدة عشر دقائق.")
    page.one(".bubble .text")
    direction = "return getComputedStyle(document.querySelector(arguments[0])).direction"

    assert "rtl" == page.script(direction, ".bubble .text")
    assert "rtl" == page.script(direction, ".number .snippet")
    assert "ltr" == page.script(direction, ".bubble .meta")
    assert PHONE == page.one(".thread-number").text.replace(" ", "")


@pytest.mark.parametrize(
    "text",
    ["w" * 700, "a\nb\n\nc", "e\u0301" * 40, "👩‍👩‍👧‍👦" * 30],
    ids=["long word", "line breaks", "combining marks", "emoji"],
)
def test_unusual_texts_fit(page, live, text):
    """Long words, line breaks, combining marks and emoji are shown whole, within the layout."""
    live.send(text)
    page.one(".bubble .text")

    assert text == page.script("return document.querySelector('.bubble .text').textContent")
    assert page.script(
        "const l = document.querySelector('.bubbles'); return l.scrollWidth <= l.clientWidth"
    )


def test_a_lost_answer(page, live):
    """Message and request are marked; the raw answer says that none of it arrived."""
    live.fail_next("answer-lost")
    said = live.send("Your code is 4711")
    remark = page.one(".bubble .remark.lost").text
    page.click(".request.is-lost")
    detail = page.until(lambda: "Answer" in page.text("#detail") and page.text("#detail"))

    assert "OutcomeUnknown" == said
    assert "the sender does not know" in remark
    assert "closed without a byte" in detail
    assert "none of it" in detail
    assert ["1"] == page.texts("[data-filter=lost] .chip-count")[:1]


def test_a_refused_request(page, live):
    """It is listed with its code, and shown in the conversation as not sent."""
    live.send("Your code is 4711", key="cspro_mistyped")
    ghost = page.one(".ghost").text

    assert "Not sent: refused" in ghost
    assert "INVALID_API_KEY" in ghost
    assert "INVALID_API_KEY" in page.one(".request.is-refused").text
    assert "no account" in page.until(
        lambda: "no account" in page.text("#mailboxes") and page.text("#mailboxes")
    )


def test_a_duplicate(page, live):
    """The second message with the same text and number is marked, with a link to the first."""
    live.send("Your code is 4711")
    live.send("Your code is 4711")
    remark = page.one(".bubble.is-duplicate .remark").text

    assert "Sent twice: the same text came at" in remark
    assert "#1" in remark
    assert "1 duplicate" in page.text(".thread-about")
    assert page.one(".request .flag.duplicate")


def test_a_rejected_number(page, live):
    """A rejected number of an array is marked; the others are not."""
    live.fail_next("reject")
    said = live.send("Hello")

    assert "Rejected" == said
    assert "Not sent: rejected" in page.one(".ghost").text
    assert "0 of 1 sent" in page.one(".request.is-part").text


def test_details_of_a_request(page, live):
    """Request and answer are shown formatted or raw, without the key."""
    live.send("Hi")
    page.open("#/request/1")
    page.one("#detail pre")
    pretty = page.text("#detail")
    page.click(".raw .quiet[aria-pressed]")
    raw = page.text("#detail")

    assert "POST /sms_system/api.php HTTP/1.1" in pretty
    assert '\n  "message": "Hi"\n}' in pretty
    assert '"remaining_credits": 19999' in pretty
    assert '"message":"Hi"}' in raw
    assert KEY not in page.driver.page_source
    assert page.until(lambda: "Took" in page.text("#detail"))


def test_a_deep_link_to_a_number(page, live):
    """It opens that conversation, even before anything was sent to the number."""
    live.post({"To one": [PHONE], "To another": [OTHER_PHONE]})
    page.open(f"#/{PHONE}")
    page.until(lambda: page.texts(".bubble .text") == ["To one"])
    page.open("#/+33639980114")

    assert page.until(lambda: "Nothing has been sent to this number" in page.text("#thread"))


def test_a_mailbox_for_each_key(page, live):
    """Selecting a mailbox hides what other keys sent, everywhere."""
    live.send("From one")
    live.send("From two", key=OTHER_KEY)
    page.until(lambda: len(page.all(".request")) == 2)
    page.all(".mailbox")[2].click()
    page.until(lambda: page.texts(".bubble .text") == ["From two"])

    assert 1 == len(page.all(".request"))
    assert "49 cr" in page.one(".mailbox[aria-current]").text


def test_the_title_counts_unseen_messages(page, live):
    """The count disappears once the conversation was opened."""
    live.send("One")
    page.click(".number")
    live.send("Two", OTHER_PHONE)
    live.send("Three", OTHER_PHONE)
    page.until(lambda: page.driver.title == "(2) SMS inbox")
    page.click(".number.is-unseen")

    assert page.until(lambda: page.driver.title == "SMS inbox")


def test_the_newest_conversation_is_shown(page, live):
    """Until a number is selected, the conversation with the newest message is shown."""
    live.send("One")
    page.until(lambda: page.texts(".bubble .text") == ["One"])
    live.send("Two", OTHER_PHONE)
    page.until(lambda: page.texts(".bubble .text") == ["Two"])
    page.all(".number")[1].click()
    live.send("Three", "+33639980114")
    page.until(lambda: len(page.all(".number")) == 3)

    assert ["One"] == page.texts(".bubble .text")


def test_an_empty_inbox_shows_how_to_send(page, live):
    """It shows both variables and calls in Python and curl, which can be copied."""
    words = page.one("#start").text
    page.all("#start button")[0].click()
    page.until(lambda: page.text("#toast") == "Copied")
    live.send("Hello")
    page.one(".bubble")

    assert f"export CUSTOMERSMS_ENDPOINT={live.sandbox.endpoint}" in words
    assert "export CUSTOMERSMS_API_KEY=" in words
    assert "await sms.send(" in words
    assert "curl " in words
    assert not page.all("#start")[0].is_displayed()


def test_reconnecting_after_a_restart(page, live):
    """It says that the sandbox is gone, then loads the messages of the next one."""
    live.send("Before")
    page.one(".bubble")
    port = int(live.sandbox.url.rpartition(":")[2])
    live.stop()
    gone = page.one("#gone").text
    with SandboxThread(Sandbox(keys={KEY: 5}, port=port)) as thread:
        again = type(live)(thread)
        again.send("After")
        page.until(lambda: page.texts(".bubble .text") == ["After"])
        again.send("And live")
        page.until(lambda: page.texts(".bubble .text") == ["After", "And live"])
        is_gone = page.one("#link").text
        page.driver.get("about:blank")

    assert "has not answered since" in gone
    assert "Live" == is_gone


def test_reconnecting_after_a_gap(page, live):
    """Messages that arrived while the stream was interrupted are shown afterwards."""
    live.send("Before")
    page.one(".bubble")
    page.driver.execute_cdp_cmd("Network.enable", {})
    offline = {"offline": True, "latency": 0, "downloadThroughput": -1, "uploadThroughput": -1}
    page.driver.execute_cdp_cmd("Network.emulateNetworkConditions", offline)
    page.script("window.dispatchEvent(new PageTransitionEvent('pagehide'))")
    live.send("Meanwhile")
    page.driver.execute_cdp_cmd("Network.emulateNetworkConditions", offline | {"offline": False})
    page.script("window.dispatchEvent(new PageTransitionEvent('pageshow', {persisted: true}))")

    assert page.until(lambda: page.texts(".bubble .text") == ["Before", "Meanwhile"])
