// The keyboard.

import { h, replaceChildren } from "./dom.js";

/** @type {[string[], string][]} */
const SHEET = [
  [["j", "↓"], "next number or request"],
  [["k", "↑"], "the one before"],
  [["Home", "End"], "first, last"],
  [["Enter"], "open it and go to it"],
  [["n"], "go to the numbers"],
  [["r"], "go to the requests"],
  [["/"], "search"],
  [["c"], "copy the last code"],
  [["m"], "next mailbox"],
  [["u"], "mark all as seen"],
  [["e"], "export what the list shows"],
  [["f"], "faults"],
  [["t"], "light or dark"],
  [["Esc"], "close, empty the search, follow the newest"],
  [["?"], "this sheet"],
];

/**
 * Listen for command keys, wherever the focus is except in a field.
 * @param {Record<string, (event: KeyboardEvent) => void>} commands by the value of `key`
 */
export function listen(commands) {
  document.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey || event.defaultPrevented) return;
    const target = /** @type {Element} */ (event.target);
    const isField = target.matches("input, select, textarea");
    const leaves =
      event.key === "Escape" ||
      (target.id === "search" && ["Enter", "ArrowDown"].includes(event.key));
    if (isField && !leaves) return;
    if (event.key === "Enter" && target.matches("a, button, summary")) return;
    const name = event.key.length === 1 ? event.key.toLowerCase() : event.key;
    if (document.querySelector("dialog:modal") && name !== "?") return;
    const command = commands[name];
    if (command) command(event);
  });
}

/** @param {HTMLDialogElement} dialog */
export function showSheet(dialog) {
  if (dialog.open) return dialog.close();
  const keys = SHEET.flatMap(([names, does]) => [
    h(
      "dt",
      {},
      names.map((name) => h("kbd", {}, name)),
    ),
    h("dd", {}, does),
  ]);
  const close = h(
    "button",
    { type: "button", class: "close", "aria-label": "Close", onclick: () => dialog.close() },
    "×",
  );
  replaceChildren(
    dialog,
    h("header", { class: "panel-head" }, h("h2", { id: "help-title" }, "Keys"), close),
    h("dl", { class: "sheet-keys" }, keys),
    h(
      "p",
      { class: "note" },
      "Everything on this page can be done over HTTP as well: ",
      h("a", { href: "/_sandbox/" }, "all calls and faults"),
      ".",
    ),
  );
  dialog.showModal();
  return undefined;
}
