// The page: it loads what the sandbox holds, follows its events, and shows both.
//
// Rules of this module:
// 1. The sandbox is right. After a gap everything is loaded anew, and an event that came meanwhile
//    waits until the lists are there.
// 2. One pass shows everything, a moment after something changed, and seldom when much changes.

import { call, follow, Unreachable } from "./api.js";
import { Detail } from "./detail.js";
import { at, copy, say } from "./dom.js";
import { FaultPanel } from "./faults.js";
import { listen, showSheet } from "./keys.js";
import { isDark, Minute } from "./minute.js";
import { NUMBER_FILTERS, Numbers, showChips, showMailboxes } from "./numbers.js";
import { showStart } from "./start.js";
import { numberOf, Store } from "./store.js";
import { ThreadView } from "./thread.js";
import { counted, time } from "./words.js";
import { REQUEST_FILTERS, Wire } from "./wire.js";

/** @typedef {import("./store.js").Message} Message */
/** @typedef {import("./store.js").Visit} Visit */

/** Entries that are loaded before the page shows anything, and in each step after that. */
const FIRST = 300;
const NEXT = 5_000;

/** Accounts up to which all gauges are kept up to date. */
const FEW = 20;

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
  numbers: "all",
  requests: "all",
  isLoaded: false,
  /** Milliseconds by which the sandbox's clock is ahead of ours. */
  ahead: 0,
};

const minute = new Minute(at("minute"));
const numbers = new Numbers((phone) => go(`#/${phone}`));
const wire = new Wire((id) => go(`#/request/${id}`));
const thread = new ThreadView(at("thread"), store, { copyCode, back: () => go("#/") });
const panel = new FaultPanel(/** @type {HTMLDialogElement} */ (at("faults")), {
  said: toast,
  mailbox: () => store.mailbox,
  accounts: () => [...store.accounts.values()],
});
const detail = new Detail(at("detail"), { close: closeRequest, said: toast, meaning: (fault) => panel.meaning(fault) });
const search = /** @type {HTMLInputElement} */ (at("search"));


// --- What the sandbox says ------------------------------------------------------------------------

/** Counts the loads, so that a later one ends an earlier. */
let turn = 0;
/** Events that wait for the lists; none once these are there. @type {(() => void)[] | null} */
let waiting = [];
let run = "";

async function load() {
  const mine = (turn += 1);
  waiting = [];
  try {
    const limit = FIRST;
    const [status, messages, requests] = await Promise.all([
      call("GET", "/status"), call("GET", "/messages", { limit }), call("GET", "/requests", { limit }), panel.read(),
    ]);
    if (mine !== turn) return;
    const unseen = stillUnseen(status.event);
    messages.messages.forEach(unseen);
    store.keep = status.keep;
    setClock(status.clock);
    store.load(status.accounts, messages.messages, requests.requests);
    for (const { list } of [numbers, wire, thread]) list.forget();
    void detail.refresh();
    for (const act of waiting) act();
    store.rebuild();
    waiting = null;
    const isFirst = !state.isLoaded;
    state.isLoaded = true;
    render();
    if (isFirst) reveal();
    await loadEarlier(mine, unseen, messages.has_more, requests.has_more);
  } catch (error) {
    if (mine === turn) setTimeout(load, 1000);
    if (!(error instanceof Unreachable)) throw error;
  }
}

/**
 * @param {number} mine
 * @param {(message: Message) => void} unseen
 * @param {boolean} hasMessages
 * @param {boolean} hasRequests
 */
async function loadEarlier(mine, unseen, hasMessages, hasRequests) {
  const none = { messages: [], requests: [], has_more: false };
  let [more, further] = [hasMessages, hasRequests];
  while (more || further) {
    const [messages, requests] = await Promise.all([
      more ? call("GET", "/messages", { limit: NEXT, before: store.messages[0]?.id }) : none,
      further ? call("GET", "/requests", { limit: NEXT, before: store.requests[0]?.id }) : none,
    ]);
    if (mine !== turn) return;
    messages.messages.forEach(unseen);
    store.prepend(messages.messages, requests.requests);
    [more, further] = [messages.has_more, requests.has_more];
    changed();
  }
}

