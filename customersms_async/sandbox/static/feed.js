// How the page loads the sandbox's data: it loads lists, then follows the events.
//
// Rules of this module:
// 1. The sandbox is the source of truth. After a gap, everything is reloaded.
// 2. An event that arrives before the lists waits for them.

import { call, follow, Unreachable } from "./api.js";
import { numberOf } from "./store.js";

/** @typedef {import("./store.js").Store} Store */
/** @typedef {import("./store.js").Account} Account */
/** @typedef {import("./store.js").Message} Message */
/** @typedef {import("./store.js").Visit} Visit */

/**
 * @typedef {object} Listener what the page does about it
 * @property {() => void} changed something has to be redrawn
 * @property {() => void} loaded the lists are loaded
 * @property {(messages: Message[]) => void} arrived new messages
 * @property {(request: number) => void} answered
 * @property {() => void} set faults, limit, clock or credits may have changed
 * @property {(isOpen: boolean) => void} connected
 */

/** Entries that are loaded before the page shows anything, and in each step after that. */
const FIRST = 300;
const NEXT = 5_000;

/** Milliseconds after which a failed load is retried. */
const AGAIN = 1000;

/** Accounts up to which all are kept up to date. */
const FEW = 20;

export class Feed {
  isLoaded = false;
  /** Milliseconds by which the sandbox's clock is ahead of ours. */
  ahead = 0;
  /** Counts the loads, so that a later one ends an earlier. */
  #turn = 0;
  /** Events that wait for the lists; null once these are loaded. @type {(() => void)[] | null} */
  #waiting = [];
  #run = "";

  /**
   * @param {Store} store
   * @param {Listener} does
   */
  constructor(store, does) {
    this.store = store;
    this.does = does;
  }

