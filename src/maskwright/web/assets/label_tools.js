// The tools: what the pointer and the keyboard's cursor do to the objects. Both press, move and release alike.
import { send } from "./label_api.js";
import { Clicks } from "./label_clicks.js";
import { Edges } from "./label_edges.js";

/** @typedef {[number, number]} Point */
/** @typedef {import("./label_api.js").Drawn} Drawn */

/** name, key, label, help */
export const TOOLS = /** @type {[string, string, string, string][]} */ ([
  ["select", "V", "Select", "Select and move objects; drag corners, drag the dots between to add one"],
  ["clicks", "A", "Assist", "Drag a box around an object or click on it, then Enter; Shift and a click: this does not belong to it"],
  ["polygon", "P", "Polygon", "Click corners; Enter or a click on the first closes it"],
  ["edges", "E", "Edges", "Click here and there along an object: the line between follows its edge"],
  ["rectangle", "R", "Rectangle", "Drag from corner to corner"],
  ["ellipse", "O", "Ellipse", "Drag from corner to corner of its box"],
  ["brush", "B", "Brush", "Paint; adds to the selected object"],
  ["erase", "X", "Eraser", "Erase from the selected object"],
  ["hole", "H", "Hole", "Draw a polygon that is cut out of the selected object"],
  ["split", "S", "Split", "Draw a line through the selected object"],
]);
const BOXES = ["rectangle", "ellipse"], LINES = ["polygon", "edges", "hole", "split"], STROKES = ["brush", "erase"];

export class Tools {
  /** @param {any} state @param {import("./label_view.js").View} view */
  constructor(state, view) {
    this.state = state;
    this.view = view;
    /** @type {any} */
    this.drag = null;
    /** @type {Point[][] | null} */ this.pending = null; // drawn, and without a class yet
    state.draftRing = () => this.draftRing();
    state.clicks = this.clicks = new Clicks(state, view, this);
    state.edges = this.edges = new Edges(state, view);
  }

  /** @param {string} tool */
  choose(tool) {
    if (tool === "clicks" && this.state.withoutClicks) return this.state.say(`Assist ${this.state.withoutClicks}`);
    this.clicks.accept();
    this.cancel();
    this.state.tool = tool;
    this.state.changed();
  }

  cancel() {
    this.state.draft = [];
    this.drag = null;
    this.edges.clear();
    this.clicks.clear();
  }

  /** Something is drawn halfway. */
  get busy() {
    return this.state.draft.length > 0 || this.clicks.busy;
  }

  /** What the latest press began was meant to move the image. */
  undoPress() {
    if (!this.before) return;
    if (this.drag?.moved) this.state.objects = this.before.objects;
    while (this.edges.anchors.length && this.before.draft.length < this.state.draft.length) this.state.draft.length = this.edges.back();
    this.state.draft = this.before.draft;
    this.drag = this.clicks.start = null;
    this.view.redraw();
  }

  /** Takes the last point back. */
  back() {
    if (this.clicks.busy) return this.clicks.back();
    if (this.state.tool === "edges") this.state.draft.length = this.edges.back();
    else this.state.draft.pop();
    this.view.redraw();
  }

  /** What would come of the points so far. @returns {Point[]} */
  draftRing() {
    const { tool, draft, cursor } = this.state;
    if (tool === "clicks") return this.clicks.draft();
    if (BOXES.includes(tool)) return shapeOf(tool, draft[0], draft[1] ?? cursor ?? draft[0]);
    if (tool === "edges" && cursor) return [...draft, ...this.edges.line(this.clipped(cursor))];
    return LINES.includes(tool) && cursor ? [...draft, cursor] : draft;
  }

  // --- press, move, release ---------------------------------------------------------------------------------------
  /** @param {Point} point @param {{shiftKey?: boolean, altKey?: boolean}} keys */
  press(point, keys = {}) {
    const { state, view } = this;
    this.before = { draft: [...state.draft], objects: state.objects };
    state.cursor = point;
    if (state.tool === "select") this.pressSelect(point, keys);
    else if (STROKES.includes(state.tool)) state.draft = [this.clipped(point)];
    else if (BOXES.includes(state.tool) && !state.draft.length) state.draft = [this.clipped(point)];
    else if (LINES.includes(state.tool)) this.corner(point);
    else if (state.tool === "clicks") this.clicks.press(point);
    view.redraw();
  }