/**
 * Say which messages of a list nobody has looked at: those that were so before, and those that came
 * while the connection was gone. What was there when the page was opened counts as seen.
 * @param {string} event
 */
function stillUnseen(event) {
  const sameRun = event.split("-")[0] === run;
  const isFirst = run === "";
  run = event.split("-")[0];
  const ids = new Set(store.messages.filter((one) => one.isUnseen).map((one) => one.id));
  const newest = store.messages.at(-1);
  const last = newest && sameRun ? numberOf(newest.id) : 0;
  return (/** @type {Message} */ one) => {
    if (!isFirst) one.isUnseen = sameRun ? ids.has(one.id) || numberOf(one.id) > last : true;
  };
}

/**
 * Act on an event once the lists are there.
 * @template T
 * @param {(data: T) => void} act
 * @returns {(data: T) => void}
 */
function inTurn(act) {
  return (data) => {
    if (waiting) waiting.push(() => act(data));
    else act(data);
    changed();
  };
}

/** @param {Visit} visit */
function received(visit) {
  const fresh = store.receive(visit);
  announce(fresh);
  const { request, messages } = visit;
  if (request.accepted > messages.length) void complete(request.id);
  if (request.account && !store.accounts.has(request.account)) void readAccounts();
  if (!at("standing").hidden || panel.isOpen) rereadFaults();
}

/** @param {number} request */
async function complete(request) {
  const mine = turn;
  const rest = await call("GET", "/messages", { request, limit: 10_000 });
  if (mine !== turn) return;
  announce(store.complete(rest.messages));
  changed();
}

/** @param {{id: number, took: number}} answered */
function answered({ id, took }) {
  const request = store.request(id);
  if (request) store.setTook(request, took);
  if (id === state.request) void detail.refresh();
}

/** @param {{account: string | null}} data */
function cleared({ account }) {
  store.clear(account);
  void load();
}

let rereading = 0;

function rereadFaults() {
  rereading ||= window.setTimeout(() => {
    rereading = 0;
    panel.read().catch(() => undefined);
  }, 250);
}

/** @param {{now: string}} clock */
function setClock({ now }) {
  state.ahead = Date.parse(now) - Date.now();
}

follow(
  {
    hello: load,
    reload: load,
    request: inTurn(received),
    answered: inTurn(answered),
    credits: inTurn((account) => store.setAccount(account)),
    closed: inTurn(({ account }) => store.close(account)),
    clear: inTurn(cleared),
    limit: inTurn(() => void readAccounts().then(rereadFaults)),
    faults: rereadFaults,
    clock: inTurn((clock) => {
      setClock(clock);
      void readAccounts().then(rereadFaults);
    }),
  },
  connected,
);


// --- Whether it is there --------------------------------------------------------------------------

let isGone = false;

/** @param {boolean} isOpen */
function connected(isOpen) {
  document.body.classList.toggle("is-gone", !isOpen);
  const link = at("link");
  link.classList.toggle("is-open", isOpen);
  say(link, isOpen ? "Live" : "Gone");
  if (!isOpen && !isGone) say(at("gone"), `The sandbox has not answered since ${time(new Date().toISOString())}. Trying again every second.`);
  at("gone").hidden = isOpen;
  if (isOpen && isGone) toast("The sandbox is back");
  isGone = !isOpen;
  changed();
}


// --- The budget -----------------------------------------------------------------------------------

const still = window.matchMedia("(prefers-reduced-motion: reduce)");

/** The account whose budget is shown: the chosen one, else the one nearest to its limit. */
function fullest() {
  if (store.mailbox !== null) return store.accounts.get(store.mailbox);
  const share = (/** @type {import("./store.js").Account} */ { usage }) => usage.used / (usage.capacity ?? usage.documented.limit);
  return [...store.accounts.values()].reduce((best, one) => (share(one) > share(best) ? one : best), [...store.accounts.values()][0]);
}

