// One request in full: what is known about it, and what went over the wire.

import { call, Objection } from "./api.js";
import { h, replaceChildren } from "./dom.js";
import { copyAndSay } from "./toasts.js";
import { count, counted, duration, phoneIn, time } from "./format.js";
import { outcome } from "./requests.js";

/** @typedef {import("./store.js").SandboxRequest} SandboxRequest */
/** @typedef {SandboxRequest & {raw_request: string | null, raw_answer: string | null}} Full */

/** Characters of JSON that are coloured; the rest is plain. */
const COLOURED = 40_000;

/** How much of the answer reached the sender. */
const DELIVERED = /** @type {Record<string, string>} */ ({
  whole: "whole",
  trickle: "whole, in small pieces",
  cut: "half of it, then the connection was closed",
  "cut-silent": "half of it, without a sign that more was to come",
  closed: "none of it: the connection was closed",
  reset: "none of it: the connection was reset",
});

export class Detail {
  /** @type {number | null} */
  #id = null;

  /**
   * @param {HTMLElement} place
   * @param {{close: () => void, meaning: (fault: string) => string}} does
   */
  constructor(place, does) {
    this.place = place;
    this.does = does;
  }

  /** @param {number | null} id */
  async show(id) {
    this.place.hidden = id === null;
    if (id === this.#id) return;
    this.#id = id;
    if (id === null) return replaceChildren(this.place);
    this.place.setAttribute("aria-busy", "true");
    const shown = await this.#read(id);
    if (this.#id !== id) return;
    this.place.removeAttribute("aria-busy");
    replaceChildren(this.place, shown);
    this.place.scrollTop = 0;
  }

  /** Read it again, since it may have ended only now. */
  async refresh() {
    const id = this.#id;
    if (id === null) return;
    this.#id = null;
    await this.show(id);
  }

  /**
   * @param {number} id
   * @returns {Promise<Node[]>}
   */
  async #read(id) {
    try {
      return this.#parts(await call("GET", `/requests/${id}`));
    } catch (error) {
      const words = error instanceof Objection ? error.message : "The sandbox does not answer.";
      return [this.#head(`#${id}`, ""), h("p", { class: "none" }, words)];
    }
  }

  /**
   * @param {string} title
   * @param {string} fate
   * @param {string} [words]
   */
  #head(title, fate, words = "") {
    const close = h(
      "button",
      {
        type: "button",
        class: "close",
        "aria-label": "Close the request",
        title: "Close (Esc)",
        onclick: this.does.close,
      },
      "×",
    );
    return h(
      "header",
      { class: "detail-head" },
      h("h3", {}, title),
      words && h("span", { class: `badge is-${fate}` }, words),
      close,
    );
  }

  /**
   * @param {Full} request
   * @returns {Node[]}
   */
  #parts(request) {
    const hasArrived = ["whole", "trickle"].includes(request.answer);
    return [
      this.#head(`Request #${request.id}`, request.fate, outcome(request)),
      this.#facts(request),
      this.#raw("Request", request.raw_request, ""),
      this.#raw(
        "Answer",
        request.raw_answer,
        hasArrived ? "" : (DELIVERED[request.answer] ?? request.answer),
      ),
    ];
  }

  /** @param {Full} request */
  #facts(request) {
    const { fault, numbers, phones, status, took } = request;
    /** @type {[string, import("./dom.js").Child | import("./dom.js").Child[]][]} */
    const facts = [
      ["Arrived", h("time", { datetime: request.at }, time(request.at, true))],
      ["Took", typeof took === "number" ? duration(took) : null],
      ["Mailbox", request.account ?? "no key"],
      ["Status", status === null ? "none" : String(status)],
      ["Code", request.code],
      ["Fault", fault && [h("b", {}, fault), ` ${this.does.meaning(fault)}`]],
      ["Delivered", DELIVERED[request.answer] ?? request.answer],
      ["Accepted", `${count(request.accepted)} of ${counted(numbers, "number")}`],
      ["Numbers", numberLinks(phones, numbers)],
    ];
    const shown = facts.filter(([, value]) => value);
    return h(
      "dl",
      { class: "facts" },
      shown.flatMap(([name, value]) => [h("dt", {}, name), h("dd", {}, value)]),
    );
  }

  /**
   * @param {string} title
   * @param {string | null} raw
   * @param {string} remark
   */
  #raw(title, raw, remark) {
    if (raw === null)
      return h(
        "section",
        { class: "raw" },
        h("h4", {}, title),
        h("p", { class: "none" }, "It has been forgotten: the newest 32 MB are held."),
      );
    const block = h("pre", { tabindex: "0", "aria-label": `${title}, as it went over the wire` });
    replaceChildren(block, pretty(raw));
    const toggle = h("button", { type: "button", class: "quiet", "aria-pressed": "false" }, "Raw");
    toggle.addEventListener("click", () => {
      const isRaw = toggle.getAttribute("aria-pressed") === "false";
      toggle.setAttribute("aria-pressed", String(isRaw));
      replaceChildren(block, isRaw ? [raw] : pretty(raw));
    });
    const copied = h(
      "button",
      {
        type: "button",
        class: "quiet",
        "aria-label": `Copy the ${title.toLowerCase()}`,
        onclick: () => void copyAndSay(raw, `${title} copied`),
      },
      "Copy",
    );
    return h(
      "section",
      { class: `raw${remark ? " is-partial" : ""}` },
      h("h4", {}, title, remark && h("span", { class: "raw-remark" }, `delivered ${remark}`)),
      h("div", { class: "raw-tools" }, toggle, copied),
      block,
    );
  }
}

