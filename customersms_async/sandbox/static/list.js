// A list of any length: only the visible rows, and a few around them, are in the document.
//
// Rules of this module:
// 1. What the reader looks at does not move when rows are added above or measured late. Only a
//    reader at the edge where new rows appear follows them.
// 2. Rows are in the document in their order, for screen readers and the Tab key.

import { h } from "./dom.js";

/** Pixels above and below the visible part. */
const AROUND = 500;

/**
 * @template T
 * @typedef {object} Options
 * @property {number} height pixels of a row; an estimate unless `isFixed`
 * @property {boolean} isFixed whether each row has exactly that height
 * @property {"top" | "bottom"} edge where new rows appear
 * @property {(item: T) => string} key
 * @property {(item: T, index: number, items: T[]) => string} stamp changes when the row must be rebuilt
 * @property {(item: T, index: number, items: T[]) => HTMLElement} build
 * @property {(row: HTMLElement, item: T, index: number) => void} [place] called for each visible row
 * @property {() => void} [moved] called after the reader has scrolled
 * @property {string} [empty] the text of an empty list
 */

/** @typedef {{element: HTMLElement, stamp: string, top: number}} Row */

/** @template T */
export class VirtualList {
  /** @type {T[]} */
  items = [];
  /** @type {Map<string, Row>} */
  #rows = new Map();
  /** @type {Map<string, number>} */
  #heights = new Map();
  /** @type {Float64Array | null} */
  #tops = null;
  #frame = 0;
  #width = 0;

  /**
   * @param {HTMLElement} scroller
   * @param {Options<T>} options
   */
  constructor(scroller, options) {
    this.scroller = scroller;
    this.options = options;
    this.body = h("div", { class: "list-body", role: "presentation" });
    this.empty = h("p", { class: "none", hidden: true }, options.empty ?? "");
    scroller.append(this.body, this.empty);
    scroller.addEventListener("scroll", () => this.#soon(), { passive: true });
    new ResizeObserver(() => this.#resized()).observe(scroller);
  }

  /** Whether the reader is at the edge where new rows appear. */
  get isAtEdge() {
    const { scrollTop, scrollHeight, clientHeight } = this.scroller;
    return this.options.edge === "top"
      ? scrollTop < 4
      : scrollTop + clientHeight > scrollHeight - 24;
  }

  /**
   * Show these items. The scroll position stays, unless it is at the edge.
   * @param {T[]} items
   * @param {boolean} [anew] another list: go to the edge
   */
  show(items, anew = false) {
    const anchor = anew || this.isAtEdge ? null : this.#anchor();
    if (anew) this.forget();
    this.items = items;
    this.empty.hidden = items.length > 0 || !this.options.empty;
    this.#tops = null;
    this.#lay(anchor);
  }

  /** Rebuild every row: the same keys now mean other items. */
  forget() {
    for (const { element } of this.#rows.values()) element.remove();
    this.#rows.clear();
    this.#heights.clear();
  }

  /** Place the visible rows again, without checking the items. */
  refresh() {
    this.#lay(this.isAtEdge ? null : this.#anchor());
  }

  /** Scroll to where new rows appear. */
  toEdge() {
    this.#lay(null);
  }

  /**
   * Scroll a row into view.
   * @param {number} index
   * @param {boolean} [centred]
   */
  reveal(index, centred = false) {
    const { scroller } = this;
    const [top, bottom] = [this.#top(index), this.#top(index + 1)];
    const room = scroller.clientHeight;
    if (centred) scroller.scrollTop = top - (room - (bottom - top)) / 2;
    else if (top < scroller.scrollTop) scroller.scrollTop = top;
    else if (bottom > scroller.scrollTop + room) scroller.scrollTop = bottom - room;
    this.refresh();
  }

  #soon() {
    this.#frame ||= requestAnimationFrame(() => {
      this.#frame = 0;
      this.#lay(this.#anchor());
      this.options.moved?.();
    });
  }

  #resized() {
    if (!this.scroller.clientHeight) return;
    const anchor = this.isAtEdge ? null : this.#anchor();
    if (this.#width !== this.scroller.clientWidth) this.#heights.clear();
    this.#width = this.scroller.clientWidth;
    this.#tops = null;
    this.#lay(anchor);
  }

  /** The first visible row, and how far it is scrolled out. */
  #anchor() {
    const index = this.#at(this.scroller.scrollTop);
    const item = this.items[index];
    if (item === undefined) return null;
    return { key: this.options.key(item), index, by: this.scroller.scrollTop - this.#top(index) };
  }

  /** @param {{key: string, index: number, by: number} | null} anchor none for the edge */
  #lay(anchor) {
    for (let pass = 0; pass < 4; pass += 1) {
      this.body.style.height = `${this.#top(this.items.length)}px`;
      this.#scrollTo(anchor);
      this.#placeRows();
      if (!this.#measure()) break;
    }
  }

  /** @param {{key: string, index: number, by: number} | null} anchor */
  #scrollTo(anchor) {
    const { scroller, options } = this;
    const edge = options.edge === "top" ? 0 : scroller.scrollHeight - scroller.clientHeight;
    const wanted = anchor ? this.#top(this.#find(anchor)) + anchor.by : edge;
    if (Math.abs(scroller.scrollTop - wanted) > 0.5) scroller.scrollTop = wanted;
  }

