// The budget: a gauge, and a strip of the last minute with a mark for each request.

import { isDark } from "./colours.js";
import { h, replaceChildren, setText } from "./dom.js";
import { count, duration, mailboxName } from "./format.js";

/** @typedef {import("./store.js").Account} Account */
/** @typedef {import("./store.js").SandboxRequest & {ms?: number}} Timed */

/** Pixels of a column of the strip. */
const COLUMN = 3;

/** Fates in the order in which they are drawn, with the colour and height of their marks. */
const MARKS = /** @type {const} */ ([
  ["answered", "--tick", 0.55],
  ["failed", "--failed", 1],
  ["refused", "--refused", 1],
  ["lost", "--lost", 1],
]);

export class Gauge {
  #used = h("strong", { class: "minute-used" });
  #of = h("span", { class: "minute-of" });
  #note = h("span", { class: "minute-note" });
  #refused = h("span", { class: "minute-refused", hidden: true });
  #fill = h("div", { class: "minute-fill" });
  #meter = h(
    "div",
    {
      class: "minute-meter",
      role: "meter",
      "aria-label": "Requests that count",
      "aria-valuemin": 0,
    },
    this.#fill,
  );
  #tape = /** @type {HTMLCanvasElement} */ (
    h("canvas", {
      class: "minute-tape",
      "aria-hidden": "true",
      title: "Each mark is a request; it drifts to the left as it grows old",
    })
  );
  #drawn = "";
  #shown = "";
  #freesAt = 0;

  /** @param {HTMLElement} place */
  constructor(place) {
    const words = h(
      "p",
      { class: "minute-words" },
      this.#used,
      this.#of,
      this.#refused,
      this.#note,
    );
    replaceChildren(place, words, this.#meter, this.#tape);
  }

  /**
   * Update the status of an account.
   * @param {Account | undefined} account
   * @param {boolean} isNamed whether to say which account it is
   */
  show(account, isNamed) {
    if (!account) return;
    const { usage } = account;
    const { limit, per, used, capacity, free, documented } = usage;
    const most = capacity ?? documented.limit;
    const shown = Math.max(0, Math.ceil(used - 1e-6));
    this.#freesAt = performance.now() + usage.retry_after * 1000;
    setText(this.#used, count(shown));
    setText(
      this.#of,
      limit === null
        ? `${shown === 1 ? "request" : "requests"} in ${duration(per)}`
        : `of ${count(most)} in ${duration(per)}`,
    );
    setText(this.#refused, `${count(usage.refused)} refused`);
    this.#refused.hidden = usage.refused === 0;
    this.#notice(free, usage, isNamed ? `${mailboxName(account.account)}: ` : "");
    if (account.account !== this.#shown) this.#meter.classList.add("is-other");
    this.#fill.style.inlineSize = `${Math.min(100, (100 * used) / most)}%`;
    this.#meter.classList.toggle("is-full", free === 0);
    this.#meter.classList.toggle("is-open", limit === null);
    this.#meter.setAttribute("aria-valuemax", String(most));
    this.#meter.setAttribute("aria-valuenow", String(Math.min(most, shown)));
    this.#meter.setAttribute(
      "aria-valuetext",
      `${shown} ${this.#of.textContent}, ${this.#note.textContent}`,
    );
    void this.#fill.offsetWidth; // no animation when the account changes
    this.#meter.classList.remove("is-other");
    this.#shown = account.account;
  }

  /**
   * @param {number | null} free
   * @param {Account["usage"]} usage
   * @param {string} name
   */
  #notice(free, { used, documented }, name) {
    if (free === null) {
      const over = Math.ceil(used - documented.limit);
      setText(
        this.#note,
        `${name}no limit here; the gateway has ${documented.limit}${over > 0 ? `, ${count(over)} above it` : ""}`,
      );
    } else {
      const seconds = Math.max(0, (this.#freesAt - performance.now()) / 1000);
      setText(
        this.#note,
        `${name}${free > 0 ? `${count(free)} free` : `free again in ${duration(Math.ceil(seconds))}`}`,
      );
    }
  }

  /**
   * Draw the strip.
   * @param {Timed[]} requests oldest first
   * @param {(request: Timed) => boolean} isShown
   * @param {number} now milliseconds of the sandbox's clock
   * @param {number} per seconds
   */
  draw(requests, isShown, now, per) {
    const { clientWidth: width, clientHeight: height } = this.#tape;
    if (!width) return;
    const columns = Math.floor(width / COLUMN);
    const counts = binned(requests, isShown, { now, span: per * 1000, columns });
    const picture = `${width} ${height} ${isDark()} ${[...counts].join()}`;
    if (picture !== this.#drawn) this.#paint(counts, { width, height, columns });
    this.#drawn = picture;
  }

  /**
   * @param {Map<number, number>} counts
   * @param {{width: number, height: number, columns: number}} size
   */
  #paint(counts, { width, height, columns }) {
    const scale = window.devicePixelRatio || 1;
    this.#tape.width = width * scale;
    this.#tape.height = height * scale;
    const context = /** @type {CanvasRenderingContext2D} */ (this.#tape.getContext("2d"));
    context.scale(scale, scale);
    const style = getComputedStyle(this.#tape);
    context.fillStyle = style.getPropertyValue("--line");
    for (let part = 0; part < 6; part += 1)
      context.fillRect(Math.round((part * width) / 6), 0, 1, height);
    MARKS.forEach(([, colour, part], kind) => {
      context.fillStyle = style.getPropertyValue(colour);
      for (let column = 0; column < columns; column += 1) {
        const many = counts.get(kind * columns + column) ?? 0;
        if (!many) continue;
        const tall = Math.min(1, part * (0.72 + 0.28 * Math.log2(many + 1))) * height;
        context.fillRect(column * COLUMN, height - tall, COLUMN - 1, tall);
      }
    });
  }
}

/**
 * Count the requests of each kind in each column; the newest are last.
 * @param {Timed[]} requests
 * @param {(request: Timed) => boolean} isShown
 * @param {{now: number, span: number, columns: number}} scale
 */
function binned(requests, isShown, { now, span, columns }) {
  /** @type {Map<number, number>} */
  const counts = new Map();
  for (let index = requests.length - 1; index >= 0; index -= 1) {
    const request = requests[index];
    request.ms ??= Date.parse(request.at);
    const age = now - request.ms;
    if (age > span) break;
    if (!isShown(request)) continue;
    const column = Math.min(columns - 1, Math.floor((1 - age / span) * columns));
    const place =
      MARKS.findIndex(([fate]) => fate === request.fate) * columns + Math.max(0, column);
    counts.set(place, (counts.get(place) ?? 0) + 1);
  }
  return counts;
}
