// The middle column: what one phone received, as the phone shows it, and what never reached it.

import { h, replaceChildren, setText } from "./dom.js";
import { VirtualList } from "./list.js";
import { sizeOf } from "./segments.js";
import {
  count,
  counted,
  day,
  dayKey,
  forcingInWords,
  mailboxName,
  markedText,
  phoneIn,
  time,
} from "./format.js";

/** @typedef {import("./store.js").Store} Store */
/** @typedef {import("./store.js").Thread} Thread */
/** @typedef {import("./store.js").Entry} Entry */
/** @typedef {import("./store.js").Message} Message */

/** How many characters of a text are shown at first. */
const LONGEST = 5_000;

export class ThreadView {
  /** @type {string | null} */
  #phone = null;
  #title = h("h2", { class: "thread-number" });
  #about = h("p", { class: "thread-about" });
  #code = h("div", { class: "last-code", hidden: true });
  #scroller = h("div", {
    class: "list bubbles",
    role: "list",
    tabindex: "0",
    "aria-label": "Messages, oldest first",
  });
  #more = h("button", { type: "button", class: "more", hidden: true }, "New messages ↓");
  #none = h("p", { class: "none" });

  /**
   * @param {HTMLElement} place
   * @param {Store} store
   * @param {{copyCode: (message: Message) => void, back: () => void}} does
   */
  constructor(place, store, does) {
    this.store = store;
    this.does = does;
    const back = h(
      "button",
      { type: "button", class: "back", "aria-label": "Back to the numbers", onclick: does.back },
      "‹",
    );
    const words = h("div", { class: "thread-words" }, this.#title, this.#about);
    replaceChildren(
      place,
      h("header", { class: "thread-head" }, back, words, this.#code),
      this.#scroller,
      this.#more,
      this.#none,
    );
    /** @type {VirtualList<Entry>} */
    this.list = new VirtualList(this.#scroller, {
      height: 84,
      isFixed: false,
      edge: "bottom",
      key: (entry) => entry.key,
      stamp: (entry, index, entries) => `${this.#fate(entry)} ${startsDay(entries, index)}`,
      build: (entry, index, entries) => this.#line(entry, index, entries),
      moved: () => this.#moved(),
    });
    this.#more.addEventListener("click", () => {
      this.list.toEdge();
      this.#moved();
    });
  }

  get scroller() {
    return this.#scroller;
  }

  /** Whether it is visible: on a narrow screen another view may take its place. */
  get isInSight() {
    return this.#scroller.clientHeight > 0;
  }

  /**
   * @param {Thread | undefined} thread
   * @param {string | null} phone its number; there may be no thread yet
   * @param {boolean} isFollowed whether it is shown because it is the newest
   */
  show(thread, phone, isFollowed) {
    const isOther = phone !== this.#phone;
    this.#phone = phone;
    const grew = !isOther && thread && thread.entries.length > this.list.items.length;
    const wasAtEdge = this.list.isAtEdge;
    this.#scroller.hidden = !thread;
    this.#none.hidden = Boolean(thread);
    setText(this.#none, phone ? "Nothing has been sent to this number." : "No number fits.");
    if (isOther) replaceChildren(this.#title, phone && phoneIn(phone));
    setText(this.#about, thread ? about(thread, isFollowed) : "");
    this.#showCode(thread?.coded ?? null);
    this.list.show(thread ? [...thread.entries] : [], isOther);
    if (isOther) this.#more.hidden = true;
    else if (grew && !wasAtEdge) this.#more.hidden = false;
  }

  #moved() {
    if (this.list.isAtEdge) this.#more.hidden = true;
  }

  /** @param {Message | null} message */
  #showCode(message) {
    const { dataset } = this.#code;
    this.#code.hidden = !message;
    if (!message || dataset.message === message.id) return;
    dataset.message = message.id;
    const button = h(
      "button",
      {
        type: "button",
        class: "copy-code",
        title: "Copy the code (c)",
        onclick: () => this.does.copyCode(message),
      },
      h("span", { class: "out-of-sight" }, "Copy the code "),
      h("span", { class: "digits" }, inGroups(message.code ?? "")),
      h("kbd", { "aria-hidden": "true" }, "c"),
    );
    replaceChildren(this.#code, h("span", { class: "last-code-label" }, "Last code"), button);
  }

  /** @param {Entry} entry */
  #fate({ message, request }) {
    return request?.fate ?? (message && this.store.request(message.request)?.fate) ?? "";
  }

  /**
   * @param {Entry} entry
   * @param {number} index
   * @param {Entry[]} entries
   */
  #line(entry, index, entries) {
    const heading = startsDay(entries, index) && h("p", { class: "day" }, day(entry.at));
    const { message } = entry;
    const bubble = message ? this.#bubble(message, entries, index) : this.#ghost(entry);
    return h("div", { class: "line", role: "listitem", "data-entry": entry.key }, heading, bubble);
  }

  /**
   * A message that was accepted.
   * @param {Message} message
   * @param {Entry[]} entries
   * @param {number} index
   */
  #bubble(message, entries, index) {
    const isLost = this.store.request(message.request)?.fate === "lost";
    const first = message.is_duplicate ? firstLike(entries, index) : null;
    const size = sizeOf(message.text);
    return h(
      "article",
      { class: `bubble${isLost ? " is-lost" : ""}${message.is_duplicate ? " is-duplicate" : ""}` },
      h("p", { class: "text", dir: "auto" }, markedText(shortened(message.text), size)),
      message.is_duplicate &&
        h(
          "p",
          { class: "remark duplicate" },
          "Sent twice",
          first?.message && [
            `: the same text came at ${time(first.at)} with `,
            requestLink(first.message.request),
          ],
        ),
      isLost &&
        h(
          "p",
          { class: "remark lost" },
          "Accepted, but the answer was lost: the sender does not know",
        ),
      h(
        "p",
        { class: "meta" },
        h("time", { datetime: message.at, title: message.at }, time(message.at)),
        h(
          "span",
          {
            title: `${count(size.units)} of ${count(size.room)} ${size.alphabet === "GSM-7" ? "septets" : "UTF-16 units"}`,
          },
          `${counted(size.segments, "segment")} · ${counted([...message.text].length, "character")} · ${size.alphabet}`,
          h("span", { class: "forced" }, forcingInWords(size)),
        ),
        this.store.accounts.size > 1 && h("span", {}, mailboxName(message.account)),
        requestLink(message.request),
      ),
    );
  }

  /**
   * What never reached the phone.
   * @param {Entry} entry
   */
  #ghost({ request, text, at }) {
    const why = request?.code ?? request?.fault ?? "rejected";
    const fate =
      request?.fate === "answered" || request?.fate === "lost" ? "rejected" : request?.fate;
    return h(
      "article",
      { class: `bubble ghost is-${fate}` },
      h(
        "p",
        { class: "remark" },
        h("b", {}, `Not sent: ${fate}`),
        h("span", { class: "why" }, why),
      ),
      h("p", { class: "text", dir: "auto" }, shortened(text)),
      h(
        "p",
        { class: "meta" },
        h("time", { datetime: at }, time(at)),
        request && requestLink(request.id),
      ),
    );
  }
}

