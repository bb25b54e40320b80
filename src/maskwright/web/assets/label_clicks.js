// A box or clicks become a mask: the tool that shows an object as it is pointed at, until it is accepted or given up.
import { ask, send } from "./label_api.js";

/** @typedef {[number, number]} Point */

const STAYS = 300; // milliseconds after which an image is not just passed by

export class Clicks {
  asked = 0; // number of the last question: older answers are not shown any more
  /** @type {number[] | null} */ box = null;
  /** @type {{point: Point, negative: boolean}[]} */ clicks = [];
  /** @type {Point[][]} */ rings = []; // the mask as it was answered
  /** @type {Point | null} */ start = null; // of the drag that is under way
  /** @type {number[]} */ ahead = []; // images that are to be prepared: the one that is shown, and the next
  timer = 0;
  preparing = false;

  /** @param {any} state @param {import("./label_view.js").View} view @param {import("./label_tools.js").Tools} tools */
  constructor(state, view, tools) {
    this.state = state;
    this.view = view;
    this.tools = tools;
  }

  clear() {
    this.asked++;
    [this.box, this.clicks, this.rings, this.start] = [null, [], [], null];
    this.view.redraw();
  }

  get busy() {
    return this.box !== null || this.clicks.length > 0;
  }

  /**
   * What later clicks need is computed before they come, once the image stays, and one after the other: many at once
   * hold back what is to be shown next. @param {number} index of an image
   */
  prepare(index) {
    if (!this.state.clickable) return;
    const wanted = index === this.state.index ? [index] : [this.state.index, index];
    this.ahead = [];
    clearTimeout(this.timer);
    this.timer = setTimeout(() => {
      this.ahead = wanted;
      this.prepareAhead();
    }, STAYS);
  }

  async prepareAhead() {
    if (this.preparing) return; // that goes on with what is wanted by then
    this.preparing = true;
    for (let index = this.ahead.shift(); index !== undefined; index = this.ahead.shift()) {
      await ask(`/api/images/${index}/features`, { method: "POST" }).catch(() => {}); // the first click computes it then
    }
    this.preparing = false;
  }

  /** @param {Point} point */
  press(point) {
    this.start = this.tools.clipped(point);
  }

  /** The box that is being dragged. @returns {Point[]} */
  draft() {
    const { start, state: { cursor } } = this;
    if (!start || !cursor || !this.dragged(cursor)) return [];
    return [start, [cursor[0], start[1]], cursor, [start[0], cursor[1]], start];
  }

  /** @param {Point} point */
  dragged(point) {
    return this.start !== null && Math.hypot(point[0] - this.start[0], point[1] - this.start[1]) * this.view.zoom > 5;
  }

  /** A drag is the box of the next object; a click belongs to this one. @param {Point} point @param {boolean} negative */
  release(point, negative) {
    const { start } = this, end = this.tools.clipped(point);
    if (!start) return;
    if (this.dragged(end)) {
      this.accept();
      this.box = [...start, ...end];
    } else this.clicks.push({ point: start, negative });
    this.start = null;
    this.ask();
  }

  /** Takes the last click back, at last the box. */
  back() {
    if (!this.clicks.pop()) this.box = null;
    if (this.busy) this.ask();
    else this.clear();
  }

  async ask() {
    const { state, box } = this, asked = ++this.asked;
    const [positive, negative] = [false, true].map((which) => this.clicks.filter((click) => click.negative === which).map(({ point }) => point));
    if (!box && !positive.length) {
      this.rings = [];
      return state.say("Click on the object first, or drag a box around it.");
    }
    const late = setTimeout(() => state.say("Outlining it …"), 400);
    try {
      const answer = await send(`/api/images/${state.index}/clicks`, { box, positive, negative });
      if (asked !== this.asked) return;
      this.rings = answer.rings;
      state.say(this.rings.length ? "" : "Nothing was found there.");
    } catch (error) {
      if (asked === this.asked) state.say(/** @type {Error} */ (error).message);
    } finally {
      clearTimeout(late);
    }
    this.view.redraw();
  }

  /** The mask becomes an object. */
  accept() {
    const { rings } = this;
    if (rings.length && !this.tools.add(rings)) return; // it has no class yet
    this.clear();
  }
}