  /** @param {Point} point @param {{shiftKey?: boolean, altKey?: boolean}} keys */
  pressSelect(point, keys) {
    const { state, view } = this, only = state.only(), corner = only && view.cornerAt(point, only);
    if (corner && keys.altKey && !corner.middle) return this.removeCorner(only, corner);
    if (corner) {
      const rings = only.rings.map((/** @type {Point[]} */ ring) => ring.map((/** @type {Point} */ [x, y]) => /** @type {Point} */ ([x, y])));
      if (corner.middle) rings[corner.ring].splice(corner.at + 1, 0, point);
      this.drag = { kind: "corner", object: only, ring: corner.ring, at: corner.at + (corner.middle ? 1 : 0), rings, moved: corner.middle };
      return;
    }
    const found = view.objectAt(point, state.objects), suggested = view.objectAt(point, state.suggested());
    if (!found && suggested) return state.suggest(suggested.key);
    state.select(found ? [found.key] : [], Boolean(keys.shiftKey));
    if (found) this.drag = { kind: "object", object: found, from: point, rings: found.rings, moved: false };
  }

  /** @param {Point} point */
  move(point) {
    const { state, drag } = this, previous = state.cursor;
    state.cursor = point;
    if (drag?.kind === "corner") {
      drag.rings[drag.ring][drag.at] = this.clipped(point);
      this.preview(drag, drag.rings.map((/** @type {Point[]} */ ring) => [...ring]));
    } else if (drag) {
      const dx = point[0] - drag.from[0], dy = point[1] - drag.from[1];
      if (drag.moved || Math.hypot(dx, dy) * this.view.zoom > 4) this.preview(drag, shifted(drag.rings, dx, dy));
    } else if (STROKES.includes(state.tool) && state.draft.length) {
      const last = state.draft[state.draft.length - 1];
      if (Math.hypot(point[0] - last[0], point[1] - last[1]) * this.view.zoom > 2) state.draft.push(this.clipped(point));
    }
    if (previous?.[0] !== point[0] || previous?.[1] !== point[1]) this.view.redraw();
  }

  /** @param {any} drag @param {Point[][]} rings */
  preview(drag, rings) {
    drag.moved = true;
    drag.shown = rings;
    this.state.objects = this.state.objects.map((/** @type {Drawn} */ object) => (object.key === drag.object.key ? { ...object, rings } : object));
  }

  /** @param {Point} point @param {{shiftKey?: boolean, altKey?: boolean}} keys */
  release(point, keys = {}) {
    const { state, drag } = this;
    this.drag = null;
    if (state.tool === "clicks") return this.clicks.release(point, Boolean(keys.shiftKey || keys.altKey || state.negative));
    if (drag?.moved) {
      const objects = state.objects, shown = objects.find((/** @type {Drawn} */ one) => one.key === drag.object.key);
      state.objects = objects.map((/** @type {Drawn} */ one) => (one === shown ? drag.object : one)); // for undo
      state.commit(objects);
    } else if (STROKES.includes(state.tool) && state.draft.length) {
      this.paint();
    } else if (BOXES.includes(state.tool) && state.draft.length) {
      const [x, y] = state.draft[0], end = this.clipped(point);
      if (Math.hypot(end[0] - x, end[1] - y) * this.view.zoom < 4) return; // a click: the second corner is to come
      this.finish(end);
    }
  }

  // --- drawing ------------------------------------------------------------------------------------------------------
  /** @param {Point} point */
  corner(point) {
    const { state, view } = this, first = state.draft[0];
    if (state.tool !== "split" && state.draft.length > 2 && Math.hypot(point[0] - first[0], point[1] - first[1]) * view.zoom < (state.touched ? 20 : 9)) return this.finish();
    if (state.tool === "edges") return this.anchor(this.clipped(this.edges.snapped(point)));
    state.draft.push(this.clipped(point));
    if (state.tool === "split" && state.draft.length === 2) this.finish();
  }

  /** The line along edges up to this click. @param {Point} point */
  anchor(point) {
    const { draft } = this.state;
    draft.push(...(draft.length ? this.edges.line(point).map((one) => this.clipped(one)) : [point]));
    this.edges.add(point, draft.length);
  }

  /** The draft becomes an object, a hole or a cut. @param {Point} [end] */
  finish(end) {
    const { state } = this, points = [...state.draft];
    if (state.tool === "clicks") return this.clicks.accept();
    if (BOXES.includes(state.tool) && points.length) {
      this.add([shapeOf(state.tool, points[0], end ?? this.clipped(state.cursor))]);
    } else if (state.tool === "polygon" && points.length > 2) {
      this.add([points]);
    } else if (state.tool === "edges" && points.length > 2) {
      this.add([[...points, ...this.edges.line(points[0]).slice(0, -1).map((one) => this.clipped(one))]]);
    } else if (state.tool === "hole" && points.length > 2) {
      this.operate("cut", state.chosen(), { rings: [points] });
    } else if (state.tool === "split" && points.length > 1) {
      this.operate("split", state.chosen(), { points, radius: Math.max(0.75, 0.5 / this.view.zoom) });
    }
    this.cancel();
  }

