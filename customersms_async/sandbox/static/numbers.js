// The left column: mailboxes, and the numbers that got messages.

import { byId, h, replaceChildren } from "./dom.js";
import { VirtualList } from "./list.js";
import { count, counted, mailboxName, phoneIn, time } from "./format.js";

/** @typedef {import("./store.js").Store} Store */
/** @typedef {import("./store.js").Thread} Thread */

/** @type {Record<string, {label: string, fits: (thread: Thread) => boolean}>} */
export const NUMBER_FILTERS = {
  all: { label: "All", fits: () => true },
  unseen: { label: "Unseen", fits: (thread) => thread.unseen > 0 },
  codes: { label: "Codes", fits: (thread) => thread.coded !== null },
  duplicates: { label: "Duplicates", fits: (thread) => thread.duplicates > 0 },
  lost: { label: "Lost", fits: (thread) => thread.lost > 0 },
  undelivered: { label: "Not sent", fits: (thread) => thread.undelivered > 0 },
};

export class Numbers {
  /** @type {Map<string, {query: string, size: number, fits: boolean}>} */
  #matches = new Map();

  /** @param {(phone: string) => void} open */
  constructor(open) {
    /** @type {string | null} */
    this.selected = null;
    /** @type {VirtualList<Thread>} */
    this.list = new VirtualList(byId("number-list"), {
      height: 62,
      isFixed: true,
      edge: "top",
      empty: "No number fits.",
      key: (thread) => thread.phone,
      stamp: (thread) => `${thread.entries.length} ${thread.unseen} ${thread.entries.at(-1)?.key}`,
      build: row,
      place: (element, thread) =>
        element.setAttribute("aria-selected", String(thread.phone === this.selected)),
    });
    this.list.scroller.addEventListener("click", (event) => {
      const found = /** @type {Element} */ (event.target).closest("[data-phone]");
      if (found instanceof HTMLElement && found.dataset.phone) open(found.dataset.phone);
    });
  }

  /**
   * @param {Store} store
   * @param {{query: string, filter: string}} wanted
   * @returns {Thread[]} what is shown, newest first
   */
  show(store, { query, filter }) {
    const words = query.trim().toLowerCase();
    const all = [...store.threads.values()].reverse();
    const { fits } = NUMBER_FILTERS[filter];
    const shown = all.filter(
      (thread) => fits(thread) && (!words || this.#matchesWords(thread, words)),
    );
    this.list.show(shown);
    this.#mark(shown);
    return shown;
  }

  /** @param {string | null} phone */
  select(phone) {
    this.selected = phone;
    this.list.refresh();
    this.#mark(this.list.items);
  }

  /** @param {Thread[]} shown */
  #mark(shown) {
    const isThere = shown.some((thread) => thread.phone === this.selected);
    const { scroller } = this.list;
    if (isThere && this.selected)
      scroller.setAttribute("aria-activedescendant", rowId(this.selected));
    else scroller.removeAttribute("aria-activedescendant");
  }

  /**
   * @param {Thread} thread
   * @param {string} words
   */
  #matchesWords(thread, words) {
    const known = this.#matches.get(thread.phone);
    const size = thread.entries.length;
    if (known && known.query === words && known.size === size) return known.fits;
    const fits =
      isNumber(words, thread.phone) ||
      thread.entries.some((entry) => entry.text.toLowerCase().includes(words));
    this.#matches.set(thread.phone, { query: words, size, fits });
    return fits;
  }
}

/**
 * Return whether the typed text is part of a number, in any grouping.
 * @param {string} words
 * @param {string} phone
 */
export function isNumber(words, phone) {
  return (
    /^\+?[0-9 ().-]*[0-9][0-9 ().-]*$/.test(words) && phone.includes(words.replace(/[^+0-9]/g, ""))
  );
}

/** @param {string} phone */
const rowId = (phone) => `to${phone.slice(1)}`;

/**
 * One number.
 * @param {Thread} thread
 */
