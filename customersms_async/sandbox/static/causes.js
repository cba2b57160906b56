// What goes wrong on purpose, in words.

import { count, mailboxName } from "./words.js";

/** @typedef {import("./faults.js").Faults} Faults */

/**
 * Steps with equal neighbours drawn together; of very many the first.
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
export function inWords(common, own) {
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
