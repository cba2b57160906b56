// The page: what it shows, where the reader is, and what the keys do.
//
// Rule of this module: one pass redraws everything, shortly after a change, and rarely if there are
// many changes.

import { Chips } from "./chips.js";
import { followColours, turnColours } from "./colours.js";
import { Detail } from "./detail.js";
import { byId, setText } from "./dom.js";
import { FaultPanel } from "./faults.js";
import { Feed } from "./feed.js";
import { download, messagesOf } from "./export.js";
import { listen, showSheet } from "./keys.js";
import { Gauge } from "./gauge.js";
import { NUMBER_FILTERS, Numbers, showMailboxes } from "./numbers.js";
import { announce, copyAndSay, toast } from "./toasts.js";
import { showStart } from "./start.js";
import { Store } from "./store.js";
import { ThreadView } from "./thread.js";
import { counted, time } from "./format.js";
import { REQUEST_FILTERS, RequestList } from "./requests.js";
import { Router } from "./router.js";
import { RenderScheduler } from "./scheduler.js";

/** @typedef {import("./store.js").Message} Message */

const store = new Store();
const state = {
  view: "home",
  /** The number that the reader chose; none to follow the newest. @type {string | null} */
  phone: null,
  /** @type {number | null} */
  request: null,
  /** The list that the keys move in. @type {"numbers" | "requests"} */
  list: "numbers",
  query: "",
  isGone: false,
};

const gauge = new Gauge(byId("minute"));
const numbers = new Numbers((phone) => go(`#/${phone}`));
const requests = new RequestList((id) => go(`#/request/${id}`));
const thread = new ThreadView(byId("thread"), store, { copyCode, back: () => go("#/") });
const panel = new FaultPanel(dialog("faults"), {
  mailbox: () => store.mailbox,
  accounts: () => [...store.accounts.values()],
});
const detail = new Detail(byId("detail"), {
  close: closeRequest,
  meaning: (fault) => panel.meaning(fault),
});
const search = /** @type {HTMLInputElement} */ (byId("search"));
const feed = new Feed(store, { changed, loaded, arrived, answered, set: rereadFaults, connected });

/** @param {string} id */
function dialog(id) {
  return /** @type {HTMLDialogElement} */ (byId(id));
}

// --- Events of the sandbox ------------------------------------------------------------------------

let wasLoaded = false;

function loaded() {
  for (const { list } of [numbers, requests, thread]) list.forget();
  void detail.refresh();
  panel.read().catch(() => undefined);
  render();
  if (!wasLoaded) reveal();
  wasLoaded = true;
}

/** @param {Message[]} messages */
function arrived(messages) {
  announce(messages);
  if (!byId("standing").hidden) rereadFaults();
}

/** @param {number} id */
function answered(id) {
  if (id === state.request) void detail.refresh();
}

let rereading = 0;

function rereadFaults() {
  rereading ||= window.setTimeout(() => {
    rereading = 0;
    panel.read().catch(() => undefined);
  }, 250);
}

/** @param {boolean} isOpen */
function connected(isOpen) {
  document.body.classList.toggle("is-gone", !isOpen);
  const link = byId("link");
  link.classList.toggle("is-open", isOpen);
  setText(link, isOpen ? "Live" : "Gone");
  const since = time(new Date().toISOString());
  if (!isOpen && !state.isGone)
    setText(
      byId("gone"),
      `The sandbox has not answered since ${since}. Trying again every second.`,
    );
  byId("gone").hidden = isOpen;
  if (isOpen && state.isGone) toast("The sandbox is back");
  state.isGone = !isOpen;
  changed();
}

// --- The budget -----------------------------------------------------------------------------------

const still = window.matchMedia("(prefers-reduced-motion: reduce)");

setInterval(() => {
  if (feed.isUsed && !document.hidden && !state.isGone) feed.readAccounts().catch(() => undefined);
}, 1000);

let beat = 0;