  start() {
    const load = () => void this.load();
    const accounts = () => void this.readAccounts().then(() => this.does.set());
    follow(
      {
        hello: load,
        reload: load,
        request: this.#inTurn((visit) => this.#received(visit)),
        answered: this.#inTurn((answered) => this.#answered(answered)),
        credits: this.#inTurn((account) => {
          this.store.setAccount(account);
          this.does.set();
        }),
        closed: this.#inTurn(({ account }) => this.store.close(account)),
        clear: this.#inTurn(({ account }) => {
          this.store.clear(account);
          load();
        }),
        limit: this.#inTurn(accounts),
        clock: this.#inTurn((clock) => {
          this.#setClock(clock);
          accounts();
        }),
        faults: () => this.does.set(),
      },
      (isOpen) => this.does.connected(isOpen),
    );
  }

  /** Load the sandbox's data: the newest at once, the rest in steps. */
  async load() {
    const turn = (this.#turn += 1);
    this.#waiting = [];
    try {
      await this.#loadAll(turn);
    } catch (error) {
      if (turn === this.#turn) setTimeout(() => void this.load(), AGAIN);
      if (!(error instanceof Unreachable)) throw error;
    }
  }

  /** @param {number} turn */
  async #loadAll(turn) {
    const limit = FIRST;
    const [status, messages, requests] = await Promise.all([
      call("GET", "/status"),
      call("GET", "/messages", { limit }),
      call("GET", "/requests", { limit }),
    ]);
    if (turn !== this.#turn) return;
    const unseen = this.#unseen(status.event);
    messages.messages.forEach(unseen);
    this.store.keep = status.keep;
    this.#setClock(status.clock);
    this.store.load(status.accounts, messages.messages, requests.requests);
    for (const act of this.#waiting ?? []) act();
    this.store.rebuild();
    this.#waiting = null;
    this.isLoaded = true;
    this.does.loaded();
    await this.#loadEarlier(turn, unseen, [messages.has_more, requests.has_more]);
  }

  /**
   * @param {number} turn
   * @param {(message: Message) => void} unseen
   * @param {[boolean, boolean]} more whether there are earlier messages and requests
   */
  async #loadEarlier(turn, unseen, [hasMessages, hasRequests]) {
    const { store } = this;
    let [more, further] = [hasMessages, hasRequests];
    while (more || further) {
      const [messages, requests] = await Promise.all([
        more ? earlier("/messages", store.messages[0]?.id) : { messages: [], has_more: false },
        further ? earlier("/requests", store.requests[0]?.id) : { requests: [], has_more: false },
      ]);
      if (turn !== this.#turn) return;
      messages.messages.forEach(unseen);
      store.prepend(messages.messages, requests.requests);
      [more, further] = [messages.has_more, requests.has_more];
      this.does.changed();
    }
  }

  /**
   * Find the unseen messages of a list: those that were unseen before, and those that arrived
   * while the connection was lost. Messages from before the page was opened count as seen.
   * @param {string} event
   */
  #unseen(event) {
    const run = event.split("-")[0];
    const [isFirst, isSame] = [this.#run === "", this.#run === run];
    this.#run = run;
    const ids = new Set(this.store.messages.filter((one) => one.isUnseen).map((one) => one.id));
    const newest = this.store.messages.at(-1);
    const last = newest && isSame ? numberOf(newest.id) : 0;
    return (/** @type {Message} */ one) => {
      if (!isFirst) one.isUnseen = !isSame || ids.has(one.id) || numberOf(one.id) > last;
    };
  }

  /**
   * Act on an event once the lists are loaded.
   * @template T
   * @param {(data: T) => void} act
   * @returns {(data: T) => void}
   */
  #inTurn(act) {
    return (data) => {
      if (this.#waiting) this.#waiting.push(() => act(data));
      else act(data);
      this.does.changed();
    };
  }

  /** @param {Visit} visit */
  #received(visit) {
    const { request, messages } = visit;
    this.does.arrived(this.store.receive(visit));
    if (request.accepted > messages.length) void this.#complete(request.id);
    if (request.account && !this.store.accounts.has(request.account)) void this.readAccounts();
  }

  /**
   * Fetch the messages that did not fit into the event.
   * @param {number} request
   */
  async #complete(request) {
    const turn = this.#turn;
    /** @type {{messages: Message[], has_more: boolean}} */
    let rest = { messages: [], has_more: true };
    while (rest.has_more) {
      rest = await call("GET", "/messages", { request, limit: NEXT, before: rest.messages[0]?.id });
      if (turn !== this.#turn) return;
      this.does.arrived(this.store.complete(rest.messages));
      this.does.changed();
    }
  }

  /** @param {{id: number, took: number | null}} answered */
  #answered({ id, took }) {
    const request = this.store.request(id);
    if (request) this.store.setTook(request, took);
    this.does.answered(id);
  }

  /** @param {{now: string}} clock */
  #setClock({ now }) {
    this.ahead = Date.parse(now) - Date.now();
  }

  /** The account whose budget is shown: the chosen one, else the one nearest to its limit. */
  get fullest() {
    const { accounts, mailbox } = this.store;
    if (mailbox !== null) return accounts.get(mailbox);
    const all = [...accounts.values()];
    return all.reduce((best, one) => (share(one) > share(best) ? one : best), all[0]);
  }

  /** Whether something counts against a limit; this decreases over time. */
  get isUsed() {
    return [...this.store.accounts.values()].some((one) => one.usage.used > 0);
  }

  /** Update the accounts; if there are very many, only the one that is shown. */
  async readAccounts() {
    const one = this.fullest;
    const isMany = this.store.accounts.size > FEW && one;
    const answer = await call(
      "GET",
      isMany ? "/usage" : "/status",
      isMany ? { key: one.account } : {},
    );
    for (const account of answer.accounts ?? [answer]) this.store.setAccount(account);
    if (answer.clock) this.#setClock(answer.clock);
    this.does.changed();
  }
}

/**
 * @param {string} path
 * @param {string | number | undefined} before
 */
const earlier = (path, before) => call("GET", path, { limit: NEXT, before });

/** @param {Account} account */
const share = ({ usage }) => usage.used / (usage.capacity ?? usage.documented.limit);
