// The parts of the fault panel: each shows a setting and changes it.

import { button, group, number, onEnter } from "./fields.js";
import { h } from "./dom.js";
import { counted, duration, mailboxName, shortly } from "./format.js";

/** @typedef {import("./faults.js").FaultPanel} Panel */
/** @typedef {import("./faults.js").Limit} Limit */

const CLOCK_STEPS = /** @type {[string, number][]} */ ([
  ["+10 s", 10],
  ["+1 min", 60],
  ["+1 h", 3600],
  ["+1 day", 86_400],
]);

/**
 * @param {Panel} panel
 * @param {string[]} script
 */
export function nextRequests(panel, script) {
  const fault = faultField(panel, "next-fault", "answer-lost");
  const note = () => panel.meaning(fault.value) || "Each takes one step, in this order.";
  const times = number("next-times", 1, { min: 1, max: 1000, label: "times" });
  const add = () => {
    const steps = Array(Math.max(1, Math.min(1000, Number(times.value) || 1))).fill(fault.value);
    return panel.change(
      { script: [...script, ...steps].join(", ") },
      `The next ${counted(steps.length, "request")}: ${fault.value}`,
    );
  };
  const steps = shortly(script).map((step) => h("li", {}, step));
  const part = group(
    "The next requests",
    note(),
    h(
      "div",
      { class: "fields" },
      fault,
      h("span", { class: "by" }, "×"),
      times,
      button("Add", add, "main"),
    ),
    script.length > 0 &&
      h(
        "ol",
        { class: "steps" },
        steps,
        h(
          "li",
          { class: "bare" },
          button("Drop", () => panel.change({ script: "" }, "Nothing is planned"), "quiet"),
        ),
      ),
  );
  explain(part, fault, note);
  return part;
}

/**
 * @param {Panel} panel
 * @param {string | null} standing
 */
export function everyRequest(panel, standing) {
  const fault = faultField(panel, "standing", standing ?? "", "nothing");
  fault.addEventListener("change", () =>
    panel.change(
      { standing: fault.value || null },
      fault.value ? `Every request: ${fault.value}` : "No standing fault",
    ),
  );
  return group(
    "Every request",
    standing ? panel.meaning(standing) : "Until it is switched off.",
    h("div", { class: "fields" }, fault),
  );
}

/**
 * @param {Panel} panel
 * @param {Record<string, number>} probabilities
 * @param {number} seed
 */
export function byChance(panel, probabilities, seed) {
  const fault = faultField(panel, "dice-fault", "answer-lost");
  const percent = number("dice-percent", 10, { min: 0, max: 100, label: "percent" });
  const roll = number("seed", seed, { min: 0, max: 2 ** 31, label: "seed" });
  const change = (/** @type {Record<string, number>} */ chances, /** @type {string} */ done) =>
    panel.change({ probabilities: chances, seed: Number(roll.value) || 0 }, done);
  const set = () =>
    change(
      { ...probabilities, [fault.value]: Number(percent.value) / 100 },
      `${percent.value} %: ${fault.value}`,
    );
  const chances = Object.entries(probabilities).map(([name, chance]) =>
    h(
      "li",
      {},
      `${name} ${Number((chance * 100).toFixed(2))} %`,
      button(
        "×",
        () => change(without(probabilities, name), `${name} is off`),
        "quiet",
        `Switch ${name} off`,
      ),
    ),
  );
  return group(
    "By chance",
    "The same seed and the same requests give the same run.",
    h(
      "div",
      { class: "fields" },
      fault,
      percent,
      h("span", { class: "by" }, "%  seed"),
      roll,
      button("Set", set),
    ),
    chances.length > 0 && h("ul", { class: "steps" }, chances),
  );
}

/**
 * @param {Panel} panel
 * @param {string | null} latency
 */
export function latencyOf(panel, latency) {
  const field = /** @type {HTMLInputElement} */ (
    h("input", {
      name: "latency",
      type: "text",
      "aria-label": "Seconds before each answer",
      list: "latencies",
      spellcheck: "false",
      autocomplete: "off",
    })
  );
  field.value = latency ?? "";
  const presets = h(
    "datalist",
    { id: "latencies" },
    ["0", "0.2", "2", "uniform(0.1, 0.5)", "normal(0.3, 0.1)", "exponential(0.3)"].map((value) =>
      h("option", { value }),
    ),
  );
  const set = () =>
    panel.change({ latency: field.value.trim() || "0" }, `Latency: ${field.value.trim() || "0"} s`);
  onEnter(field, set);
  return group(
    "Latency",
    "Seconds before each answer, or a distribution: uniform(0.1, 0.5).",
    h("div", { class: "fields" }, field, presets, button("Set", set)),
  );
}

/**
 * @param {Panel} panel
 * @param {Limit} limit
 */