async function readAccounts() {
  const one = fullest();
  const isMany = store.accounts.size > FEW && one;
  const answer = await call("GET", isMany ? "/usage" : "/status", isMany ? { key: one.account } : {});
  for (const account of answer.accounts ?? [answer]) store.setAccount(account);
  if (answer.clock) setClock(answer.clock);
  changed();
}

setInterval(() => {
  const isUsed = [...store.accounts.values()].some((one) => one.usage.used > 0);
  if (isUsed && !document.hidden && !isGone) readAccounts().catch(() => undefined);
}, 1000);

function drawMinute() {
  const account = fullest();
  minute.show(account, store.mailbox === null && store.accounts.size > 1);
  minute.draw(store.requests, (one) => store.shows(one), Date.now() + state.ahead, account?.usage.per ?? 60);
}

setInterval(() => {
  if (!document.hidden && state.isLoaded && !still.matches) drawMinute();
}, 200);
setInterval(() => {
  if (!document.hidden && state.isLoaded && still.matches) drawMinute();
}, 1000);


// --- What is shown --------------------------------------------------------------------------------

let pending = 0;
let cost = 0;

/** Show everything in a moment: soon if that is cheap, later if it is dear. */
function changed() {
  pending ||= window.setTimeout(() => {
    pending = 0;
    const start = performance.now();
    render();
    cost = performance.now() - start;
  }, Math.min(400, Math.max(16, cost * 5)));
}

function render() {
  if (!state.isLoaded) return;
  const isEmpty = !store.messages.length && !store.requests.length;
  document.body.dataset.view = state.view;
  document.body.classList.toggle("is-empty", isEmpty);
  at("start").hidden = !isEmpty;
  if (isEmpty) showStart(at("start"), [...store.accounts.keys()], toast);
  showMailboxes(store, chooseMailbox);
  showNumberChips();
  showRequestChips();
  const shown = numbers.show(store, { query: state.query, filter: state.numbers });
  wire.show(store, { query: state.query, filter: state.requests });
  const phone = state.phone ?? shown[0]?.phone ?? null;
  const found = phone ? store.threads.get(phone) : undefined;
  numbers.select(phone);
  wire.select(state.request);
  thread.show(found, phone, state.phone === null);
  void detail.show(state.request);
  drawMinute();
  if (found && !document.hidden && thread.isInSight) see(found);
  showTitle();
}

/** @param {import("./store.js").Thread} found */
function see(found) {
  if (found.unseen) store.see(found);
}

function showTitle() {
  const { unseen } = store;
  document.title = `${isGone ? "⚠ " : ""}${unseen ? `(${unseen}) ` : ""}SMS inbox`;
}

/** @type {Record<string, number>} */
let numberCounts = {};
/** @type {Record<string, number>} */
let requestCounts = {};
let counted_at = "";

function countAll() {
  const stamp = `${store.version}`;
  if (stamp === counted_at) return;
  counted_at = stamp;
  numberCounts = tally([...store.threads.values()], NUMBER_FILTERS);
  requestCounts = tally(store.requests.filter((one) => store.shows(one)), REQUEST_FILTERS);
}

/**
 * @template T
 * @param {T[]} items
 * @param {Record<string, {fits: (item: T) => boolean}>} filters
 */
function tally(items, filters) {
  return Object.fromEntries(Object.entries(filters).map(([name, { fits }]) => [name, items.reduce((sum, one) => sum + (fits(one) ? 1 : 0), 0)]));
}

function showNumberChips() {
  countAll();
  const choose = (/** @type {string} */ name) => {
    state.numbers = name;
    changed();
  };
  showChips(at("number-chips"), NUMBER_FILTERS, { chosen: state.numbers, counts: numberCounts, choose });
}

