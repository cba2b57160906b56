// The page's data: messages and requests from the sandbox, and threads made of them.
//
// Rules of this module:
// 1. No network and no document.
// 2. Messages and requests are kept in order of arrival; an event that arrives twice, by a list and
//    by the stream, counts once.
// 3. Threads are derived. A change to one message changes one thread; any other rebuilds them all.

/**
 * @typedef {object} Message
 * @property {string} id
 * @property {string} account
 * @property {string} at
 * @property {string} phone
 * @property {string} text
 * @property {string | null} code
 * @property {boolean} is_duplicate
 * @property {number} request
 * @property {boolean} [isUnseen] known to this page only
 *
 * @typedef {object} SandboxRequest
 * @property {number} id
 * @property {string | null} account
 * @property {string} at
 * @property {string[]} phones the first hundred
 * @property {number} numbers
 * @property {string} text
 * @property {number} accepted
 * @property {"answered" | "refused" | "failed" | "lost"} fate
 * @property {string | null} fault
 * @property {number | null} status
 * @property {string | null} code
 * @property {string} answer
 * @property {number | null} [took] seconds
 * @property {number} [repeats] how many of its messages are duplicates; known to this page only
 *
 * @typedef {object} Usage
 * @property {number | null} limit
 * @property {number} per
 * @property {string} rule
 * @property {number} used
 * @property {number | null} capacity
 * @property {number | null} free
 * @property {number} retry_after
 * @property {number} requests
 * @property {number} refused
 * @property {{limit: number, per: number}} documented
 *
 * @typedef {object} Account
 * @property {string} account
 * @property {number | null} credits
 * @property {number} messages
 * @property {number} duplicates
 * @property {Usage} usage
 *
 * @typedef {object} Entry one line of a thread: a message, or one that never reached the phone
 * @property {string} key
 * @property {Message | null} message
 * @property {SandboxRequest | null} request the failed request; null for a message
 * @property {string} at
 * @property {string} text
 * @property {string} account
 *
 * @typedef {object} Thread
 * @property {string} phone
 * @property {Entry[]} entries
 * @property {number} messages
 * @property {number} unseen
 * @property {number} duplicates
 * @property {number} undelivered entries that never reached the phone
 * @property {number} lost messages whose sender got no answer
 * @property {Message | null} coded the newest message with a code
 *
 * @typedef {{request: SandboxRequest, messages: Message[], account: Account | null}} Visit
 */

/** @param {string} id */
export const numberOf = (id) => Number(id.slice(id.indexOf("_") + 1));

export class Store {
  /** @type {Map<string, Account>} */
  accounts = new Map();
  /** @type {Message[]} */
  messages = [];
  /** @type {SandboxRequest[]} */
  requests = [];
  /** By number; the most recent is last. @type {Map<string, Thread>} */
  threads = new Map();
  /** The account whose threads these are; null for all. @type {string | null} */
  mailbox = null;
  /** The most messages that the sandbox keeps. */
  keep = 50_000;
  /** Incremented on each change. */
  version = 0;
  /** @type {Map<number, SandboxRequest>} */
  #byId = new Map();

  /**
   * Replace everything.
   * @param {Account[]} accounts
   * @param {Message[]} messages
   * @param {SandboxRequest[]} requests
   */
  load(accounts, messages, requests) {
    this.accounts = new Map(accounts.map((one) => [one.account, one]));
    this.messages = messages;
    this.requests = requests;
    if (this.mailbox !== null && !this.accounts.has(this.mailbox)) this.mailbox = null;
    this.rebuild();
  }

  /**
   * Prepend earlier ones.
   * @param {Message[]} messages
   * @param {SandboxRequest[]} requests
   */
  prepend(messages, requests) {
    const [first, start] = [this.messages[0], this.requests[0]];
    const earlier = first
      ? messages.filter((one) => numberOf(one.id) < numberOf(first.id))
      : messages;
    const before = start ? requests.filter((one) => one.id < start.id) : requests;
    this.messages = earlier.concat(this.messages);
    this.requests = before.concat(this.requests);
    this.rebuild();
  }

  /** @param {Account} account */
  setAccount(account) {
    this.accounts.set(account.account, account);
    this.version += 1;
  }

  /**
   * Add a request that has just arrived.
   * @param {Visit} visit
   * @returns {Message[]} those of its messages that are new
   */
  receive({ request, messages, account }) {
    if (account) this.setAccount(account);
    const isKnown = request.id <= (this.requests.at(-1)?.id ?? 0);
    const newest = this.messages.at(-1);
    const last = newest ? numberOf(newest.id) : 0;
    const fresh = messages.filter((one) => numberOf(one.id) > last);
    for (const message of fresh) message.isUnseen = true;
    this.messages.push(...fresh);
    if (!isKnown) this.requests.push(request);
    this.#thread(request, fresh, !isKnown);
    this.version += 1;
    this.#trim();
    return fresh;
  }

  /**
   * Add the rest of a request's messages, which did not fit into its event.
   * @param {Message[]} messages
   */
  complete(messages) {
    const known = new Set(this.messages.map((one) => one.id));
    const fresh = messages.filter((one) => !known.has(one.id));
    for (const message of fresh) message.isUnseen = true;
    this.messages = this.messages.concat(fresh).sort((a, b) => numberOf(a.id) - numberOf(b.id));
    this.rebuild();
    return fresh;
  }