/**
 * @param {string[]} phones
 * @param {number} numbers
 */
function numberLinks(phones, numbers) {
  if (!numbers) return "none";
  const links = phones
    .slice(0, 12)
    .map((phone) =>
      h("a", { href: `#/${encodeURIComponent(phone).replace("%2B", "+")}` }, phoneIn(phone)),
    );
  const more = numbers - links.length;
  return [h("span", { class: "phones" }, links), more > 0 && ` and ${count(more)} more`];
}

/**
 * Head and body, the body indented and coloured if it is JSON.
 * @param {string} raw
 * @returns {import("./dom.js").Child[]}
 */
export function pretty(raw) {
  const [head, body] = split(raw);
  const [first, ...fields] = head.split("\r\n");
  return [
    h("span", { class: "first" }, first),
    "\n",
    h("span", { class: "fields" }, fields.join("\n")),
    body && "\n\n",
    ...inJson(body),
  ];
}

/**
 * @param {string} raw
 * @returns {[string, string]}
 */
function split(raw) {
  const gap = raw.indexOf("\r\n\r\n");
  return gap < 0 ? [raw, ""] : [raw.slice(0, gap), raw.slice(gap + 4)];
}

/**
 * A body split into lines, if it is JSON. Its tokens are kept unchanged and in order.
 * @param {string} body
 * @returns {import("./dom.js").Child[]}
 */
function inJson(body) {
  try {
    JSON.parse(body);
  } catch {
    return [body];
  }
  const text = indented(body);
  return text.length > COLOURED ? [text] : coloured(text);
}

/** @param {string} body */
function indented(body) {
  let depth = 0;
  const line = () => `\n${"  ".repeat(depth)}`;
  const tokens = body.match(/"(?:[^"\\]|\\.)*"|[{[]\s*[}\]]|[{}[\],:]|[^\s{}[\],:"]+/g) ?? [];
  return tokens
    .map((token) => {
      if (token === "{" || token === "[") return `${token}${((depth += 1), line())}`;
      if (token === "}" || token === "]") return `${((depth -= 1), line())}${token}`;
      if (token === ",") return `,${line()}`;
      return token === ":" ? ": " : token;
    })
    .join("");
}

/**
 * Distinguish names from other strings.
 * @param {string} text
 */
function coloured(text) {
  const parts = text.matchAll(/("(?:[^"\\]|\\.)*")(:)?|[^"]+/g);
  return [...parts].map(([whole, quoted, colon]) => {
    if (!quoted) return whole;
    return h("bdi", { class: colon ? "name" : "value" }, whole);
  });
}