function showRequestChips() {
  const choose = (/** @type {string} */ name) => {
    state.requests = name;
    changed();
  };
  showChips(at("request-chips"), REQUEST_FILTERS, { chosen: state.requests, counts: requestCounts, choose });
}

/** @param {string | null} account */
function chooseMailbox(account) {
  store.choose(account);
  if (state.phone && !store.threads.has(state.phone)) go("#/");
  rereadFaults();
  changed();
}

/** @param {Message} message */
async function copyCode(message) {
  const { code } = message;
  if (code) toast((await copy(code)) ? `Copied ${code}` : "The browser lets nothing be copied");
}

let toasting = 0;

/** @param {string} words */
function toast(words) {
  const place = at("toast");
  place.hidden = false;
  say(place, words);
  clearTimeout(toasting);
  toasting = window.setTimeout(() => (place.hidden = true), 2500);
}

/** Messages that have not been announced. @type {Message[]} */
let news = [];
let announcing = 0;

/** Tell a screen reader what came, a few times a minute at most. @param {Message[]} messages */
function announce(messages) {
  if (!messages.length) return;
  news = news.concat(messages);
  announcing ||= window.setTimeout(() => {
    const last = news[news.length - 1];
    const what = last.code ? `code ${last.code}` : last.text.slice(0, 80);
    const words = news.length === 1 ? `New message to ${last.phone}: ${what}` : `${counted(news.length, "new message")}, the last to ${last.phone}: ${what}`;
    say(at("news"), words);
    [news, announcing] = [[], 0];
  }, 2000);
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
  const place = decodeURIComponent(location.hash.replace(/^#\/?/, ""));
  const request = /^request\/([0-9]+)$/.exec(place);
  if (request) [state.view, state.request] = ["request", Number(request[1])];
  else if (place === "requests") [state.view, state.request] = ["requests", null];
  else if (/^\+?[0-9]+$/.test(place)) [state.view, state.phone] = ["thread", `+${place.replace("+", "")}`];
  else [state.view, state.phone] = ["home", null];
  for (const tab of document.querySelectorAll("[data-tab]")) {
    const isHere = (state.view[0] === "r") === (/** @type {HTMLElement} */ (tab).dataset.tab === "requests");
    if (isHere) tab.setAttribute("aria-current", "page");
    else tab.removeAttribute("aria-current");
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
    const next = items[bounded(items.findIndex((one) => one.phone === numbers.selected), items.length, step)];
    if (next) slide(`#/${next.phone}`);
  } else {
    const { items } = wire.list;
    const next = items[bounded(items.findIndex((one) => one.id === wire.selected), items.length, step)];
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

const dark = window.matchMedia("(prefers-color-scheme: dark)");

function showTheme() {
  const words = isDark() ? "Light" : "Dark";
  at("theme-button").textContent = words;
  at("theme-button").title = `${words} colours (t)`;
}

function turnTheme() {
  const theme = isDark() ? "light" : "dark";
  document.documentElement.dataset.theme = theme;
  localStorage.setItem("theme", theme);
  showTheme();
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
    if (coded) void copyCode(coded);
    else toast("There is no code here");
  },
  m: nextMailbox,
  u: seeAll,
  f: () => void panel.toggle(),
  t: turnTheme,
  Escape: escape,
  "?": () => showSheet(/** @type {HTMLDialogElement} */ (at("help"))),
});

search.addEventListener("input", () => setQuery(search.value));
at("numbers").addEventListener("focusin", () => (state.list = "numbers"));
at("wire").addEventListener("focusin", () => (state.list = "requests"));
at("faults-button").addEventListener("click", () => void panel.toggle());
at("theme-button").addEventListener("click", turnTheme);
at("help-button").addEventListener("click", () => showSheet(/** @type {HTMLDialogElement} */ (at("help"))));
dark.addEventListener("change", showTheme);
document.addEventListener("visibilitychange", changed);
window.addEventListener("hashchange", route);
showTheme();
route();
