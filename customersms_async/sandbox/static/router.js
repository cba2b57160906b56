// The current view, kept in the hash of the page's address.

/**
 * @typedef {object} Place
 * @property {"home" | "thread" | "requests" | "request"} view
 * @property {string} [phone] of a thread
 * @property {number} [request] of a request
 */

/**
 * @param {string} hash
 * @returns {Place}
 */
export function placeOf(hash) {
  const path = hash.replace(/^#\/?/, "").replace("%2B", "+");
  const request = /^request\/([0-9]+)$/.exec(path);
  const phone = /^\+?([0-9]+)$/.exec(path);
  if (request) return { view: "request", request: Number(request[1]) };
  if (path === "requests") return { view: "requests" };
  if (phone) return { view: "thread", phone: `+${phone[1]}` };
  return { view: "home" };
}

export class Router {
  /** @param {(place: Place) => void} arrive called for each new place */
  constructor(arrive) {
    this.arrive = arrive;
    window.addEventListener("hashchange", () => this.read());
  }

  /** Report the place of the address. */
  read() {
    this.arrive(placeOf(location.hash));
  }

  /** @param {string} hash */
  go(hash) {
    if (location.hash === hash) this.read();
    else location.hash = hash;
  }

  /** Go somewhere, replacing the current history entry. @param {string} hash */
  slide(hash) {
    history.replaceState(null, "", hash);
    this.read();
  }
}
