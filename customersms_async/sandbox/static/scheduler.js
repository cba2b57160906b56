// When the page is drawn: a moment after something changed, and seldom when drawing is dear.

/** Milliseconds before the page is drawn, at least and at most. */
const [SOON, LATE] = [16, 400];

export class RenderScheduler {
  #pending = 0;
  #cost = 0;

  /** @param {() => void} render */
  constructor(render) {
    this.render = render;
  }

  /** Ask for a drawing; the asking of a moment is met by one. */
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
