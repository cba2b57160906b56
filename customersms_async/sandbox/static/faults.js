// What can be set: faults, latency, limit, clock, credits. All of it goes through the calls that
// any other program can make; what is shown is what the sandbox answered.

import { call } from "./api.js";
import { at, fill, h } from "./dom.js";
import { count, counted, duration, mailboxName } from "./words.js";

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

const CLOCK_STEPS = /** @type {[string, number][]} */ ([["+10 s", 10], ["+1 min", 60], ["+1 h", 3600], ["+1 day", 86_400]]);

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
  #account = null;
  /** @type {string[]} */
  #rules = [];
  #ahead = 0;
  #errors = h("p", { class: "problem", role: "alert", hidden: true });
  #form = h("div", { class: "panel-body" });
  #title = h("h2", { id: "faults-title" });

  /**
   * @param {HTMLDialogElement} dialog
   * @param {{said: (words: string) => void, mailbox: () => string | null, accounts: () => import("./store.js").Account[]}} does
   */
  constructor(dialog, does) {
    this.dialog = dialog;
    this.does = does;
    const close = h("button", { type: "button", class: "close", "aria-label": "Close", title: "Close (Esc)", onclick: () => this.close() }, "×");
    fill(dialog, h("header", { class: "panel-head" }, this.#title, close), this.#errors, this.#form);
  }

  get isOpen() {
    return this.dialog.open;
  }

  /** Open it, or close it. */
  async toggle() {
    if (this.isOpen) return this.close();
    for (const part of this.#form.children) part.classList.remove("is-edited");
    this.dialog.show();
    at("faults-button").setAttribute("aria-expanded", "true");
    await this.read();
    this.#form.querySelector("select")?.focus();
  }

  close() {
    this.dialog.close();
    at("faults-button").setAttribute("aria-expanded", "false");
    at("faults-button").focus();
  }

  /** @param {string} fault */
  meaning(fault) {
    return this.catalogue.find((one) => one.name === fault)?.meaning ?? "";
  }

  /** Ask the sandbox what is set, for the mailbox that is shown. */
  async read() {
    const account = this.does.mailbox();
    const given = { key: account };
    const [faults, common, limit, clock, status] = await Promise.all([
      call("GET", "/faults", given),
      account ? call("GET", "/faults") : null,
      call("GET", "/limit", given),
      call("GET", "/clock"),
      this.#rules.length ? null : call("GET", "/status"),
    ]);
    this.catalogue = faults.catalogue;
    [this.#faults, this.#common, this.#limit, this.#account] = [faults, common ?? faults, limit, account];
    this.#ahead = clock.ahead;
    if (status) this.#rules = status.rules;
    this.#show();
  }

  /**
   * Change something, and show what is set then.
   * @param {"POST" | "DELETE"} method
   * @param {string} path
   * @param {Record<string, unknown>} given
   * @param {string} done
   */
  async #set(method, path, given, done) {
    try {
      await call(method, path, given);
      this.#errors.hidden = true;
      for (const part of this.#form.children) part.classList.remove("is-edited");
      this.does.said(done);
    } catch (error) {
      this.#errors.textContent = error instanceof Error ? error.message : String(error);
      this.#errors.hidden = false;
    }
    await this.read();
  }

  /** @param {Record<string, unknown>} settings @param {string} done */
  #change(settings, done) {
    return this.#set("POST", "/faults", this.#account ? { ...settings, key: this.#account } : settings, done);
  }

  #show() {
    this.#showBand();
    if (!this.isOpen || !this.#faults || !this.#limit) return;
    const { script, standing, probabilities, seed, latency } = this.#faults;
    fill(this.#title, "Faults", h("span", { class: "for" }, this.#account ? `for ${mailboxName(this.#account)}` : "for every mailbox"));
    this.#part("next", [script], () => this.#next(script));
    this.#part("always", [standing], () => this.#always(standing));
    this.#part("chance", [probabilities, seed], () => this.#dice(probabilities, seed));
    this.#part("latency", [latency], () => this.#late(latency));
    this.#part("limit", [this.#limit], () => this.#budget(/** @type {Limit} */ (this.#limit)));
    this.#part("clock", [this.#ahead], () => this.#clock());
    this.#part("credits", this.does.accounts().map((one) => one.credits), () => this.#credits());
    this.#part("tidy", [], () => this.#tidy());
  }

  /**
   * Show a part anew if what it shows has changed, but never under the hands of somebody who
   * types in it.
   * @param {string} name
   * @param {unknown[]} shown
   * @param {() => HTMLElement | null} build
   */
  #part(name, shown, build) {
    let place = /** @type {HTMLElement | null} */ (this.#form.querySelector(`[data-part="${name}"]`));
    if (!place) {
      place = h("div", { "data-part": name, oninput: () => place?.classList.add("is-edited") });
      this.#form.append(place);
    }
    const stamp = JSON.stringify([this.#account, ...shown]);
    if (place.dataset.stamp === stamp || place.classList.contains("is-edited")) return;
    place.dataset.stamp = stamp;
    const focused = place.contains(document.activeElement) ? document.activeElement?.getAttribute("name") : null;
    fill(place, build());
    const again = focused && place.querySelector(`[name="${focused}"]`);
    if (again instanceof HTMLElement) again.focus();
  }

  /** The band that says, whether or not the panel is open, that something goes wrong on purpose. */
  #showBand() {
    const band = at("standing");
    const words = inWords(this.#common, this.#faults);
    band.hidden = words.length === 0;
    const stamp = words.join("|");
    if (band.dataset.stamp === stamp) return;
    band.dataset.stamp = stamp;
    const off = h("button", { type: "button", onclick: () => this.#allOff() }, "Switch off");
    fill(band, h("b", {}, "Faults on"), h("span", { class: "causes", title: words.join(" · ") }, words.map((one) => h("span", { class: "cause" }, one))), off);
  }

  async #allOff() {
    if (this.#account) await call("DELETE", "/faults", { key: this.#account });
    await this.#set("DELETE", "/faults", {}, "All faults are off");
  }

  /** @param {string[]} script */
  #next(script) {
    const fault = this.#select("next-fault", "answer-lost");
    const times = number("next-times", 1, { min: 1, max: 1000, label: "times" });
    const add = () => {
      const steps = Array(Math.max(1, Math.min(1000, Number(times.value) || 1))).fill(fault.value);
      return this.#change({ script: [...script, ...steps].join(", ") }, `The next ${counted(steps.length, "request")}: ${fault.value}`);
    };
    const steps = shortly(script).map((step) => h("li", {}, step));
    return group("The next requests", "Each takes one step, in this order.",
      h("div", { class: "fields" }, fault, h("span", { class: "by" }, "×"), times, button("Add", add, "main")),
      script.length > 0 && h("ol", { class: "steps" }, steps, h("li", { class: "bare" }, button("Drop", () => this.#change({ script: "" }, "Nothing is planned"), "quiet"))));
  }

  /** @param {string | null} standing */
  #always(standing) {
    const fault = this.#select("standing", standing ?? "", "nothing");
    fault.addEventListener("change", () =>
      this.#change({ standing: fault.value || null }, fault.value ? `Every request: ${fault.value}` : "No standing fault"));
    return group("Every request", standing ? this.meaning(standing) : "Until it is switched off.", h("div", { class: "fields" }, fault));
  }

  /**
   * @param {Record<string, number>} probabilities
   * @param {number} seed
   */
  #dice(probabilities, seed) {
    const fault = this.#select("dice-fault", "answer-lost");
    const percent = number("dice-percent", 10, { min: 0, max: 100, label: "percent" });
    const roll = number("seed", seed, { min: 0, max: 2 ** 31, label: "seed" });
    const change = (/** @type {Record<string, number>} */ chances, /** @type {string} */ done) => this.#change({ probabilities: chances, seed: Number(roll.value) || 0 }, done);
    const set = () => change({ ...probabilities, [fault.value]: Number(percent.value) / 100 }, `${percent.value} %: ${fault.value}`);
    const chances = Object.entries(probabilities).map(([name, chance]) =>
      h("li", {}, `${name} ${Number((chance * 100).toFixed(2))} %`, button("×", () => change(without(probabilities, name), `${name} is off`), "quiet", `Switch ${name} off`)));
    return group("By chance", "The same seed and the same requests give the same run.",
      h("div", { class: "fields" }, fault, percent, h("span", { class: "by" }, "%  seed"), roll, button("Set", set)),
      chances.length > 0 && h("ul", { class: "steps" }, chances));
  }

  /** @param {string | null} latency */
  #late(latency) {
    const field = /** @type {HTMLInputElement} */ (h("input", { name: "latency", type: "text", "aria-label": "Seconds before each answer", list: "latencies", spellcheck: "false", autocomplete: "off" }));
    field.value = latency ?? "";
    const presets = h("datalist", { id: "latencies" }, ["0", "0.2", "2", "uniform(0.1, 0.5)", "normal(0.3, 0.1)", "exponential(0.3)"].map((value) => h("option", { value })));
    const set = () => this.#change({ latency: field.value.trim() || "0" }, `Latency: ${field.value.trim() || "0"} s`);
    onEnter(field, set);
    return group("Latency", "Seconds before each answer, or a distribution: uniform(0.1, 0.5).", h("div", { class: "fields" }, field, presets, button("Set", set)));
  }

  /** @param {Limit} limit */
  #budget({ limit, per, rule }) {
    const most = number("limit", limit ?? "", { min: 1, max: 1_000_000, label: "Requests in a period" });
    most.placeholder = "none";
    const seconds = number("per", per, { min: 0.001, max: 86_400, label: "Seconds of a period" });
    const rules = /** @type {HTMLSelectElement} */ (h("select", { name: "rule", "aria-label": "Counting rule" }, this.#rules.map((value) => h("option", { value }, value))));
    rules.value = rule;
    const own = this.#account ? { key: this.#account } : {};
    const set = () => this.#set("POST", "/limit", { limit: most.value ? Number(most.value) : null, per: Number(seconds.value), rule: rules.value, ...own },
      most.value ? `Limit: ${most.value} in ${duration(Number(seconds.value))}` : "No limit");
    onEnter(most, set);
    return group("Limit", "What was counted before is forgotten.", h("div", { class: "fields" }, most, h("span", { class: "by" }, "in"), seconds, h("span", { class: "by" }, "s"), rules, button("Set", set)));
  }

  #clock() {
    const steps = CLOCK_STEPS.map(([label, seconds]) => button(label, () => this.#set("POST", "/clock", { advance: seconds }, `The clock moved on: ${label}`)));
    const note = this.#ahead > 0 ? `It is ${duration(this.#ahead)} ahead.` : "Moves forward only; messages and the limit go by it.";
    return group("Clock", note, h("div", { class: "fields" }, steps));
  }

  #credits() {
    const accounts = this.does.accounts().filter((one) => one.credits !== null);
    if (!accounts.length) return null;
    const chosen = /** @type {HTMLSelectElement} */ (h("select", { name: "credits-of", "aria-label": "Mailbox" }, accounts.map((one) => h("option", { value: one.account }, mailboxName(one.account)))));
    if (this.#account && accounts.some((one) => one.account === this.#account)) chosen.value = this.#account;
    const left = () => accounts.find((one) => one.account === chosen.value)?.credits ?? 0;
    const field = number("credits", left(), { min: 0, max: 2 ** 31, label: "Credits" });
    chosen.addEventListener("change", () => (field.value = String(left())));
    const set = () => this.#set("POST", "/credits", { key: chosen.value, credits: Number(field.value) }, `${counted(Number(field.value), "credit")} left`);
    onEnter(field, set);
    return group("Credits", "", h("div", { class: "fields" }, chosen, field, button("Set", set)));
  }

  #tidy() {
    const clear = /** @type {HTMLButtonElement} */ (button("Clear messages and requests", () => {
      if (clear.dataset.sure) return this.#set("DELETE", "/messages", this.#account ? { key: this.#account } : {}, "Cleared");
      clear.dataset.sure = "yes";
      clear.textContent = this.#account ? `Clear ${mailboxName(this.#account)}? Press again` : "Clear every mailbox? Press again";
      return undefined;
    }, "danger"));
    return group("Begin anew", "Credits, limit and standing faults stay.", h("div", { class: "fields" }, clear, button("Switch all faults off", () => this.#allOff())));
  }

  /**
   * @param {string} name
   * @param {string} value
   * @param {string} [nothing] label of the choice of none
   */
  #select(name, value, nothing) {
    const kinds = [...new Set(this.catalogue.map((one) => one.kind))];
    const groups = kinds.map((kind) => h("optgroup", { label: kind },
      this.catalogue.filter((one) => one.kind === kind).map((one) => h("option", { value: one.name, title: one.meaning }, one.name))));
    const select = /** @type {HTMLSelectElement} */ (h("select", { name, "aria-label": "Fault" }, nothing && h("option", { value: "" }, nothing), groups));
    select.value = value;
    return select;
  }
}

/**
 * @param {string} title
 * @param {string} note
 * @param {...import("./dom.js").Child} children
 */
function group(title, note, ...children) {
  return h("section", { class: "group-of", "aria-label": title }, h("h3", {}, title), note && h("p", { class: "note" }, note), ...children);
}

/**
 * @param {string} label
 * @param {() => unknown} act
 * @param {string} [kind]
 * @param {string} [meaning]
 */
function button(label, act, kind = "", meaning) {
  return h("button", { type: "button", class: kind || null, "aria-label": meaning, onclick: () => void act() }, label);
}

/**
 * @param {string} name
 * @param {number | string} value
 * @param {{min: number, max: number, label: string}} bounds
 */
function number(name, value, { min, max, label }) {
  const field = /** @type {HTMLInputElement} */ (h("input", { type: "number", name, min, max, step: "any", "aria-label": label }));
  field.value = String(value);
  return field;
}

/**
 * @param {HTMLElement} field
 * @param {() => unknown} act
 */
function onEnter(field, act) {
  field.addEventListener("keydown", (event) => {
    if (event.key === "Enter") void act();
  });
}

/**
 * @param {Record<string, number>} chances
 * @param {string} name
 */
function without(chances, name) {
  return Object.fromEntries(Object.entries(chances).filter(([one]) => one !== name));
}

/**
 * Steps with equal neighbours drawn together; of very many the first.
 * @param {string[]} script
 */
function shortly(script) {
  /** @type {[string, number][]} */
  const runs = [];
  for (const step of script) {
    const last = runs.at(-1);
    if (last?.[0] === step) last[1] += 1;
    else runs.push([step, 1]);
  }
  const words = runs.map(([step, times]) => (times > 1 ? `${step} ×${count(times)}` : step));
  return words.length > 8 ? [...words.slice(0, 8), `… ${count(words.length - 8)} more`] : words;
}

/**
 * @param {Faults | null} common
 * @param {Faults | null} own
 */
function inWords(common, own) {
  const both = own && common && own !== common && own.account ? [own, common] : [common];
  return both.flatMap((one) => (one ? causes(one) : []));
}

/** @param {Faults} faults */
function causes({ account, script, standing, probabilities, latency }) {
  const whose = account ? `${mailboxName(account)}: ` : "";
  const chances = Object.entries(probabilities).filter(([, chance]) => chance > 0);
  return [
    script.length > 0 && `${whose}next ${shortly(script).join(", ")}`,
    standing && `${whose}every request ${standing}`,
    chances.length > 0 && whose + chances.map(([name, chance]) => `${name} ${Number((chance * 100).toFixed(2))} %`).join(", "),
    latency && latency !== "0" && latency !== "0.0" && `${whose}latency ${latency} s`,
  ].filter((one) => typeof one === "string");
}