  /**
   * Forget what one account sent, or all.
   * @param {string | null} account
   */
  clear(account) {
    const stays = (/** @type {{account: string | null}} */ one) =>
      account !== null && one.account !== account;
    this.messages = this.messages.filter(stays);
    this.requests = this.requests.filter(stays);
    this.rebuild();
  }

  /** @param {string} account */
  close(account) {
    this.accounts.delete(account);
    if (this.mailbox === account) this.mailbox = null;
    this.clear(account);
  }

  /** @param {string | null} account */
  choose(account) {
    this.mailbox = account;
    this.rebuild();
  }

  /** @param {number} id */
  request(id) {
    return this.#byId.get(id);
  }

  /** @param {number} id */
  messagesOf(id) {
    return this.messages.filter((one) => one.request === id);
  }

  /**
   * @param {SandboxRequest} request
   * @param {number | null} took
   */
  setTook(request, took) {
    request.took = took;
    this.version += 1;
  }

  /** The unseen messages of all accounts. */
  get unseen() {
    return this.messages.reduce((sum, one) => sum + (one.isUnseen ? 1 : 0), 0);
  }

  /** @param {Thread | null} thread none for all */
  see(thread) {
    if (thread ? !thread.unseen : !this.unseen) return;
    for (const one of thread ? thread.entries.map((entry) => entry.message) : this.messages) {
      if (one) one.isUnseen = false;
    }
    for (const one of thread ? [thread] : this.threads.values()) one.unseen = 0;
    this.version += 1;
  }

  /** Whether an account's items are shown. @param {{account: string | null}} one */
  shows(one) {
    return this.mailbox === null || one.account === this.mailbox;
  }

  /** Rebuild all threads. */
  rebuild() {
    this.version += 1;
    this.threads = new Map();
    this.#byId.clear();
    let next = 0;
    for (const request of this.requests) {
      const start = next;
      while (next < this.messages.length && this.messages[next].request <= request.id) next += 1;
      const found = this.messages.slice(start, next);
      const own = found.filter((one) => one.request === request.id);
      this.#thread(null, found.slice(0, found.length - own.length), false);
      request.repeats = 0;
      this.#thread(request, own, true);
    }
    this.#thread(null, this.messages.slice(next), false);
  }

  /**
   * Add a request with its messages to the threads that are shown.
   * @param {SandboxRequest | null} request
   * @param {Message[]} messages
   * @param {boolean} isNew whether the request itself has not been added before
   */
  #thread(request, messages, isNew) {
    if (request && isNew) this.#byId.set(request.id, request);
    for (const message of messages) {
      if (request && message.is_duplicate) request.repeats = (request.repeats ?? 0) + 1;
      if (this.shows(message)) this.#addMessage(message, this.#byId.get(message.request));
    }
    if (request && isNew && this.shows(request)) this.#addUndelivered(request, messages);
  }

  /**
   * @param {Message} message
   * @param {SandboxRequest | undefined} request
   */
  #addMessage(message, request) {
    const { id, at, text, account, phone } = message;
    const thread = this.#open(phone);
    thread.entries.push({ key: id, message, request: null, at, text, account });
    thread.messages += 1;
    if (message.isUnseen) thread.unseen += 1;
    if (message.is_duplicate) thread.duplicates += 1;
    if (request?.fate === "lost") thread.lost += 1;
    if (message.code) thread.coded = message;
  }

  /**
   * Show messages that never reached a phone in their threads: for refused and failed requests all
   * numbers, for others the rejected ones.
   * @param {SandboxRequest} request
   * @param {Message[]} messages
   */
  #addUndelivered(request, messages) {
    if (request.accepted >= request.phones.length) return;
    if (request.accepted > messages.length) return;
    const reached = new Set(messages.map((one) => one.phone));
    const { id, at, text, account } = request;
    for (const phone of new Set(request.phones.map(inE164))) {
      if (phone === null || reached.has(phone)) continue;
      const thread = this.#open(phone);
      thread.entries.push({
        key: `r${id}`,
        message: null,
        request,
        at,
        text,
        account: account ?? "",
      });
      thread.undelivered += 1;
    }
  }

  /** @param {string} phone */
  #open(phone) {
    const thread = this.threads.get(phone) ?? {
      phone,
      entries: [],
      messages: 0,
      unseen: 0,
      duplicates: 0,
      undelivered: 0,
      lost: 0,
      coded: null,
    };
    this.threads.delete(phone);
    this.threads.set(phone, thread);
    return thread;
  }

  /** From time to time, drop what the sandbox has dropped. */
  #trim() {
    const most = this.keep * 1.1;
    if (this.messages.length <= most && this.requests.length <= most) return;
    this.messages = this.messages.slice(-this.keep);
    this.requests = this.requests.slice(-this.keep);
    this.rebuild();
  }
}

/**
 * A number in the form that messages have; null if it is not a number.
 * @param {string} phone
 */
function inE164(phone) {
  const digits = phone.replace(/\D/g, "");
  return digits.length < 7 || digits.length > 15 ? null : `+${digits}`;
}
