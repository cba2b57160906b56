// Formatting of numbers, times, texts and faults.

import { h } from "./dom.js";

/** @typedef {import("./faults.js").Faults} Faults */

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
 * Split a number into groups for reading: country code, then threes and fours.
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
 * Show a number in groups by spacing only: it is copied and read aloud without gaps.
 * @param {string} phone
 */
export function phoneIn(phone) {
  const parts = groups(phone).map((part) => h("span", { class: "group" }, part));
  return h("bdi", { class: "phone", dir: "ltr" }, parts);
}

/** @param {number} number */
const two = (number) => String(number).padStart(2, "0");

/**
 * The local time of day.
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

/** The most characters to mark that force UCS-2: in an Arabic text, for example, all do. */
const MARKED = 20;

/**
 * A text with its code, the joints of its segments and what forces UCS-2 marked.
 * @param {string} text as it is shown; may be cut
 * @param {import("./segments.js").Size} size
 * @returns {(Node | string)[]}
 */
export function markedText(text, { joints, forcing }) {
  const code = CODE.exec(text);
  const [begin, end] = code ? [code.index, code.index + code[0].length] : [-1, -1];
  const forced = forcing.length > MARKED ? [] : placesOf(text, forcing);
  const places = forced.length > MARKED ? [] : forced;
  const cuts = [0, begin, end, ...joints, ...places.flat(), text.length];
  const inOrder = [...new Set(cuts)].filter((cut) => cut >= 0 && cut <= text.length);
  inOrder.sort((one, other) => one - other);
  return inOrder.slice(0, -1).flatMap((cut, index) => {
    const piece = text.slice(cut, inOrder[index + 1]);
    const segment = joints.indexOf(cut) + 2;
    const isForcing = places.some(([from]) => from === cut);
    const isCode = begin <= cut && cut < end;
    return [
      segment > 1 &&
        h("span", {
          class: "joint",
          "data-segment": segment,
          title: `Segment ${segment} begins here`,
        }),
      isCode
        ? h("mark", { class: "code" }, piece)
        : isForcing
          ? h("span", { class: "forcing", title: "Not in the GSM 7-bit alphabet" }, piece)
          : piece,
    ].filter((one) => one !== false);
  });
}

/**
 * @param {string} text
 * @param {string[]} characters
 * @returns {[number, number][]} where each of them begins and ends
 */
function placesOf(text, characters) {
  /** @type {[number, number][]} */
  const places = [];
  let place = 0;
  for (const character of text) {
    if (characters.includes(character)) places.push([place, place + character.length]);
    place += character.length;
  }
  return places;
}

/**
 * A character as it can be read: one that nobody sees, by its number.
 * @param {string} character
 */
function named(character) {
  if (!character.trim()) return "a blank";
  const number = /** @type {number} */ (character.codePointAt(0));
  return /[\p{Cc}\p{Cf}\p{M}]/u.test(character)
    ? `U+${number.toString(16).toUpperCase().padStart(4, "0")}`
    : character;
}

/**
 * What forces UCS-2, in words; empty if the whole text is in another script.
 * @param {import("./segments.js").Size} size
 */
export function forcingInWords({ forcing }) {
  if (!forcing.length || forcing.length > 5) return null;
  return ` for ${forcing.map(named).join(" ")}`;
}

/**
 * Steps with equal neighbours merged; only the first if there are very many.
 * @param {string[]} script
 */
export function shortly(script) {
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
export function faultsInWords(common, own) {
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
    chances.length > 0 &&
      whose +
        chances
          .map(([name, chance]) => `${name} ${Number((chance * 100).toFixed(2))} %`)
          .join(", "),
    latency && latency !== "0" && latency !== "0.0" && `${whose}latency ${latency} s`,
  ].filter((one) => typeof one === "string");
}
