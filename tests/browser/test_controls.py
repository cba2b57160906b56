"""The inbox in a real browser: navigation, switches, and very many messages."""

import pytest

from tests.browser.conftest import OTHER_KEY, OTHER_PHONE, PHONE

ODD_NUMBER = "+33639980114"


@pytest.fixture
def filled(page, live):
    """Three numbers, the last one with the newest message."""
    live.post({"Your code is 4711": [PHONE], "Your parcel": [OTHER_PHONE], "Hello": [ODD_NUMBER]})
    page.until(lambda: len(page.all(".number")) == 3)
    return page


def chosen(page):
    """Return the number that is selected in the list."""
    return page.script(
        "return document.querySelector('.number[aria-selected=true]')?.dataset.phone"
    )


def choose(page, name, value):
    """Choose an option in a field of the panel, as a user does."""
    field = page.one(f"[name={name}]")
    if field.tag_name == "select":
        page.script(
            "arguments[0].value = arguments[1]; arguments[0].dispatchEvent(new Event('change'))",
            field,
            value,
        )
    else:
        field.clear()
        field.send_keys(value)


def press(page, label, inside="#faults"):
    """Press the button with a label."""
    page.until(lambda: [one for one in page.all(f"{inside} button") if one.text == label])[
        0
    ].click()


# --- Switches -----------------------------------------------------------------------------------


def test_a_standing_fault(page, live):
    """It applies to the next request, a banner says so, and the banner can switch it off."""
    page.press("f")
    choose(page, "standing", "answer-lost")
    band = page.one("#standing").text
    lost = live.send("One")
    press(page, "×")
    press(page, "Switch off", "#standing")
    page.until(lambda: not page.all("#standing")[0].is_displayed())
    sent = live.send("Two")

    assert "every request answer-lost" in band
    assert ("OutcomeUnknown", "Receipt") == (lost, sent)


def test_the_next_requests(page, live):
    """The given number of requests get the fault, and the plan shrinks meanwhile."""
    page.press("f")
    choose(page, "next-fault", "http-500")
    choose(page, "next-times", "2")
    press(page, "Add")
    page.until(lambda: "next http-500 ×2" in page.text("#standing"))
    first = live.send("One")
    page.until(
        lambda: "next http-500" in page.text("#standing") and "×2" not in page.text("#standing")
    )
    then = [live.send(text) for text in ("Two", "Three")]

    assert ["OutcomeUnknown", "OutcomeUnknown", "Receipt"] == [first, *then]
    assert page.until(lambda: not page.all("#standing")[0].is_displayed())


def test_chance_and_latency(page, live):
    """A probability with its seed and a latency can be set, and are shown."""
    page.press("f")
    choose(page, "dice-percent", "100")
    page.all("[name=dice-fault] ~ button")[-1].click()
    page.until(lambda: "answer-lost 100 %" in page.text("#standing"))
    choose(page, "latency", "0.05")
    page.press("ENTER")
    page.until(lambda: "latency 0.05 s" in page.text("#standing"))

    assert "OutcomeUnknown" == live.send("One")
    assert page.until(
        lambda: "ms" in page.text(".request .took") and "<" not in page.text(".request .took")
    )


def test_an_invalid_setting(page):
    """The sandbox's error message is shown in the panel."""
    page.press("f")
    choose(page, "latency", "soon")
    page.press("ENTER")

    assert "latency must be" in page.one("#faults .problem").text
    assert any("400" in one for one in page.complaints())


def test_limit_clock_and_credits(page, live):
    """Limit, clock and credits can be set in the panel, and take effect."""
    page.press("f")
    choose(page, "limit", "1")
    page.press("ENTER")
    page.until(lambda: "of 1 in 60 s" in page.text("#minute"))
    said = [live.send("One"), live.send("Two")]
    press(page, "+1 min")
    page.until(lambda: "1 free" in page.text("#minute"))
    choose(page, "credits", "7")
    said.append(live.send("Three"))
    page.until(lambda: len(page.all(".request")) == 3)
    page.press("ENTER")

    assert ["Receipt", "RateLimited", "Receipt"] == said
    assert page.until(lambda: "7 cr" in page.text("#mailboxes"))


