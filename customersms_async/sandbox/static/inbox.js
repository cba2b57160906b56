// The page: what it shows, where the reader is, and what the keys do.
//
// Rule of this module: one pass shows everything, a moment after something changed, and seldom when
// much changes.

import { Chips } from "./chips.js";
import { followColours, turnColours } from "./colours.js";
import { Detail } from "./detail.js";
import { at, say } from "./dom.js";
import { FaultPanel } from "./faults.js";
import { Feed } from "./feed.js";
import { listen, showSheet } from "./keys.js";
import { Minute } from "./minute.js";
import { NUMBER_FILTERS, Numbers, showMailboxes } from "./numbers.js";
import { announce, copyAndSay, toast } from "./speech.js";
import { showStart } from "./start.js";
import { Store } from "./store.js";
import { ThreadView } from "./thread.js";
import { time } from "./words.js";
import { REQUEST_FILTERS, Wire } from "./wire.js";

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

const minute = new Minute(at("minute"));
const numbers = new Numbers((phone) => go(`#/${phone}`));
const wire = new Wire((id) => go(`#/request/${id}`));
const thread = new ThreadView(at("thread"), store, { copyCode, back: () => go("#/") });
const panel = new FaultPanel(dialog("faults"), {
  mailbox: () => store.mailbox,
  accounts: () => [...store.accounts.values()],
});
const detail = new Detail(at("detail"), {
  close: closeRequest,
  meaning: (fault) => panel.meaning(fault),
});
const search = /** @type {HTMLInputElement} */ (at("search"));
const feed = new Feed(store, { changed, loaded, arrived, answered, set: rereadFaults, connected });

/** @param {string} id */
function dialog(id) {
  return /** @type {HTMLDialogElement} */ (at(id));
}

// --- What the sandbox says ------------------------------------------------------------------------

let wasLoaded = false;

function loaded() {
  for (const { list } of [numbers, wire, thread]) list.forget();
  void detail.refresh();
  panel.read().catch(() => undefined);
  render();
  if (!wasLoaded) reveal();
  wasLoaded = true;
}

/** @param {Message[]} messages */
function arrived(messages) {
  announce(messages);
  if (!at("standing").hidden) rereadFaults();
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
  const link = at("link");
  link.classList.toggle("is-open", isOpen);
  say(link, isOpen ? "Live" : "Gone");
  const since = time(new Date().toISOString());
  if (!isOpen && !state.isGone)
    say(at("gone"), `The sandbox has not answered since ${since}. Trying again every second.`);
  at("gone").hidden = isOpen;
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
  if (isDue && !document.hidden && feed.isLoaded) drawMinute();
}, 200);

function drawMinute() {
  const account = feed.fullest;
  minute.show(account, store.mailbox === null && store.accounts.size > 1);
  const now = Date.now() + feed.ahead;
  minute.draw(store.requests, (one) => store.shows(one), now, account?.usage.per ?? 60);
}

// --- What is shown --------------------------------------------------------------------------------

let pending = 0;
let cost = 0;

/** Show everything in a moment: soon if that is cheap, later if it is dear. */
function changed() {
  pending ||= window.setTimeout(
    () => {
      pending = 0;
      const start = performance.now();
      render();
      cost = performance.now() - start;
    },
    Math.min(400, Math.max(16, cost * 5)),
  );
}

function render() {
  if (!feed.isLoaded) return;
  const isEmpty = !store.messages.length && !store.requests.length;
  document.body.dataset.view = state.view;
  document.body.classList.toggle("is-empty", isEmpty);
  at("start").hidden = !isEmpty;
  if (isEmpty) showStart(at("start"), [...store.accounts.keys()]);
  showMailboxes(store, chooseMailbox);
  showChips();
  const shown = numbers.show(store, { query: state.query, filter: numberChips.chosen });
  wire.show(store, { query: state.query, filter: requestChips.chosen });
  const phone = state.phone ?? shown[0]?.phone ?? null;
  const found = phone ? store.threads.get(phone) : undefined;
  numbers.select(phone);
  wire.select(state.request);
  thread.show(found, phone, state.phone === null);
  void detail.show(state.request);
  drawMinute();
  if (found && !document.hidden && thread.isInSight) store.see(found);
  showTitle();
}

function showTitle() {
  const { unseen } = store;
  document.title = `${state.isGone ? "⚠ " : ""}${unseen ? `(${unseen}) ` : ""}SMS inbox`;
}

const numberChips = new Chips(at("number-chips"), NUMBER_FILTERS, changed);
const requestChips = new Chips(at("request-chips"), REQUEST_FILTERS, changed);

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

/** @param {string} hash */
function go(hash) {
  if (location.hash === hash) route();
  else location.hash = hash;
}

/** Go somewhere without a step back to where one was. @param {string} hash */
function slide(hash) {
  history.replaceState(null, "", hash);
  route();
}

function route() {
  const place = location.hash.replace(/^#\/?/, "").replace("%2B", "+");
  const request = /^request\/([0-9]+)$/.exec(place);
  const phone = /^\+?([0-9]+)$/.exec(place);
  if (request) [state.view, state.request] = ["request", Number(request[1])];
  else if (place === "requests") [state.view, state.request] = ["requests", null];
  else if (phone) [state.view, state.phone] = ["thread", `+${phone[1]}`];
  else [state.view, state.phone] = ["home", null];
  const tab = state.view.startsWith("request") ? "requests" : "home";
  for (const one of document.querySelectorAll("[data-tab]")) {
    if (one.matches(`[data-tab="${tab}"]`)) one.setAttribute("aria-current", "page");
    else one.removeAttribute("aria-current");
  }
  render();
  reveal();
}

/** Bring what was chosen into sight. */
function reveal() {
  const place = numbers.list.items.findIndex((one) => one.phone === state.phone);
  if (place >= 0) numbers.list.reveal(place);
  const index = wire.list.items.findIndex((one) => one.id === state.request);
  if (index >= 0) wire.list.reveal(index);
}

function closeRequest() {
  state.request = null;
  go("#/requests");
  focusList("requests");
}

/** @param {"numbers" | "requests"} name */
function focusList(name) {
  state.list = name;
  (name === "numbers" ? numbers : wire).list.scroller.focus();
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
    if (next) slide(`#/${next.phone}`);
  } else {
    const { items } = wire.list;
    const next =
      items[
        bounded(
          items.findIndex((one) => one.id === wire.selected),
          items.length,
          step,
        )
      ];
    if (next) slide(`#/request/${next.id}`);
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
    if (wire.selected !== null) go(`#/request/${wire.selected}`);
    at("detail").focus();
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

function turn() {
  turnColours();
  drawMinute();
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
  t: turn,
  Escape: escape,
  "?": () => showSheet(dialog("help")),
});

search.addEventListener("input", () => setQuery(search.value));
at("numbers").addEventListener("focusin", () => (state.list = "numbers"));
at("wire").addEventListener("focusin", () => (state.list = "requests"));
at("faults-button").addEventListener("click", () => void panel.toggle());
at("theme-button").addEventListener("click", turn);
at("help-button").addEventListener("click", () => showSheet(dialog("help")));
document.addEventListener("visibilitychange", changed);
window.addEventListener("hashchange", route);
followColours();
route();
feed.start();
