// How numbers, times and texts are written.

import { h } from "./dom.js";

/** Country codes of one and two digits (ITU E.164); all others have three. */
const SHORT_CODES = /^(?:[17]|2[07]|3[0-469]|4[013-9]|5[1-8]|6[0-6]|8[1246]|9[0-58])/;

/** The first code in a text, as the sandbox finds it. */
const CODE = /(?<![0-9])(?:[0-9]{3}[ -][0-9]{3}|[0-9]{4,8})(?![0-9])/;

const COUNT = new Intl.NumberFormat("en");
const DAY = new Intl.DateTimeFormat("en", {
  weekday: "long",
  day: "numeric",
  month: "long",
  year: "numeric",
});

/** @param {number} number */
export const count = (number) => COUNT.format(number);

/**
 * @param {number} number
 * @param {string} one
 * @param {string} [many]
 */
export const counted = (number, one, many = `${one}s`) =>
  `${count(number)} ${number === 1 ? one : many}`;

/**
 * Cut a number into the groups in which it is read: country code, then threes and fours.
 * @param {string} phone
 * @returns {string[]}
 */
export function groups(phone) {
  if (!/^\+[0-9]{7,15}$/.test(phone)) return [phone];
  const digits = phone.slice(1);
  const code = SHORT_CODES.exec(digits)?.[0] ?? digits.slice(0, 3);
  const rest = digits.slice(code.length);
  const last = rest.length % 3 === 1 ? 4 : 3;
  const head = rest.slice(0, -last).match(/.{1,3}/g) ?? [];
  return [`+${code}`, ...head, rest.slice(-last)];
}

/**
 * Show a number in groups that are apart to the eye only: it is copied and read without gaps.
 * @param {string} phone
 */
export function phoneIn(phone) {
  const parts = groups(phone).map((part) => h("span", { class: "group" }, part));
  return h("bdi", { class: "phone", dir: "ltr" }, parts);
}

/** @param {number} number */
const two = (number) => String(number).padStart(2, "0");

/**
 * The time of day, where the reader is.
 * @param {string} at
 * @param {boolean} [fine] with milliseconds
 */
export function time(at, fine = false) {
  const date = new Date(at);
  const whole = `${two(date.getHours())}:${two(date.getMinutes())}:${two(date.getSeconds())}`;
  return fine ? `${whole}.${String(date.getMilliseconds()).padStart(3, "0")}` : whole;
}

/** @param {string} at */
export const day = (at) => DAY.format(new Date(at));

/** @param {string} at */
export const dayKey = (at) => new Date(at).toDateString();

/** @param {number} seconds */
export function duration(seconds) {
  if (seconds > 0 && seconds < 0.001) return "< 1 ms";
  if (seconds < 1) return `${Math.round(seconds * 1000)} ms`;
  if (seconds < 100) return `${Number(seconds.toFixed(1))} s`;
  return seconds < 5400
    ? `${Math.round(seconds / 60)} min`
    : `${Number((seconds / 3600).toFixed(1))} h`;
}

/** @param {string} account */
export const mailboxName = (account) => account.replace("cspro_", "");

/**
 * A text with its code marked.
 * @param {string} text
 * @returns {(Node | string)[]}
 */
export function withCode(text) {
  const found = CODE.exec(text);
  if (!found) return [text];
  const end = found.index + found[0].length;
  return [text.slice(0, found.index), h("mark", { class: "code" }, found[0]), text.slice(end)];
}
