// Notifications: a line at the bottom of the page, and announcements for screen readers.

import { byId, copy, setText } from "./dom.js";
import { counted } from "./format.js";

/** @typedef {import("./store.js").Message} Message */

/** Milliseconds that a line stays. */
const STAYS = 2500;

/** Milliseconds for which messages are collected, to announce many at once. */
const GATHERED = 2000;

let toasting = 0;

/** @param {string} words */
export function toast(words) {
  const place = byId("toast");
  place.hidden = false;
  setText(place, words);
  clearTimeout(toasting);
  toasting = window.setTimeout(() => (place.hidden = true), STAYS);
}

/**
 * Copy a text, and confirm it.
 * @param {string} text
 * @param {string} done
 */
export async function copyAndSay(text, done) {
  toast((await copy(text)) ? done : "The browser lets nothing be copied");
}

/** Messages that have not been announced. @type {Message[]} */
let news = [];
let telling = 0;

/** @param {Message[]} messages */
export function announce(messages) {
  if (!messages.length) return;
  news = news.concat(messages);
  telling ||= window.setTimeout(() => {
    setText(byId("news"), inWords(news));
    [news, telling] = [[], 0];
  }, GATHERED);
}

/** @param {Message[]} messages */
function inWords(messages) {
  const last = messages[messages.length - 1];
  const what = last.code ? `code ${last.code}` : last.text.slice(0, 80);
  if (messages.length === 1) return `New message to ${last.phone}: ${what}`;
  return `${counted(messages.length, "new message")}, the last to ${last.phone}: ${what}`;
}