export function limitOf(panel, { limit, per, rule }) {
  const most = number("limit", limit ?? "", {
    min: 1,
    max: 1_000_000,
    label: "Requests in a period",
  });
  most.placeholder = "none";
  const seconds = number("per", per, { min: 0.001, max: 86_400, label: "Seconds of a period" });
  const rules = /** @type {HTMLSelectElement} */ (
    h(
      "select",
      { name: "rule", "aria-label": "Counting rule" },
      panel.rules.map((value) => h("option", { value }, value)),
    )
  );
  rules.value = rule;
  const own = panel.account ? { key: panel.account } : {};
  const set = () =>
    panel.set(
      "POST",
      "/limit",
      {
        limit: most.value ? Number(most.value) : null,
        per: Number(seconds.value),
        rule: rules.value,
        ...own,
      },
      most.value ? `Limit: ${most.value} in ${duration(Number(seconds.value))}` : "No limit",
    );
  onEnter(most, set);
  return group(
    "Limit",
    "What was counted before is forgotten.",
    h(
      "div",
      { class: "fields" },
      most,
      h("span", { class: "by" }, "in"),
      seconds,
      h("span", { class: "by" }, "s"),
      rules,
      button("Set", set),
    ),
  );
}

/** @param {Panel} panel */
export function clock(panel) {
  const steps = CLOCK_STEPS.map(([label, seconds]) =>
    button(label, () =>
      panel.set("POST", "/clock", { advance: seconds }, `The clock moved on: ${label}`),
    ),
  );
  const note =
    panel.ahead > 0
      ? `It is ${duration(panel.ahead)} ahead.`
      : "Moves forward only; messages and the limit go by it.";
  return group("Clock", note, h("div", { class: "fields" }, steps));
}

/** @param {Panel} panel */
export function credits(panel) {
  const accounts = panel.does.accounts().filter((one) => one.credits !== null);
  if (!accounts.length) return null;
  const chosen = /** @type {HTMLSelectElement} */ (
    h(
      "select",
      { name: "credits-of", "aria-label": "Mailbox" },
      accounts.map((one) => h("option", { value: one.account }, mailboxName(one.account))),
    )
  );
  if (panel.account && accounts.some((one) => one.account === panel.account))
    chosen.value = panel.account;
  const left = () => accounts.find((one) => one.account === chosen.value)?.credits ?? 0;
  const field = number("credits", left(), { min: 0, max: 2 ** 31, label: "Credits" });
  chosen.addEventListener("change", () => (field.value = String(left())));
  const set = () =>
    panel.set(
      "POST",
      "/credits",
      { key: chosen.value, credits: Number(field.value) },
      `${counted(Number(field.value), "credit")} left`,
    );
  onEnter(field, set);
  return group("Credits", "", h("div", { class: "fields" }, chosen, field, button("Set", set)));
}

/** @param {Panel} panel */
export function tidy(panel) {
  const clear = /** @type {HTMLButtonElement} */ (
    button(
      "Clear messages and requests",
      () => {
        if (clear.dataset.sure)
          return panel.set(
            "DELETE",
            "/messages",
            panel.account ? { key: panel.account } : {},
            "Cleared",
          );
        clear.dataset.sure = "yes";
        clear.textContent = panel.account
          ? `Clear ${mailboxName(panel.account)}? Press again`
          : "Clear every mailbox? Press again";
        return undefined;
      },
      "danger",
    )
  );
  return group(
    "Begin anew",
    "Credits, limit and standing faults stay.",
    h(
      "div",
      { class: "fields" },
      clear,
      button("Switch all faults off", () => panel.allOff()),
    ),
  );
}

/**
 * Make the note of a part say what the chosen fault does.
 * @param {HTMLElement} part
 * @param {HTMLElement} fault
 * @param {() => string} note
 */
function explain(part, fault, note) {
  fault.addEventListener("change", () => {
    const place = part.querySelector(".note");
    if (place) place.textContent = note();
  });
}

/**
 * A choice among all faults.
 * @param {Panel} panel
 * @param {string} name
 * @param {string} value
 * @param {string} [nothing] label of the choice of none
 */
function faultField(panel, name, value, nothing) {
  const kinds = [...new Set(panel.catalogue.map((one) => one.kind))];
  const groups = kinds.map((kind) =>
    h(
      "optgroup",
      { label: kind },
      panel.catalogue
        .filter((one) => one.kind === kind)
        .map((one) => h("option", { value: one.name, title: one.meaning }, one.name)),
    ),
  );
  const select = /** @type {HTMLSelectElement} */ (
    h(
      "select",
      { name, "aria-label": "Fault" },
      nothing && h("option", { value: "" }, nothing),
      groups,
    )
  );
  select.value = value;
  return select;
}

/**
 * @param {Record<string, number>} chances
 * @param {string} name
 */
function without(chances, name) {
  return Object.fromEntries(Object.entries(chances).filter(([one]) => one !== name));
}
