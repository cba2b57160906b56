// How many segments a text takes (3GPP TS 23.038: the GSM 7-bit alphabet and its extension table;
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
 */

/**
 * @param {string} text
 * @returns {Size}
 */
export function sizeOf(text) {
  const characters = [...text];
  const isPlain = characters.every((one) => BASIC.has(one) || EXTENDED.has(one));
  const widths = characters.map((one) => (isPlain ? (EXTENDED.has(one) ? 2 : 1) : one.length));
  const [single, part] = isPlain ? [160, 153] : [70, 67];
  const units = widths.reduce((sum, width) => sum + width, 0);
  const segments = units <= single ? 1 : packed(widths, part);
  return {
    alphabet: isPlain ? "GSM-7" : "UCS-2",
    units,
    room: segments === 1 ? single : segments * part,
    segments,
  };
}

/**
 * Fill segments in order; an escape sequence or a surrogate pair is not torn apart.
 * @param {number[]} widths
 * @param {number} room
 */
function packed(widths, room) {
  let [segments, used] = [1, 0];
  for (const width of widths) {
    if (used + width > room) [segments, used] = [segments + 1, 0];
    used += width;
  }
  return segments;
}
