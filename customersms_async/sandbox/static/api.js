// Calls to the sandbox, and its stream of events.

/** An error that the sandbox reported. */
export class Objection extends Error {}

/** The sandbox does not answer. */
export class Unreachable extends Error {}

/**
 * @param {"GET" | "POST" | "DELETE"} method
 * @param {string} path after the prefix
 * @param {Record<string, unknown>} [given] null and undefined are left out of a query
 * @returns {Promise<any>}
 */
export async function call(method, path, given = {}) {
  const isPost = method === "POST";
  const query = isPost ? "" : queryOf(given);
  const more = isPost
    ? { body: JSON.stringify(given), headers: { "Content-Type": "application/json" } }
    : {};
  const [isDone, shown] = await answerTo(`/_sandbox${path}${query}`, { method, ...more });
  if (!isDone) throw new Objection(shown.error);
  return shown;
}

/**
 * @param {string} url
 * @param {RequestInit} request
 * @returns {Promise<[boolean, any]>}
 */
async function answerTo(url, request) {
  try {
    const answer = await fetch(url, request);
    return [answer.ok, await answer.json()];
  } catch {
    throw new Unreachable("The sandbox does not answer.");
  }
}

/** @param {Record<string, unknown>} given */
function queryOf(given) {
  const pairs = Object.entries(given).filter(([, value]) => value !== null && value !== undefined);
  return pairs.length
    ? `?${new URLSearchParams(pairs.map(([name, value]) => [name, String(value)]))}`
    : "";
}

/** Milliseconds after which a stream that the browser gave up is reopened. */
const AGAIN = 1000;

/**
 * Follow the events while the page is shown. The browser reconnects where it was; if it gives up,
 * a new stream is opened, which begins with `hello`.
 *
 * A page in the back-forward cache closes its stream, since a browser has only six connections to
 * one host.
 * @param {Record<string, (data: any) => void>} handlers by event
 * @param {(isOpen: boolean) => void} changed
 */
export function follow(handlers, changed) {
  /** @type {EventSource} */
  let stream;
  function open() {
    stream = new EventSource("/_sandbox/events");
    for (const [name, handle] of Object.entries(handlers)) {
      stream.addEventListener(name, (event) => handle(JSON.parse(event.data)));
    }
    stream.onopen = () => changed(true);
    stream.onerror = () => {
      changed(false);
      if (stream.readyState === EventSource.CLOSED) setTimeout(open, AGAIN);
    };
  }
  window.addEventListener("pagehide", () => stream.close());
  window.addEventListener("pageshow", ({ persisted }) => persisted && open());
  open();
}