def test_typed_text_is_kept(page, live):
    """Requests that arrive do not remove what is being typed in the panel."""
    live.thread.call(lambda: live.sandbox.fail_next("ok", 3))
    page.press("f")
    choose(page, "credits", "7")
    live.send("One")
    page.until(lambda: "next ok ×2" in page.text("#standing"))

    assert "7" == page.one("[name=credits]").get_attribute("value")


def test_clear(filled, live):
    """After a confirmation everything is removed."""
    filled.press("f")
    press(filled, "Clear messages and requests")
    press(filled, "Clear every mailbox? Press again")

    assert filled.one("#start")
    assert () == live.sandbox.messages


def test_faults_of_one_mailbox(page, live):
    """With a mailbox selected, the switches apply to it only."""
    page.until(lambda: len(page.all(".mailbox")) == 3)
    live.send("Hello")
    page.one(".number")
    page.all(".mailbox")[2].click()
    page.press("f")
    page.until(lambda: "for …" in page.text("#faults-title"))
    choose(page, "standing", "reset-before")
    page.until(lambda: "reset-before" in page.text("#standing"))

    assert "OutcomeUnknown" == live.send("One", key=OTHER_KEY)
    assert "Receipt" == live.send("Two")


# --- Navigation -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("words", "found"),
    [("PARCEL", OTHER_PHONE), ("555 01", PHONE), ("(339", None), ("+33 639", ODD_NUMBER)],
)
def test_search(filled, words, found):
    """Part of a text in any case, or of a number in any format, is found in both lists."""
    filled.press("/", words)
    expected = [found] if found else []
    numbers = "return [...document.querySelectorAll('.number')].map((one) => one.dataset.phone)"

    assert filled.until(lambda: filled.script(numbers) == expected)
    assert len(expected) == len(filled.all(".request"))
    filled.press("ESCAPE")
    assert filled.until(lambda: len(filled.all(".number")) == 3)


def test_filters(filled, live):
    """A filter shows only what it names, with the count."""
    live.fail_next("answer-lost")
    live.send("Lost", OTHER_PHONE)
    words = filled.until(lambda: filled.one("#number-chips [data-filter=lost]").text)
    filled.click("#number-chips [data-filter=lost]")
    filled.until(lambda: len(filled.all(".number")) == 1)
    filled.click("#number-chips [data-filter=codes]")
    filled.until(lambda: chosen(filled) == PHONE)
    filled.click("#request-chips [data-filter=lost]")

    assert "Lost1" == words.replace("\n", "").replace(" ", "")
    assert filled.until(lambda: filled.texts(".request .outcome") == ["answer lost"])


def test_keys_move_in_the_list(filled):
    """j, k and arrows move, Home and End go to the ends, Enter opens the conversation."""
    steps = []
    for key in ("j", "ARROW_DOWN", "k", "END", "HOME"):
        filled.press(key)
        steps.append(chosen(filled))
    filled.press("ENTER")

    assert [OTHER_PHONE, PHONE, OTHER_PHONE, PHONE, ODD_NUMBER] == steps
    assert filled.script("return document.activeElement.classList.contains('bubbles')")
    assert filled.driver.current_url.endswith(f"#/{ODD_NUMBER}")


def test_keys_move_in_the_requests(filled):
    """After r they move among requests; Escape closes the open one."""
    filled.press("r", "j", "j")
    filled.one("#detail pre")
    place = filled.driver.current_url
    filled.press("ESCAPE")

    assert place.endswith("#/request/2")
    assert filled.until(lambda: not filled.all("#detail")[0].is_displayed())


def test_c_copies_the_code(filled):
    """The key c copies the newest code of the conversation."""
    filled.press("j", "j", "c")
    filled.until(lambda: filled.text("#toast") == "Copied 4711")
    filled.press("/")
    filled.driver.execute_cdp_cmd(
        "Browser.grantPermissions", {"permissions": ["clipboardReadWrite"]}
    )

    assert "4711" == filled.driver.execute_async_script(
        "navigator.clipboard.readText().then(arguments[0])"
    )