  /**
   * Find a row that may have moved, searching outwards from where it was.
   * @param {{key: string, index: number}} anchor
   */
  #find({ key, index }) {
    const { items, options } = this;
    for (let step = 0; step < items.length; step += 1) {
      for (const place of [index + step, index - step]) {
        if (place >= 0 && place < items.length && options.key(items[place]) === key) return place;
      }
    }
    return Math.min(index, items.length - 1);
  }

  #placeRows() {
    const { scroller, items } = this;
    const first = Math.max(0, this.#at(scroller.scrollTop - AROUND));
    const last = Math.min(
      items.length - 1,
      this.#at(scroller.scrollTop + scroller.clientHeight + AROUND),
    );
    /** @type {Map<string, Row>} */
    const rows = new Map();
    for (let index = first; index <= last; index += 1)
      rows.set(this.options.key(items[index]), this.#row(index));
    for (const [key, row] of this.#rows) if (rows.get(key) !== row) row.element.remove();
    this.#rows = rows;
    this.#order();
  }

  #order() {
    let next = this.body.firstChild;
    for (const { element } of this.#rows.values()) {
      if (element === next) next = next.nextSibling;
      else this.body.insertBefore(element, next);
    }
  }

  /** @param {number} index */
  #row(index) {
    const { options, items } = this;
    const item = items[index];
    const stamp = options.stamp(item, index, items);
    let row = this.#rows.get(options.key(item));
    if (!row || row.stamp !== stamp)
      row = { element: options.build(item, index, items), stamp, top: -1 };
    const top = this.#top(index);
    if (row.top !== top) row.element.style.transform = `translateY(${top}px)`;
    row.top = top;
    row.element.setAttribute("aria-posinset", String(index + 1));
    row.element.setAttribute("aria-setsize", String(items.length));
    options.place?.(row.element, item, index);
    return row;
  }

  /** Measure each visible row; return whether a height differs from its estimate. */
  #measure() {
    if (this.options.isFixed || !this.scroller.clientHeight) return false;
    let isNews = false;
    for (const [key, { element }] of this.#rows) {
      const height = element.offsetHeight;
      if ((this.#heights.get(key) ?? this.options.height) !== height) isNews = true;
      this.#heights.set(key, height);
    }
    if (isNews) this.#tops = null;
    return isNews;
  }

  /** @param {number} index */
  #top(index) {
    if (this.options.isFixed) return index * this.options.height;
    this.#tops ??= this.#sums();
    return this.#tops[Math.min(index, this.items.length)];
  }

  #sums() {
    const { items, options } = this;
    const sums = new Float64Array(items.length + 1);
    items.forEach((item, index) => {
      sums[index + 1] = sums[index] + (this.#heights.get(options.key(item)) ?? options.height);
    });
    return sums;
  }

  /**
   * Find the row at a height.
   * @param {number} y
   */
  #at(y) {
    if (this.options.isFixed)
      return Math.min(this.items.length - 1, Math.max(0, Math.floor(y / this.options.height)));
    let [low, high] = [0, this.items.length - 1];
    while (low < high) {
      const middle = (low + high + 1) >> 1;
      if (this.#top(middle) <= y) low = middle;
      else high = middle - 1;
    }
    return low;
  }
}
