// When to redraw the page: shortly after a change, and less often if drawing is slow.

/** Milliseconds before a redraw, at least and at most. */
const [SOON, LATE] = [16, 400];

export class RenderScheduler {
  #pending = 0;
  #cost = 0;

  /** @param {() => void} render */
  constructor(render) {
    this.render = render;
  }

  /** Request a redraw; requests in quick succession share one. */
  request() {
    this.#pending ||= window.setTimeout(
      () => this.#draw(),
      Math.min(LATE, Math.max(SOON, this.#cost * 5)),
    );
  }

  #draw() {
    this.#pending = 0;
    const start = performance.now();
    this.render();
    this.#cost = performance.now() - start;
  }
}
