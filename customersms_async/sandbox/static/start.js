// The content of an empty inbox: how to send to it.

import { h, replaceChildren } from "./dom.js";
import { copyAndSay } from "./toasts.js";

/** The default account of the command line, masked as in answers. */
const USUAL = { masked: "cspro_…c7916b", key: "cspro_sandbox" };

/**
 * @param {HTMLElement} place
 * @param {string[]} accounts
 */
export function showStart(place, accounts) {
  const key = accounts.includes(USUAL.masked) ? USUAL.key : "cspro_…";
  if (place.dataset.key === key) return;
  place.dataset.key = key;
  replaceChildren(
    place,
    h("h2", {}, "Nothing has been sent yet"),
    h(
      "p",
      { class: "lead" },
      "This gateway speaks the API and sends nothing. Point your application at it, and each message appears here as it is accepted.",
    ),
    h(
      "ol",
      { class: "ways" },
      ways(key).map(([title, note, text]) => way(title, note, text)),
    ),
    h(
      "p",
      { class: "lead" },
      "Some numbers have a meaning: +1 212 666 0002 is accepted and its answer is lost. All of them, and the calls for tests, stand on the ",
      h("a", { href: "/_sandbox/" }, "help page"),
      ". Press ",
      h("kbd", {}, "?"),
      " for the keys of this one.",
    ),
  );
}

/**
 * @param {string} key
 * @returns {[string, string, string][]}
 */
function ways(key) {
  const endpoint = `${location.origin}/sms_system/api.php`;
  const isKnown = !key.endsWith("…");
  return [
    [
      "Point your application here",
      isKnown ? "" : "The key is the one that the sandbox was started with.",
      `export CUSTOMERSMS_API_KEY=${key}\nexport CUSTOMERSMS_ENDPOINT=${endpoint}`,
    ],
    [
      "Send with Python",
      "",
      'import asyncio\nfrom customersms_async import CustomerSMS\n\nasync def main() -> None:\n    async with CustomerSMS() as sms:\n        await sms.send("+12125550123", "Your code is 4711")\n\nasyncio.run(main())',
    ],
    [
      "Or with curl",
      "",
      `curl "$CUSTOMERSMS_ENDPOINT" -H 'Content-Type: application/json' \\\n  -d '{"api_key": "'"$CUSTOMERSMS_API_KEY"'", "phone": "+12125550123", "message": "Your code is 4711"}'`,
    ],
  ];
}

/**
 * @param {string} title
 * @param {string} note
 * @param {string} text
 */
function way(title, note, text) {
  const button = h(
    "button",
    { type: "button", class: "quiet", "aria-label": `Copy: ${title}` },
    "Copy",
  );
  button.addEventListener("click", () => void copyAndSay(text, "Copied"));
  return h(
    "li",
    {},
    h("h3", {}, title),
    note && h("p", { class: "note" }, note),
    h("div", { class: "snippet-box" }, h("pre", { tabindex: "0" }, text), button),
  );
}
