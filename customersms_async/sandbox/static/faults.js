// The settings: faults, latency, limit, clock, credits. They use the same HTTP calls as any other
// program, and show what the sandbox answered.

import { call } from "./api.js";
import { byId, h, replaceChildren } from "./dom.js";
import { toast } from "./toasts.js";
import {
  byChance,
  clock,
  credits,
  everyRequest,
  latencyOf,
  limitOf,
  nextRequests,
  tidy,
} from "./faultForm.js";
import { faultsInWords, mailboxName } from "./format.js";

/**
 * @typedef {object} Faults
 * @property {string | null} account
 * @property {string[]} script
 * @property {string | null} standing
 * @property {Record<string, number>} probabilities
 * @property {number} seed
 * @property {string | null} latency
 *
 * @typedef {{name: string, meaning: string, kind: string, number: string}} Kind
 * @typedef {{limit: number | null, per: number, rule: string}} Limit
 */

export class FaultPanel {
  /** @type {Kind[]} */
  catalogue = [];
  /** @type {Faults | null} */
  #faults = null;
  /** @type {Faults | null} */
  #common = null;
  /** @type {Limit | null} */
  #limit = null;
  /** @type {string | null} */
  account = null;
  /** @type {string[]} */
  rules = [];
  ahead = 0;
  #errors = h("p", { class: "problem", role: "alert", hidden: true });
  #form = h("div", { class: "panel-body" });
  #title = h("h2", { id: "faults-title" });

  /**
   * @param {HTMLDialogElement} dialog
   * @param {{mailbox: () => string | null, accounts: () => import("./store.js").Account[]}} does
   */
  constructor(dialog, does) {
    this.dialog = dialog;
    this.does = does;
    const close = h(
      "button",
      {
        type: "button",
        class: "close",
        "aria-label": "Close",
        title: "Close (Esc)",
        onclick: () => this.close(),
      },
      "×",
    );
    replaceChildren(
      dialog,
      h("header", { class: "panel-head" }, this.#title, close),
      this.#errors,
      this.#form,
    );
  }

  get isOpen() {
    return this.dialog.open;
  }

  /** Open it, or close it. */
  async toggle() {
    if (this.isOpen) return this.close();
    for (const part of this.#form.children) part.classList.remove("is-edited");
    this.dialog.show();
    byId("faults-button").setAttribute("aria-expanded", "true");
    await this.read();
    this.#form.querySelector("select")?.focus();
  }

  close() {
    this.dialog.close();
    byId("faults-button").setAttribute("aria-expanded", "false");
    byId("faults-button").focus();
  }

  /** @param {string} fault */
  meaning(fault) {
    return this.catalogue.find((one) => one.name === fault)?.meaning ?? "";
  }

  /** Load the settings of the mailbox that is shown. */
  async read() {
    const account = this.does.mailbox();
    const given = { key: account };
    const [faults, common, limit, clock, status] = await Promise.all([
      call("GET", "/faults", given),
      account ? call("GET", "/faults") : null,
      call("GET", "/limit", given),
      call("GET", "/clock"),
      this.rules.length ? null : call("GET", "/status"),
    ]);
    this.catalogue = faults.catalogue;
    [this.#faults, this.#common, this.#limit, this.account] = [
      faults,
      common ?? faults,
      limit,
      account,
    ];
    this.ahead = clock.ahead;
    if (status) this.rules = status.rules;
    this.#show();
  }

  /**
   * Change a setting, and show the result.
   * @param {"POST" | "DELETE"} method
   * @param {string} path
   * @param {Record<string, unknown>} given
   * @param {string} done
   */
  async set(method, path, given, done) {
    try {
      await call(method, path, given);
      this.#errors.hidden = true;
      for (const part of this.#form.children) part.classList.remove("is-edited");
      toast(done);
    } catch (error) {
      this.#errors.textContent = error instanceof Error ? error.message : String(error);
      this.#errors.hidden = false;
    }
    await this.read();
  }

  /** @param {Record<string, unknown>} settings @param {string} done */
  change(settings, done) {
    return this.set(
      "POST",
      "/faults",
      this.account ? { ...settings, key: this.account } : settings,
      done,
    );
  }

  #show() {
    this.#showBand();
    if (!this.isOpen || !this.#faults || !this.#limit) return;
    const { script, standing, probabilities, seed, latency } = this.#faults;
    replaceChildren(
      this.#title,
      "Faults",
      h(
        "span",
        { class: "for" },
        this.account ? `for ${mailboxName(this.account)}` : "for every mailbox",
      ),
    );
    this.#part("next", [script], () => nextRequests(this, script));
    this.#part("always", [standing], () => everyRequest(this, standing));
    this.#part("chance", [probabilities, seed], () => byChance(this, probabilities, seed));
    this.#part("latency", [latency], () => latencyOf(this, latency));
    this.#part("limit", [this.#limit], () => limitOf(this, /** @type {Limit} */ (this.#limit)));
    this.#part("clock", [this.ahead], () => clock(this));
    this.#part(
      "credits",
      this.does.accounts().map((one) => one.credits),
      () => credits(this),
    );
    this.#part("tidy", [], () => tidy(this));
  }

  /**
   * Rebuild a part if what it shows has changed, but never while the reader is typing in it.
   * @param {string} name
   * @param {unknown[]} shown
   * @param {() => HTMLElement | null} build
   */
  #part(name, shown, build) {
    let place = /** @type {HTMLElement | null} */ (
      this.#form.querySelector(`[data-part="${name}"]`)
    );
    if (!place) {
      place = h("div", { "data-part": name, oninput: () => place?.classList.add("is-edited") });
      this.#form.append(place);
    }
    const stamp = JSON.stringify([this.account, ...shown]);
    if (place.dataset.stamp === stamp || place.classList.contains("is-edited")) return;
    place.dataset.stamp = stamp;
    const focused = place.contains(document.activeElement)
      ? document.activeElement?.getAttribute("name")
      : null;
    replaceChildren(place, build());
    const again = focused && place.querySelector(`[name="${focused}"]`);
    if (again instanceof HTMLElement) again.focus();
  }

  /** The banner that says that faults are set, whether or not the panel is open. */
  #showBand() {
    const band = byId("standing");
    const words = faultsInWords(this.#common, this.#faults);
    band.hidden = words.length === 0;
    const stamp = words.join("|");
    if (band.dataset.stamp === stamp) return;
    band.dataset.stamp = stamp;
    const off = h("button", { type: "button", onclick: () => this.allOff() }, "Switch off");
    replaceChildren(
      band,
      h("b", {}, "Faults on"),
      h(
        "span",
        { class: "causes", title: words.join(" · ") },
        words.map((one) => h("span", { class: "cause" }, one)),
      ),
      off,
    );
  }

  async allOff() {
    if (this.account) await call("DELETE", "/faults", { key: this.account });
    await this.set("DELETE", "/faults", {}, "All faults are off");
  }
}
