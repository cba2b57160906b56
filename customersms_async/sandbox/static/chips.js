// A row of filters, each with the number of items it would leave.

import { h, replaceChildren } from "./dom.js";
import { count } from "./format.js";

/**
 * @template T
 * @typedef {Record<string, {label: string, fits: (item: T) => boolean}>} Filters by name; one is `all`
 */

/** @template T */
export class Chips {
  chosen = "all";
  /** @type {Record<string, number>} */
  #counts = {};
  #counted = -1;
  #shown = "";

  /**
   * @param {HTMLElement} place
   * @param {Filters<T>} filters
   * @param {() => void} changed
   */
  constructor(place, filters, changed) {
    this.place = place;
    this.filters = filters;
    this.changed = changed;
  }

  /**
   * @param {number} version of the items
   * @param {() => T[]} items
   */
  show(version, items) {
    if (version !== this.#counted) this.#counts = tally(items(), this.filters);
    this.#counted = version;
    const stamp = JSON.stringify([this.chosen, this.#counts]);
    if (stamp === this.#shown) return;
    this.#shown = stamp;
    const { place } = this;
    const focused = [...place.children].indexOf(/** @type {Element} */ (document.activeElement));
    replaceChildren(place, this.#chips());
    const again = place.children[Math.min(focused, place.children.length - 1)];
    if (focused >= 0 && again instanceof HTMLElement) again.focus();
  }

  /** The filters that would leave something, and the chosen one. */
  #chips() {
    return Object.keys(this.filters)
      .filter((name) => name === "all" || name === this.chosen || this.#counts[name])
      .map((name) => this.#chip(name));
  }

  /** @param {string} name */
  #chip(name) {
    const isChosen = name === this.chosen;
    const choose = () => {
      this.chosen = isChosen ? "all" : name;
      this.changed();
    };
    return h(
      "button",
      {
        type: "button",
        class: "chip",
        "data-filter": name,
        "aria-pressed": String(isChosen),
        onclick: choose,
      },
      this.filters[name].label,
      h("span", { class: "chip-count" }, count(this.#counts[name])),
    );
  }
}

/**
 * @template T
 * @param {T[]} items
 * @param {Filters<T>} filters
 * @returns {Record<string, number>}
 */
function tally(items, filters) {
  const names = Object.keys(filters);
  const counts = Object.fromEntries(names.map((name) => [name, 0]));
  for (const item of items) {
    for (const name of names) if (filters[name].fits(item)) counts[name] += 1;
  }
  return counts;
}