function row(thread) {
  const { phone, entries, unseen, coded } = thread;
  const newest = entries[entries.length - 1];
  const code = newest.message?.code && newest.message === coded ? newest.message.code : null;
  return h(
    "div",
    {
      class: `row number${unseen ? " is-unseen" : ""}`,
      role: "option",
      id: rowId(phone),
      "data-phone": phone,
    },
    h(
      "div",
      { class: "row-top" },
      phoneIn(phone),
      marks(thread),
      h("time", { datetime: newest.at }, time(newest.at)),
    ),
    h(
      "div",
      { class: "row-text" },
      h("span", { class: "snippet", dir: "auto" }, newest.text.slice(0, 120)),
      code && h("span", { class: "code-tag" }, h("span", { class: "out-of-sight" }, "code "), code),
      unseen > 0 && h("span", { class: "unseen", "aria-label": `${unseen} unseen` }, count(unseen)),
    ),
  );
}

/**
 * Problems, with the same marks as requests.
 * @param {Thread} thread
 */
function marks({ duplicates, lost, undelivered }) {
  return h("span", { class: "marks" }, [
    duplicates > 0 && mark("duplicate", counted(duplicates, "duplicate")),
    lost > 0 && mark("lost", counted(lost, "lost answer")),
    undelivered > 0 && mark("refused", `${count(undelivered)} not sent`),
  ]);
}

/**
 * @param {string} kind
 * @param {string} words
 */
function mark(kind, words) {
  return h(
    "span",
    { class: `mark is-${kind}`, title: words },
    h("span", { class: "out-of-sight" }, words),
  );
}

/**
 * The mailboxes, one per key.
 * @param {Store} store
 * @param {(account: string | null) => void} choose
 */
export function showMailboxes(store, choose) {
  const accounts = [...store.accounts.values()];
  const rows = accounts.map((one) =>
    mailbox(one, store.mailbox === one.account || accounts.length === 1, () => choose(one.account)),
  );
  const total = accounts.reduce((sum, one) => sum + one.messages, 0);
  const all =
    accounts.length > 1 &&
    mailboxRow({ name: "All mailboxes", note: "", messages: total }, store.mailbox === null, () =>
      choose(null),
    );
  if (all) all.dataset.all = "";
  const stamp = JSON.stringify([
    accounts.map((one) => [one.account, one.credits, one.messages, one.usage]),
    store.mailbox,
  ]);
  const place = byId("mailboxes");
  if (place.dataset.stamp === stamp) return;
  const focused = [...place.children].indexOf(/** @type {Element} */ (document.activeElement));
  replaceChildren(place, all, rows);
  place.dataset.stamp = stamp;
  if (focused >= 0)
    /** @type {HTMLElement} */ (place.children[focused] ?? place.children[0]).focus();
}

/**
 * @param {import("./store.js").Account} account
 * @param {boolean} isChosen
 * @param {() => void} choose
 */
function mailbox({ account, credits, messages, usage }, isChosen, choose) {
  const note = credits === null ? "no account" : `${count(credits)} cr`;
  const element = mailboxRow({ name: mailboxName(account), note, messages }, isChosen, choose);
  element.title =
    credits === null
      ? `${account}: not a key of this sandbox`
      : `${account}: ${counted(credits, "credit")} left`;
  const gauge = h("span", {
    class: `mailbox-gauge${usage.free === 0 ? " is-full" : ""}`,
    "aria-hidden": "true",
  });
  gauge.style.inlineSize = `${Math.min(100, (100 * usage.used) / (usage.capacity ?? usage.documented.limit))}%`;
  element.append(gauge);
  return element;
}

/**
 * @param {{name: string, note: string, messages: number}} shown
 * @param {boolean} isChosen
 * @param {() => void} choose
 */
function mailboxRow({ name, note, messages }, isChosen, choose) {
  return h(
    "button",
    { type: "button", class: "mailbox", "aria-current": isChosen ? "true" : null, onclick: choose },
    h("span", { class: "mailbox-name" }, name),
    h(
      "span",
      { class: `mailbox-note${note === "0 cr" || note === "no account" ? " is-bad" : ""}` },
      note,
    ),
    h(
      "span",
      { class: "mailbox-count", "aria-label": counted(messages, "message") },
      count(messages),
    ),
  );
}
