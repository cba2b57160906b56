// The right column: requests in order of arrival.

import { byId, h } from "./dom.js";
import { VirtualList } from "./list.js";
import { isNumber } from "./numbers.js";
import { count, duration, phoneIn, time } from "./format.js";

/** @typedef {import("./store.js").Store} Store */
/** @typedef {import("./store.js").SandboxRequest} SandboxRequest */

/** @type {Record<string, {label: string, fits: (request: SandboxRequest) => boolean}>} */
export const REQUEST_FILTERS = {
  all: { label: "All", fits: () => true },
  refused: { label: "Refused", fits: (request) => request.fate === "refused" },
  failed: { label: "Failed", fits: (request) => request.fate === "failed" },
  lost: { label: "Lost", fits: (request) => request.fate === "lost" },
  duplicates: { label: "Duplicates", fits: (request) => (request.repeats ?? 0) > 0 },
};

/** The labels of fates in the list. */
export const FATES = {
  answered: "answered",
  refused: "refused",
  failed: "failed",
  lost: "answer lost",
};

export class RequestList {
  /** @param {(id: number) => void} open */
  constructor(open) {
    /** @type {number | null} */
    this.selected = null;
    /** @type {VirtualList<SandboxRequest>} */
    this.list = new VirtualList(byId("request-list"), {
      height: 58,
      isFixed: true,
      edge: "top",
      empty: "No request fits.",
      key: (request) => String(request.id),
      stamp: (request) => `${request.fate} ${request.took} ${request.repeats}`,
      build: row,
      place: (element, request) =>
        element.setAttribute("aria-selected", String(request.id === this.selected)),
    });
    this.list.scroller.addEventListener("click", (event) => {
      const found = /** @type {Element} */ (event.target).closest("[data-request]");
      if (found instanceof HTMLElement) open(Number(found.dataset.request));
    });
  }

  /**
   * @param {Store} store
   * @param {{query: string, filter: string}} wanted
   * @returns {SandboxRequest[]} what is shown, newest first
   */
  show(store, { query, filter }) {
    const words = query.trim().toLowerCase();
    const { fits } = REQUEST_FILTERS[filter];
    const shown = [];
    for (let index = store.requests.length - 1; index >= 0; index -= 1) {
      const request = store.requests[index];
      if (store.shows(request) && fits(request) && (!words || speaksOf(request, words)))
        shown.push(request);
    }
    this.list.show(shown);
    this.#mark(shown);
    return shown;
  }

  /** @param {number | null} id */
  select(id) {
    this.selected = id;
    this.list.refresh();
    this.#mark(this.list.items);
  }

  /** @param {SandboxRequest[]} shown */
  #mark(shown) {
    const { scroller } = this.list;
    const isThere = this.selected !== null && shown.some((request) => request.id === this.selected);
    if (isThere) scroller.setAttribute("aria-activedescendant", `request${this.selected}`);
    else scroller.removeAttribute("aria-activedescendant");
  }
}

/**
 * @param {SandboxRequest} request
 * @param {string} words
 */
function speaksOf(request, words) {
  return (
    request.text.toLowerCase().includes(words) ||
    words === `#${request.id}` ||
    [request.code, request.fault].some((one) => one?.toLowerCase().includes(words)) ||
    request.phones.some((phone) => isNumber(words, phone))
  );
}

/**
 * Describe how a request ended, in a word or two.
 * @param {SandboxRequest} request
 */
export function outcome(request) {
  if (request.fate === "refused") return request.code ?? "refused";
  if (request.fate === "lost") return "answer lost";
  if (request.fate === "failed")
    return request.status === null ? "no answer" : `HTTP ${request.status}`;
  return request.accepted < request.numbers
    ? `${count(request.accepted)} of ${count(request.numbers)} sent`
    : "sent";
}

/**
 * One request.
 * @param {SandboxRequest} request
 */
function row(request) {
  const { id, fate, numbers, phones, accepted } = request;
  const to =
    numbers === 1 ? phoneIn(phones[0]) : numbers ? `${count(numbers)} numbers` : "no numbers";
  const isPart = fate === "answered" && accepted < numbers;
  return h(
    "div",
    {
      class: `row request is-${isPart ? "part" : fate}`,
      role: "option",
      id: `request${id}`,
      "data-request": id,
    },
    h("span", { class: `mark is-${isPart ? "part" : fate}`, "aria-hidden": "true" }),
    h(
      "div",
      { class: "row-top" },
      h("span", { class: "request-id" }, `#${id}`),
      h("span", { class: "to" }, to),
      h("time", { datetime: request.at }, time(request.at)),
    ),
    h(
      "div",
      { class: "row-text" },
      h("span", { class: "snippet", dir: "auto" }, request.text.slice(0, 100)),
      (request.repeats ?? 0) > 0 && h("span", { class: "flag duplicate" }, "twice"),
      request.fault &&
        h("span", { class: "flag fault", title: "What was made to go wrong" }, request.fault),
      h("span", { class: "outcome" }, outcome(request)),
      typeof request.took === "number" && h("span", { class: "took" }, duration(request.took)),
    ),
  );
}
