// Talks to the server: every change of an image is sent in order, kept until it is saved, and never lost in silence.

/** @typedef {{key: string, class: string, rings: [number, number][][], score?: number}} Drawn */
/** @typedef {{name: string, width: number, height: number, state: string, version: number, objects: number, doubtful?: boolean}} Listed */

/** @param {string} path @param {RequestInit} [options] @returns {Promise<any>} */
export async function ask(path, options) {
  const response = await fetch(path, options);
  if (response.status === 204) return null;
  const answer = await response.json();
  if (!response.ok) throw Object.assign(new Error([answer.message, answer.got, answer.fix].filter(Boolean).join("; ")), { status: response.status, answer });
  return answer;
}

/** @param {string} path @param {object} body @param {string} [method] */
export const send = (path, body, method = "POST") =>
  ask(path, { method, body: JSON.stringify(body), headers: { "content-type": "application/json" } });

/** The changes that are on their way, image by image. */
export class Saver {
  /**
   * @param {(index: number, answer: any) => void} saved
   * @param {(index: number) => void} conflict  somebody else was faster: what is there now must be fetched
   * @param {(text: string, gone: boolean) => void} failed  "" when it works again; `gone`: it is not tried again
   * @param {() => number} classes  the version that the names of classes are of
   * @param {() => void} settled  nothing is on its way any more: all is in the journal
   */
  constructor(saved, conflict, failed, classes, settled) {
    this.classes = classes;
    this.settled = settled;
    this.saved = saved;
    this.conflict = conflict;
    this.failed = failed;
    /** @type {Map<number, {version: number, next: any, busy: boolean}>} */
    this.images = new Map();
    this.count = 0; // of changes
  }

  /** The version of an image that was fetched. @param {number} index @param {number} version */
  fetched(index, version) {
    if (!this.waiting(index)) this.images.set(index, { version, next: null, busy: false });
  }

  /** @param {number} index */
  waiting(index) {
    const image = this.images.get(index);
    return Boolean(image && (image.busy || image.next));
  }

  get busy() {
    return [...this.images.keys()].some((index) => this.waiting(index));
  }

  /** @param {number} index @param {Drawn[]} objects @param {string} state */
  save(index, objects, state) {
    const image = this.images.get(index);
    if (!image) return;
    this.count++;
    image.next = { objects: objects.map(({ key, class: name, rings }) => ({ key, class: name, rings })), state, classes: this.classes() };
    if (!image.busy) this.run(index, image);
  }

  /** @param {number} index @param {{version: number, next: any, busy: boolean}} image */
  async run(index, image) {
    image.busy = true;
    while (image.next) {
      const change = image.next;
      image.next = null;
      try {
        const answer = await send(`/api/images/${index}`, { version: image.version, ...change }, "PUT");
        image.version = answer.version;
        this.saved(index, answer);
        this.failed("", false);
      } catch (error) {
        const { status, message } = /** @type {any} */ (error);
        if (status === 409 || status === 422) {
          image.next = null;
          image.busy = false;
          this.failed(status === 422 ? message : "", true);
          this.conflict(index);
          return;
        }
        this.failed(`Not saved yet: ${status ? message : "the server does not answer"}. Trying again.`, false);
        image.next ??= change;
        await new Promise((resolve) => setTimeout(resolve, 2000));
      }
    }
    image.busy = false;
    if (!this.busy) this.settled();
  }
}
