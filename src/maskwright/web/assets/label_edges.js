// Lines that follow edges (intelligent scissors, Mortensen and Barrett 1995): between two clicks the way of least cost,
// where it costs little to go along a strong change of color. Computed around the last click, whenever one is made.
import { simplify } from "./masks.js";

/** @typedef {[number, number]} Point */
/** @typedef {{left: number, top: number, scale: number, width: number, height: number, costs: Uint8Array, before: Int32Array}} Grid */

const GRID = 360; // cells a side of what is searched around a click
const REACH = 340; // pixels of the screen that are searched in each direction
const SNAP = 5; // pixels of the screen within which a click goes to the strongest edge
const FLAT = 24; // cost of a step where nothing changes; along the strongest edges it is 1

/**
 * What a step to each cell costs, 1 to FLAT.
 * @param {Uint8ClampedArray} pixels  RGBA, row by row @param {number} width @param {number} height
 * @returns {Uint8Array}
 */
export function edgeCosts(pixels, width, height) {
  const strength = new Float32Array(width * height), row = 4 * width;
  for (let y = 1; y < height - 1; y++) {
    for (let x = 1; x < width - 1; x++) {
      const at = y * row + 4 * x;
      let most = 0;
      for (let one = at; one < at + 3; one++) {
        const across = pixels[one + 4] - pixels[one - 4], down = pixels[one + row] - pixels[one - row];
        most = Math.max(most, across * across + down * down);
      }
      strength[y * width + x] = Math.sqrt(most);
    }
  }
  const strong = strength.filter((_, index) => index % 11 === 0).sort()[Math.floor((strength.length / 11) * 0.97)] || 1;
  return Uint8Array.from(strength, (value) => Math.max(1, Math.round(FLAT * (1 - Math.min(value / strong, 1)))));
}

/**
 * The way of least cost from a cell to all others: the cell before each, -1 where there is none (Dijkstra, with a
 * bucket for every cost that a step may add).
 * @param {Uint8Array} costs @param {number} width @param {number} height @param {number} seed  number of a cell
 * @returns {Int32Array}
 */
export function leastCost(costs, width, height, seed) {
  const before = new Int32Array(costs.length).fill(-1), total = new Int32Array(costs.length).fill(0x7fffffff);
  const done = new Uint8Array(costs.length), size = 10 * FLAT;
  /** @type {number[][]} */
  const buckets = Array.from({ length: size }, () => []);
  const steps = /** @type {[number, number, number][]} */ ([[-1, 0, 5], [1, 0, 5], [0, -1, 5], [0, 1, 5], [-1, -1, 7], [1, -1, 7], [-1, 1, 7], [1, 1, 7]]);
  total[seed] = 0;
  buckets[0].push(seed);
  for (let cost = 0, waiting = 1; waiting > 0; cost++) {
    const bucket = buckets[cost % size];
    while (bucket.length) {
      const cell = /** @type {number} */ (bucket.pop());
      waiting--;
      if (done[cell]) continue;
      done[cell] = 1;
      const x = cell % width, y = (cell - x) / width;
      for (const [dx, dy, length] of steps) {
        if (x + dx < 0 || y + dy < 0 || x + dx >= width || y + dy >= height) continue;
        const next = cell + dy * width + dx, sum = cost + Math.max(1, Math.round((costs[next] * length) / 5));
        if (done[next] || sum >= total[next]) continue;
        total[next] = sum;
        before[next] = cell;
        buckets[sum % size].push(next);
        waiting++;
      }
    }
  }
  return before;
}

export class Edges {
  /** @param {any} state @param {import("./label_view.js").View} view */
  constructor(state, view) {
    this.state = state;
    this.view = view;
    /** @type {{point: Point, length: number}[]} */ this.anchors = []; // clicks, and how long the line was then
    /** @type {Grid | null} */ this.grid = null; // what was looked at around the last click
  }

  clear() {
    this.anchors = [];
    this.grid = null;
  }

  /** The next click: the line is searched from there. @param {Point} point @param {number} length */
  add(point, length) {
    this.anchors.push({ point, length });
    this.search(point);
  }

  /** @returns {number} how long the line is without the last click */
  back() {
    this.anchors.pop();
    const last = this.anchors[this.anchors.length - 1];
    if (last) this.search(last.point);
    return last?.length ?? 0;
  }

