// How a text is split into segments (3GPP TS 23.038: the GSM 7-bit alphabet and its extension table;
// TS 23.040: 160 and 153 septets, 70 and 67 UTF-16 units).

const BASIC = new Set(
  "@£$¥èéùìòÇ\nØø\rÅåΔ_ΦΓΛΩΠΨΣΘΞÆæßÉ !\"#¤%&'()*+,-./0123456789:;<=>?¡ABCDEFGHIJKLMNOPQRSTUVWXYZÄÖÑÜ§¿abcdefghijklmnopqrstuvwxyzäöñüà",
);
const EXTENDED = new Set("\f^{}\\[~]|€");

/**
 * @typedef {object} Size
 * @property {"GSM-7" | "UCS-2"} alphabet
 * @property {number} units septets, or UTF-16 units
 * @property {number} room units that fit in that many segments
 * @property {number} segments
 * @property {number[]} joints where each segment after the first begins, as string indexes
 * @property {string[]} forcing the characters that are not in the GSM 7-bit alphabet, each once
 */

/**
 * @param {string} text
 * @returns {Size}
 */
export function sizeOf(text) {
  const characters = [...text];
  const forcing = [...new Set(characters.filter((one) => !BASIC.has(one) && !EXTENDED.has(one)))];
  const isPlain = !forcing.length;
  const widths = characters.map((one) => (isPlain ? (EXTENDED.has(one) ? 2 : 1) : one.length));
  const [single, part] = isPlain ? [160, 153] : [70, 67];
  const units = widths.reduce((sum, width) => sum + width, 0);
  const joints = units <= single ? [] : jointsOf(characters, widths, part);
  const segments = joints.length + 1;
  return {
    alphabet: isPlain ? "GSM-7" : "UCS-2",
    units,
    room: segments === 1 ? single : segments * part,
    segments,
    joints,
    forcing,
  };
}

/**
 * Fill segments in order; escape sequences and surrogate pairs are not split.
 * @param {string[]} characters
 * @param {number[]} widths
 * @param {number} room
 */
function jointsOf(characters, widths, room) {
  /** @type {number[]} */
  const joints = [];
  let [used, place] = [0, 0];
  characters.forEach((character, index) => {
    if (used + widths[index] > room) {
      joints.push(place);
      used = 0;
    }
    used += widths[index];
    place += character.length;
  });
  return joints;
}