def test_the_list_of_shortcuts(filled):
    """? shows the shortcuts, Escape closes them."""
    filled.press("?")
    sheet = filled.one("#help").text
    filled.press("ESCAPE")

    assert "copy the last code" in sheet
    assert filled.until(lambda: not filled.all("#help")[0].is_displayed())


def test_marking_all_as_seen(page, live):
    """U marks everything as seen."""
    live.post({"One": [PHONE]})
    page.click(".number")
    live.post({"Two": [OTHER_PHONE], "Three": [ODD_NUMBER]})
    page.until(lambda: page.driver.title == "(2) SMS inbox")
    page.press("u")

    assert page.until(lambda: page.driver.title == "SMS inbox")
    assert [] == page.all(".is-unseen")


def test_everything_has_an_accessible_name(filled, live):
    """Every control has a name for screen readers, in the panel and the details too."""
    filled.press("f")
    filled.one("#faults .group-of")
    filled.open("#/request/1")
    filled.one("#detail pre")
    filled.press("f")
    filled.one("#faults .group-of")
    nodes = filled.driver.execute_cdp_cmd("Accessibility.getFullAXTree", {})["nodes"]
    used = {
        "button",
        "textbox",
        "searchbox",
        "combobox",
        "listbox",
        "spinbutton",
        "meter",
        "link",
        "option",
    }
    bare = [
        node["role"]["value"]
        for node in nodes
        if not node["ignored"] and node["role"]["value"] in used and not node["name"]["value"]
    ]

    assert [] == bare


def test_new_messages_are_announced(page, live):
    """A screen reader announces several new messages together, not one by one."""
    live.post({f"Message {n}": [PHONE] for n in range(5)} | {"Your code is 4711": [PHONE]})

    assert page.until(
        lambda: page.text("#news") == f"6 new messages, the last to {PHONE}: code 4711"
    )


def test_dark_and_light(page):
    """The colour scheme follows the browser until the user chooses one, which is stored."""
    ground = "return getComputedStyle(document.body).backgroundColor"
    light = page.script(ground)
    page.prefer(color_scheme="dark")
    dark = page.script(ground)
    page.press("t")
    chosen_light = page.script(ground)
    page.open()

    assert light != dark
    assert light == chosen_light == page.script(ground)


def test_a_phone_shows_one_column(filled):
    """Numbers, conversation, requests and a request fill the screen, with a way back."""
    filled.narrow()
    columns = """return [...document.querySelectorAll('.column')]
        .filter((one) => one.clientWidth)
        .map((one) => one.id)"""
    steps = [filled.script(columns)]
    filled.all(".number")[2].click()
    filled.one(".bubble")
    steps.append(filled.script(columns))
    filled.click(".request-link")
    filled.one("#detail pre")
    is_alone = not filled.all("#request-list")[0].is_displayed()
    steps.append(filled.script(columns))
    filled.driver.back()
    filled.one(".bubble")
    filled.click(".back")
    filled.one("#number-list")
    steps.append(filled.script(columns))
    filled.click("[data-tab=requests]")
    filled.one("#request-list")
    steps.append(filled.script(columns))

    assert [["numbers"], ["thread"], ["wire"], ["numbers"], ["wire"]] == steps
    assert is_alone
    assert filled.script("return document.documentElement.scrollWidth") == 360


# --- Very many messages ---------------------------------------------------------------------------

LARGEST = "return document.querySelectorAll('*').length"


def test_ten_thousand_numbers(page, live):
    """They can be scrolled to the end, and only visible rows are in the document."""
    phones = [f"+1212{n:07}" for n in range(10_000)]
    live.thread.call(lambda: [live.sandbox.set_limit(None)])
    live.post({"Hello": phones})
    page.open()
    page.until(lambda: "10,000" in page.text("#number-chips"))
    page.script("document.querySelector('#number-list').scrollTop = 1e9")
    page.until(lambda: page.all(f"[data-phone='{phones[0]}']"))
    page.script("document.querySelector('#request-list').scrollTop = 1e9")
    page.until(lambda: page.all("#request1"))
    page.press("HOME")

    assert page.until(lambda: chosen(page) == phones[-1])
    assert len(page.all(".number")) < 32
    assert page.script(LARGEST) < 1_500


