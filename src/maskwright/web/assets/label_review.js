// Labels to look at again, one after the other; and the image that is worth labeling next.
import { ask, send } from "./label_api.js";
import { showName } from "./label_names.js";

/** @typedef {{key: string, image: number, text: string, doubt: number, object: number | null, box: number[] | null}} Doubt */

const SHOWN = 200; // doubts in the list

export class Review {
  /**
   * @param {(id: string) => any} by @param {any} state
   * @param {(index: number) => Promise<void>} open @param {() => void} changed  the doubts of images are others
   */
  constructor(by, state, open, changed) {
    this.by = by;
    this.state = state;
    this.open = open;
    this.changed = changed;
    /** @type {Doubt[]} */ this.doubts = [];
    /** @type {Doubt | null} */ this.current = null;
    this.seen = ""; // what the doubts were asked for
    /** @type {number[]} */ this.visited = []; // images that were shown, for the way back
    /** @type {number | null} */ this.upcoming = null;
    by("propose").addEventListener("change", () => this.switched());
  }

  // --- doubts -------------------------------------------------------------------------------------------------------
  /** Asks again where the labels or the model have changed. @param {{changes: number, revision: number, model: any}} told */
  async told({ changes, revision, model }) {
    const now = `${changes} ${revision}`;
    if (!model || now === this.seen || this.asking) return;
    this.asking = true;
    const answer = await ask("/api/doubts").catch(() => null);
    if (answer) [this.doubts, this.seen] = [answer.doubts, now];
    this.asking = false;
    this.show();
  }

  show() {
    const { by, doubts } = this, rows = by("doubts"), images = new Set(doubts.map(({ image }) => image));
    if (this.current) this.current = doubts.find((one) => this.same(one)) ?? null;
    by("doubts-part").hidden = !doubts.length;
    by("doubts-title").textContent = `Doubtful labels: ${doubts.length}`;
    this.state.images.forEach((/** @type {any} */ image, /** @type {number} */ index) => (image.doubtful = images.has(index)));
    rows.replaceChildren(...doubts.slice(0, SHOWN).map((doubt) => this.row(doubt)));
    this.changed();
  }

  /** @param {Doubt} doubt */
  row(doubt) {
    const row = document.createElement("li"), button = document.createElement("button"), name = document.createElement("span");
    button.type = "button";
    name.className = "soft";
    showName(name, this.state.images[doubt.image].name);
    button.append(doubt.text, name);
    button.setAttribute("aria-pressed", String(this.same(doubt)));
    button.addEventListener("click", () => this.look(doubt));
    row.append(button);
    return row;
  }

  /** @param {Doubt} doubt */
  same(doubt) {
    return this.current?.image === doubt.image && this.current.key === doubt.key;
  }

  /** @param {Doubt} doubt */
  async look(doubt) {
    this.current = doubt;
    await this.open(doubt.image);
    const object = doubt.object === null ? undefined : this.state.objects[doubt.object];
    this.state.select(object ? [object.key] : []);
    this.show();
    this.state.say(doubt.text);
  }

  /** The doubt after the current one. @param {number} step */
  step(step) {
    const { doubts } = this, at = doubts.findIndex((one) => this.same(one));
    const doubt = doubts[at < 0 ? 0 : (at + step + doubts.length) % doubts.length];
    if (doubt) this.look(doubt);
    else this.state.say("There are no doubtful labels.");
  }

  /** The label is right as it is. */
  async settle() {
    const doubt = this.current;
    if (!doubt) return this.state.say("Choose one of the doubtful labels first.");
    const at = this.doubts.findIndex((one) => this.same(one));
    const answer = await send("/api/doubts", { image: doubt.image, key: doubt.key }).catch((error) => this.state.say(error.message));
    if (!answer) return;
    [this.doubts, this.current] = [answer.doubts, null];
    this.show();
    if (this.doubts.length) this.look(this.doubts[Math.min(Math.max(at, 0), this.doubts.length - 1)]);
  }

  // --- the next image -----------------------------------------------------------------------------------------------
  get proposing() {
    return this.by("propose").checked;
  }

  switched() {
    this.touched = true;
    this.upcoming = null;
    send("/api/looking", { on: this.proposing }).catch(() => {});
  }

  /** A model is there for the first time: it proposes, unless somebody has decided otherwise. @param {any} model */
  begin(model) {
    if (model && !this.touched) this.by("propose").checked = true;
  }

  /** The image that will be shown after this one, in the order of proposals. @param {number} index */
  async propose(index) {
    this.visited = [...this.visited.filter((one) => one !== index), index].slice(-60);
    this.upcoming = null;
    if (!this.proposing) return undefined;
    const after = this.visited.filter((one) => this.state.images[one].state === "unlabeled");
    const answer = await ask(`/api/next?after=${after.join(",")}`).catch(() => null);
    this.upcoming = answer?.image ?? null;
    return this.upcoming ?? undefined;
  }

  /** The image before this one, as it was visited. @returns {number | undefined} */
  back() {
    return this.proposing ? this.visited[this.visited.length - 2] : undefined;
  }
}