/**
 * Six digits in threes, separated by spacing only.
 * @param {string} code
 */
function inGroups(code) {
  return (code.length === 6 ? [code.slice(0, 3), code.slice(3)] : [code]).map((part) =>
    h("span", { class: "group" }, part),
  );
}

/** @param {number} id */
function requestLink(id) {
  return h(
    "a",
    { class: "request-link", href: `#/request/${id}`, title: "Show the request that brought it" },
    h("span", { class: "out-of-sight" }, "Request "),
    `#${id}`,
  );
}

/**
 * @param {Thread} thread
 * @param {boolean} isFollowed
 */
function about({ messages, undelivered, duplicates, lost }, isFollowed) {
  const parts = [
    counted(messages, "message"),
    duplicates > 0 && counted(duplicates, "duplicate"),
    lost > 0 && `${count(lost)} with a lost answer`,
    undelivered > 0 && `${count(undelivered)} not sent`,
    isFollowed && "following the newest",
  ];
  return parts.filter(Boolean).join(" · ");
}

/**
 * @param {Entry[]} entries
 * @param {number} index
 */
function startsDay(entries, index) {
  return index === 0 || dayKey(entries[index].at) !== dayKey(entries[index - 1].at);
}

/**
 * Find the first message of the same text.
 * @param {Entry[]} entries
 * @param {number} index
 */
function firstLike(entries, index) {
  const { text, account } = entries[index];
  const found = entries.findIndex(
    (one) => one.message && one.text === text && one.account === account,
  );
  return found < index ? entries[found] : null;
}

/** @param {string} text */
function shortened(text) {
  return text.length <= LONGEST
    ? text
    : `${text.slice(0, LONGEST)}… (${count(text.length)} characters)`;
}