  /** @param {Point[][]} rings @returns {boolean} false where there is no class yet */
  add(rings) {
    const { state } = this, name = state.className();
    if (!name) this.pending = rings;
    if (!name) return false;
    const object = { key: state.newKey(), class: name, rings };
    state.commit([...state.objects, object]);
    state.select([object.key]);
    return true;
  }

  /** What was drawn before there was a class. */
  addPending() {
    const rings = this.pending;
    this.pending = null;
    if (rings) this.add(rings);
    this.clicks.clear();
  }

  paint() {
    const { state } = this, points = state.draft, chosen = state.chosen().slice(0, 1);
    state.draft = [];
    if (state.tool === "erase" && !chosen.length) return state.say("Select the object to erase from.");
    if (state.tool === "brush" && !chosen.length && !state.className()) return;
    this.operate(state.tool, chosen, { points, radius: state.radius });
  }

  /** Done on the server, on run lengths. @param {string} op @param {Drawn[]} chosen @param {object} more */
  async operate(op, chosen, more) {
    const { state } = this, index = state.index, before = state.objects;
    if (!chosen.length && op !== "brush") return state.say("Select an object first.");
    try {
      const answer = await send(`/api/images/${index}/shape`, { op, objects: chosen.map(({ rings }) => rings), ...more });
      if (state.index !== index || state.objects !== before) return state.say("The objects changed meanwhile; nothing was done.");
      const keys = new Set(chosen.map(({ key }) => key)), name = chosen[0]?.class ?? state.className();
      const made = answer.objects.map((/** @type {Point[][]} */ rings, /** @type {number} */ at) => ({ key: at ? state.newKey() : chosen[0]?.key ?? state.newKey(), class: name, rings }));
      state.commit([...before.filter((/** @type {Drawn} */ one) => !keys.has(one.key)), ...made]);
      state.select(made.map((/** @type {Drawn} */ one) => one.key));
    } catch (error) {
      state.say(/** @type {Error} */ (error).message);
    }
  }

  /** @param {Drawn} object @param {{ring: number, at: number}} corner */
  removeCorner(object, { ring, at }) {
    if (object.rings[ring].length < 4) return;
    const rings = object.rings.map((points, index) => (index === ring ? points.filter((_, position) => position !== at) : points));
    this.state.commit(this.state.objects.map((/** @type {Drawn} */ one) => (one.key === object.key ? { ...one, rings } : one)));
  }

  /** Moves the selected objects. @param {number} dx @param {number} dy */
  shift(dx, dy) {
    const { state } = this;
    if (!state.selected.size) return;
    state.commit(state.objects.map((/** @type {Drawn} */ one) => (state.selected.has(one.key) ? { ...one, rings: shifted(one.rings, dx, dy) } : one)));
  }

  /** Inside the image. @param {Point} point @returns {Point} */
  clipped([x, y]) {
    const { width, height } = this.state.size, within = (/** @type {number} */ value, /** @type {number} */ most) => Math.round(Math.min(Math.max(value, 0), most) * 100) / 100;
    return [within(x, width), within(y, height)];
  }
}

/** @param {Point[][]} rings @param {number} dx @param {number} dy @returns {Point[][]} */
function shifted(rings, dx, dy) {
  return rings.map((ring) => ring.map(([x, y]) => [Math.round((x + dx) * 100) / 100, Math.round((y + dy) * 100) / 100]));
}

/** @param {string} tool @param {Point} from @param {Point} to @returns {Point[]} */
function shapeOf(tool, [x1, y1], [x2, y2]) {
  if (tool === "rectangle") return [[x1, y1], [x2, y1], [x2, y2], [x1, y2]];
  const [cx, cy, rx, ry] = [(x1 + x2) / 2, (y1 + y2) / 2, Math.abs(x2 - x1) / 2, Math.abs(y2 - y1) / 2];
  return Array.from({ length: 40 }, (_, at) => /** @type {Point} */ ([
    Math.round((cx + rx * Math.cos((at * Math.PI) / 20)) * 100) / 100, Math.round((cy + ry * Math.sin((at * Math.PI) / 20)) * 100) / 100,
  ]));
}
