// What is shown, as a file: for a bug report, or for the reader's own table.

import { h } from "./dom.js";
import { sizeOf } from "./segments.js";

/** @typedef {import("./store.js").Store} Store */
/** @typedef {import("./store.js").Thread} Thread */
/** @typedef {import("./store.js").SandboxRequest} SandboxRequest */

/**
 * The messages of threads, and what never reached the phone, oldest first.
 * @param {Thread[]} threads
 */
export function messagesOf(threads) {
  return threads
    .flatMap(({ phone, entries }) => entries.map((entry) => ({ phone, ...entry })))
    .sort((one, other) => one.at.localeCompare(other.at))
    .map(({ phone, message, request, at, text, account }) => {
      const { alphabet, segments } = sizeOf(text);
      return {
        at,
        phone,
        text,
        code: message?.code ?? null,
        alphabet,
        segments,
        mailbox: account,
        message_id: message?.id ?? null,
        is_duplicate: message?.is_duplicate ?? false,
        fate: message ? "accepted" : (request?.fate ?? null),
        request: message?.request ?? request?.id ?? null,
      };
    });
}

/**
 * Offer a file for download.
 * @param {string} name
 * @param {object[]} rows
 */
export function download(name, rows) {
  const blob = new Blob([`${JSON.stringify(rows, null, 1)}\n`], { type: "application/json" });
  const url = URL.createObjectURL(blob);
  h("a", { href: url, download: name }).click();
  URL.revokeObjectURL(url);
}
