// Fields and buttons of the fault panel.

import { h } from "./dom.js";

/**
 * @param {string} title
 * @param {string} note
 * @param {...import("./dom.js").Child} children
 */
export function group(title, note, ...children) {
  return h(
    "section",
    { class: "group-of", "aria-label": title },
    h("h3", {}, title),
    note && h("p", { class: "note" }, note),
    ...children,
  );
}

/**
 * @param {string} label
 * @param {() => unknown} act
 * @param {string} [kind]
 * @param {string} [meaning]
 */
export function button(label, act, kind = "", meaning) {
  return h(
    "button",
    { type: "button", class: kind || null, "aria-label": meaning, onclick: () => void act() },
    label,
  );
}

/**
 * @param {string} name
 * @param {number | string} value
 * @param {{min: number, max: number, label: string}} bounds
 */
export function number(name, value, { min, max, label }) {
  const field = /** @type {HTMLInputElement} */ (
    h("input", { type: "number", name, min, max, step: "any", "aria-label": label })
  );
  field.value = String(value);
  return field;
}

/**
 * @param {HTMLElement} field
 * @param {() => unknown} act
 */
export function onEnter(field, act) {
  field.addEventListener("keydown", (event) => {
    if (event.key === "Enter") void act();
  });
}