setInterval(() => {
  beat += 1;
  const isDue = !still.matches || beat % 5 === 0;
  if (isDue && !document.hidden && feed.isLoaded) drawGauge();
}, 200);

function drawGauge() {
  const account = feed.fullest;
  gauge.show(account, store.mailbox === null && store.accounts.size > 1);
  const now = Date.now() + feed.ahead;
  gauge.draw(store.requests, (one) => store.shows(one), now, account?.usage.per ?? 60);
}

// --- What is shown --------------------------------------------------------------------------------

const scheduler = new RenderScheduler(render);

/** Schedule a redraw. */
function changed() {
  scheduler.request();
}

function render() {
  if (!feed.isLoaded) return;
  const isEmpty = !store.messages.length && !store.requests.length;
  document.body.dataset.view = state.view;
  document.body.classList.toggle("is-empty", isEmpty);
  byId("start").hidden = !isEmpty;
  if (isEmpty) showStart(byId("start"), [...store.accounts.keys()]);
  showMailboxes(store, chooseMailbox);
  showChips();
  const shown = numbers.show(store, { query: state.query, filter: numberChips.chosen });
  requests.show(store, { query: state.query, filter: requestChips.chosen });
  const phone = state.phone ?? shown[0]?.phone ?? null;
  const found = phone ? store.threads.get(phone) : undefined;
  numbers.select(phone);
  requests.select(state.request);
  thread.show(found, phone, state.phone === null);
  void detail.show(state.request);
  drawGauge();
  if (found && !document.hidden && thread.isInSight) store.see(found);
  showTitle();
}

function showTitle() {
  const { unseen } = store;
  document.title = `${state.isGone ? "⚠ " : ""}${unseen ? `(${unseen}) ` : ""}SMS inbox`;
}

const numberChips = new Chips(byId("number-chips"), NUMBER_FILTERS, changed);
const requestChips = new Chips(byId("request-chips"), REQUEST_FILTERS, changed);

function showChips() {
  const requests = () => store.requests.filter((one) => store.shows(one));
  numberChips.show(store.version, () => [...store.threads.values()]);
  requestChips.show(store.version, requests);
}

/** @param {string | null} account */
function chooseMailbox(account) {
  store.choose(account);
  if (state.phone && !store.threads.has(state.phone)) go("#/");
  rereadFaults();
  changed();
}

/** @param {Message} message */
function copyCode({ code }) {
  if (code) void copyAndSay(code, `Copied ${code}`);
}

// --- Where the reader is --------------------------------------------------------------------------

const router = new Router(arrive);

/** @param {string} hash */
function go(hash) {
  router.go(hash);
}

/** @param {import("./router.js").Place} place */
function arrive({ view, phone, request }) {
  state.view = view;
  if (view === "thread" || view === "home") state.phone = phone ?? null;
  else state.request = request ?? null;
  const tab = state.view.startsWith("request") ? "requests" : "home";
  for (const one of document.querySelectorAll("[data-tab]")) {
    if (one.matches(`[data-tab="${tab}"]`)) one.setAttribute("aria-current", "page");
    else one.removeAttribute("aria-current");
  }
  render();
  reveal();
}

/** Scroll the selection into view. */
function reveal() {
  const place = numbers.list.items.findIndex((one) => one.phone === state.phone);
  if (place >= 0) numbers.list.reveal(place);
  const index = requests.list.items.findIndex((one) => one.id === state.request);
  if (index >= 0) requests.list.reveal(index);
}

function closeRequest() {
  state.request = null;
  go("#/requests");
  focusList("requests");
}

/** @param {"numbers" | "requests"} name */
function focusList(name) {
  state.list = name;
  (name === "numbers" ? numbers : requests).list.scroller.focus();
}