  /** The ways from a point to all others around it. @param {Point} seed */
  search(seed) {
    if (!this.grid || !this.central(seed)) this.grid = this.look(seed);
    if (this.grid) this.grid.before = leastCost(this.grid.costs, this.grid.width, this.grid.height, this.cell(seed));
  }

  /** Far from the sides of what was looked at. @param {Point} point */
  central([x, y]) {
    const { left, top, scale, width, height } = /** @type {Grid} */ (this.grid), { size } = this.state;
    const reach = (at = 0, low = 0, high = 0, whole = 0) => (low <= 0 || at - low > (high - low) / 4) && (high >= whole || high - at > (high - low) / 4);
    return reach(x, left, left + width / scale, size.width) && reach(y, top, top + height / scale, size.height);
  }

  /** @param {Point} middle @returns {Grid | null} what is around it; null where the image is not there yet */
  look(middle) {
    const { bitmap, size } = this.state;
    if (!bitmap) return null;
    const reach = REACH / this.view.zoom, left = Math.max(middle[0] - reach, 0), top = Math.max(middle[1] - reach, 0);
    const right = Math.min(middle[0] + reach, size.width), bottom = Math.min(middle[1] + reach, size.height);
    const scale = Math.min(GRID / Math.max(right - left, bottom - top), 2); // cells a pixel
    const width = Math.max(Math.round((right - left) * scale), 3), height = Math.max(Math.round((bottom - top) * scale), 3);
    const pen = /** @type {OffscreenCanvasRenderingContext2D} */ (new OffscreenCanvas(width, height).getContext("2d", { willReadFrequently: true }));
    const ratio = [bitmap.width / size.width, bitmap.height / size.height];
    pen.drawImage(bitmap, left * ratio[0], top * ratio[1], (right - left) * ratio[0], (bottom - top) * ratio[1], 0, 0, width, height);
    return { left, top, scale, width, height, costs: edgeCosts(pen.getImageData(0, 0, width, height).data, width, height), before: new Int32Array() };
  }

  /** @param {Point} point @returns {number} the cell there; -1 outside */
  cell([x, y]) {
    const { left, top, scale, width, height } = /** @type {Grid} */ (this.grid);
    const column = Math.floor((x - left) * scale), row = Math.floor((y - top) * scale);
    const inside = column >= -1 && row >= -1 && column <= width && row <= height;
    return inside ? Math.min(Math.max(row, 0), height - 1) * width + Math.min(Math.max(column, 0), width - 1) : -1;
  }

  /** @param {number} cell @returns {Point} its middle */
  point(cell) {
    const { left, top, scale, width } = /** @type {Grid} */ (this.grid), x = cell % width;
    return [left + (x + 0.5) / scale, top + ((cell - x) / width + 0.5) / scale];
  }

  /** The strongest edge near a point; the point itself where there is none. @param {Point} point @returns {Point} */
  snapped(point) {
    this.grid ??= this.look(point);
    const cell = this.grid ? this.cell(point) : -1;
    if (!this.grid || cell < 0) return point;
    const { width, height, costs, scale } = this.grid, radius = Math.round((SNAP / this.view.zoom) * scale), x = cell % width, y = (cell - x) / width;
    let best = cell;
    for (let row = Math.max(y - radius, 0); row <= Math.min(y + radius, height - 1); row++) {
      for (let column = Math.max(x - radius, 0); column <= Math.min(x + radius, width - 1); column++) {
        if (costs[row * width + column] < costs[best]) best = row * width + column;
      }
    }
    return costs[best] < costs[cell] ? this.point(best) : point;
  }

  /** The line from the last click to a point, without the click: straight where it is too far away. @param {Point} to @returns {Point[]} */
  line(to) {
    let cell = this.grid ? this.cell(to) : -1;
    if (!this.grid || cell < 0) return [to];
    /** @type {Point[]} */
    const points = [to];
    while (this.grid.before[cell] >= 0) points.push(this.point((cell = this.grid.before[cell])));
    return opened(points.reverse(), 1.2 / this.grid.scale).slice(1);
  }
}

/** The points needed to stay within a tolerance of an open line. @param {Point[]} points @param {number} tolerance @returns {Point[]} */
function opened(points, tolerance) {
  if (points.length < 4) return points;
  const there = simplify([...points, ...points.slice(1, -1).reverse()], tolerance); // there and back is closed
  const last = points[points.length - 1], at = there.findIndex(([x, y]) => x === last[0] && y === last[1]);
  return at < 0 ? points : there.slice(0, at + 1);
}
