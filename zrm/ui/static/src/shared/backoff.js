// How long to wait before the server is asked again: twice as long each time, with a random part, so that open pages do not ask at once.
const FIRST_WAIT = 1000, LONGEST_WAIT = 30_000;

export class Backoff {
  constructor() { this.reset(); }

  /** After a good answer. */
  reset() { this.wait = FIRST_WAIT; }

  /** The wait after a failure, in milliseconds: up to twice the plain one. */
  next() {
    const now = this.wait;
    this.wait = Math.min(now * 2, LONGEST_WAIT);
    return now + Math.random() * now;
  }
}