def test_ten_thousand_messages_to_one_number(page, live):
    """The conversation opens at its newest message, and scrolls to its first."""
    live.post({f"Message {n}": [PHONE] for n in range(10_000)})
    page.open()
    page.until(lambda: "10,000 messages" in page.text(".thread-about"))
    page.until(lambda: "Message 9999" in page.texts(".bubble .text"))
    page.script("document.querySelector('.bubbles').scrollTop = 0")

    assert page.until(lambda: "Message 0" in page.texts(".bubble .text"))
    assert page.script(LARGEST) < 1_500


def test_the_scroll_position_is_kept(page, live):
    """New messages and requests do not move a list that was scrolled down."""
    live.post({f"Message {n}": [PHONE] for n in range(200)})
    page.until(lambda: "200 messages" in page.text(".thread-about"))
    page.script("document.querySelector('.bubbles').scrollTop = 300")
    page.script("document.querySelector('#request-list').scrollTop = 3000")
    places = """return ['.bubble', '.request'].map((one) => {
        const list = document.querySelector(one).closest('.list');
        const { top } = list.getBoundingClientRect();
        const isInSight = (row) => row.getBoundingClientRect().bottom > top + 1;
        const row = [...list.querySelectorAll(one)].find(isInSight);
        return [row.textContent, Math.round(row.getBoundingClientRect().top)];
    })"""
    before = page.until(
        lambda: (
            page.script("return document.querySelector('.bubbles').scrollTop < 1000")
            and page.script(places)
        )
    )
    live.post({f"Later {n}": [PHONE] for n in range(50)})
    page.until(lambda: "250 messages" in page.text(".thread-about"))

    assert before == page.script(places)
    assert page.one(".more")


def test_a_request_with_many_numbers(page, live):
    """All of its messages are shown, though its event has only the first hundred."""
    numbers = ",".join(f"+1212555{n:04}" for n in range(1_000))
    live.post({"Hello": [numbers]})

    assert page.until(
        lambda: "All\n1,000" in page.text("#number-chips") or "1,000" in page.text("#number-chips")
    )
    assert "1,000 numbers" in page.one(".request").text


# --- Counting segments --------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "size"),
    [
        ("", ("GSM-7", 0, 1)),
        ("a" * 160, ("GSM-7", 160, 1)),
        ("a" * 161, ("GSM-7", 161, 2)),
        ("a" * 153 * 2, ("GSM-7", 306, 2)),
        ("a" * 153 * 2 + "a", ("GSM-7", 307, 3)),
        ("€" * 80, ("GSM-7", 160, 1)),
        ("a" * 152 + "€" + "a" * 152, ("GSM-7", 306, 3)),
        ("ç", ("UCS-2", 1, 1)),
        ("я" * 70, ("UCS-2", 70, 1)),
        ("я" * 71, ("UCS-2", 71, 2)),
        ("🙂" * 35, ("UCS-2", 70, 1)),
        ("я" * 66 + "🙂" + "я" * 66, ("UCS-2", 134, 3)),
    ],
)
def test_segments_on_the_page(browser, segments, text, size):
    """They are counted as the standards say; no escape sequence or surrogate pair is split."""
    assert list(size) == segments(text)


@pytest.fixture(scope="module")
def segments(browser):
    """Count with the page's own module."""
    from customersms_async.sandbox import Sandbox  # noqa: PLC0415
    from customersms_async.sandbox._thread import SandboxThread  # noqa: PLC0415

    script = """const [text, done] = arguments;
        import("/static/segments.js").then(({ sizeOf }) => {
            const { alphabet, units, segments } = sizeOf(text);
            done([alphabet, units, segments]);
        });"""
    with SandboxThread(Sandbox()) as thread:
        browser.get(thread.sandbox.help_url)
        yield lambda text: browser.execute_async_script(script, text)
        browser.get("about:blank")