/** @param {(index: number, last: number) => number} step */
function move(step) {
  if (state.list === "numbers") {
    const { items } = numbers.list;
    const next =
      items[
        bounded(
          items.findIndex((one) => one.phone === numbers.selected),
          items.length,
          step,
        )
      ];
    if (next) router.slide(`#/${next.phone}`);
  } else {
    const { items } = requests.list;
    const next =
      items[
        bounded(
          items.findIndex((one) => one.id === requests.selected),
          items.length,
          step,
        )
      ];
    if (next) router.slide(`#/request/${next.id}`);
  }
}

/**
 * @param {number} index
 * @param {number} length
 * @param {(index: number, last: number) => number} step
 */
function bounded(index, length, step) {
  return Math.max(0, Math.min(length - 1, step(index, length - 1)));
}

/** Move in a list, unless something else is to scroll. @param {(index: number, last: number) => number} step */
function arrow(step) {
  return (/** @type {KeyboardEvent} */ event) => {
    const target = /** @type {Element} */ (event.target);
    if (target.closest("#thread, #detail, dialog, pre")) return;
    event.preventDefault();
    if (target.id === "search") focusList("numbers");
    move(step);
  };
}

function enter() {
  if (state.list === "requests") {
    if (requests.selected !== null) go(`#/request/${requests.selected}`);
    byId("detail").focus();
  } else if (numbers.selected) {
    go(`#/${numbers.selected}`);
    thread.scroller.focus();
  }
}

function escape() {
  if (panel.isOpen) panel.close();
  else if (state.request !== null) closeRequest();
  else if (search.value) setQuery("");
  else if (document.activeElement === search) focusList("numbers");
  else if (state.phone !== null || state.view !== "home") go("#/");
}

/** @param {string} query */
function setQuery(query) {
  if (search.value !== query) search.value = query;
  state.query = query;
  changed();
}

function nextMailbox() {
  const accounts = [...store.accounts.keys()];
  if (accounts.length < 2) return;
  const order = [null, ...accounts];
  chooseMailbox(order[(order.indexOf(store.mailbox) + 1) % order.length]);
}

function seeAll() {
  store.see(null);
  toast("All marked as seen");
  changed();
}

/** Return what the current list shows, by mailbox, search and filter. */
function exportShown() {
  const isAboutRequests = state.list === "requests" || state.view.startsWith("request");
  const rows = isAboutRequests ? [...requests.list.items] : messagesOf([...numbers.list.items]);
  const what = isAboutRequests ? "request" : "message";
  if (!rows.length) return toast("There is nothing to export");
  download(`sms-${what}s.json`, rows);
  return toast(`${counted(rows.length, what)} exported`);
}

function turn() {
  turnColours();
  drawGauge();
}

const next = (/** @type {number} */ index) => index + 1;
const before = (/** @type {number} */ index) => index - 1;

listen({
  j: arrow(next),
  k: arrow(before),
  ArrowDown: arrow(next),
  ArrowUp: arrow(before),
  Home: arrow(() => 0),
  End: arrow((_index, last) => last),
  Enter: enter,
  n: () => focusList("numbers"),
  r: () => focusList("requests"),
  "/": (event) => {
    event.preventDefault();
    search.focus();
    search.select();
  },
  c: () => {
    const coded = numbers.selected ? store.threads.get(numbers.selected)?.coded : null;
    if (coded) copyCode(coded);
    else toast("There is no code here");
  },
  m: nextMailbox,
  u: seeAll,
  f: () => void panel.toggle(),
  e: exportShown,
  t: turn,
  Escape: escape,
  "?": () => showSheet(dialog("help")),
});

search.addEventListener("input", () => setQuery(search.value));
byId("numbers").addEventListener("focusin", () => (state.list = "numbers"));
byId("wire").addEventListener("focusin", () => (state.list = "requests"));
byId("faults-button").addEventListener("click", () => void panel.toggle());
byId("export-button").addEventListener("click", exportShown);
byId("theme-button").addEventListener("click", turn);
byId("help-button").addEventListener("click", () => showSheet(dialog("help")));
document.addEventListener("visibilitychange", changed);
followColours();
router.read();
feed.start();
