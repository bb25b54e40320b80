// The image with its objects: zoom, drawing, and what lies under the pointer.

/** @typedef {import("./label_api.js").Drawn} Drawn */
/** @typedef {[number, number]} Point */

/** @param {Point[][]} rings @returns {Path2D} */
export function pathOf(rings) {
  const path = new Path2D();
  for (const ring of rings) {
    ring.forEach(([x, y], index) => (index ? path.lineTo(x, y) : path.moveTo(x, y)));
    path.closePath();
  }
  return path;
}

export class View {
  /** @param {HTMLCanvasElement} stage @param {any} state what is shown: see label.js */
  constructor(stage, state) {
    this.stage = stage;
    this.state = state;
    this.pen = /** @type {CanvasRenderingContext2D} */ (stage.getContext("2d"));
    this.zoom = 1;
    this.x = 0;
    this.y = 0;
    this.queued = false;
    /** @type {WeakMap<Point[][], Path2D>} */
    this.paths = new WeakMap();
    this.backdrop = { canvas: new OffscreenCanvas(1, 1), seen: /** @type {unknown[]} */ ([]) };
    new ResizeObserver(() => this.resized()).observe(stage);
  }

  resized() {
    const { clientWidth, clientHeight } = this.stage, ratio = devicePixelRatio;
    [this.stage.width, this.stage.height] = [Math.round(clientWidth * ratio), Math.round(clientHeight * ratio)];
    if (this.fitted) this.fit();
    this.redraw();
  }

  /** The whole image is shown. */
  fit() {
    const { width, height } = this.state.size, { clientWidth, clientHeight } = this.stage, margin = 16;
    this.zoom = Math.max(Math.min((clientWidth - margin) / width, (clientHeight - margin) / height), 0.001);
    this.x = (clientWidth - width * this.zoom) / 2;
    this.y = (clientHeight - height * this.zoom) / 2;
    this.fitted = true;
    this.redraw();
  }

  /** @param {number} factor @param {Point} [at] on the screen, stays where it is */
  zoomBy(factor, at = [this.stage.clientWidth / 2, this.stage.clientHeight / 2]) {
    const zoom = Math.min(Math.max(this.zoom * factor, 0.01), 64), scale = zoom / this.zoom;
    this.x = at[0] - (at[0] - this.x) * scale;
    this.y = at[1] - (at[1] - this.y) * scale;
    this.zoom = zoom;
    this.fitted = false;
    this.redraw();
  }

  /** @param {number} dx @param {number} dy */
  pan(dx, dy) {
    this.x = this.x + dx;
    this.y = this.y + dy;
    this.fitted = false;
    this.redraw();
  }

  /** A point of the screen in image pixels. @param {{clientX: number, clientY: number}} event @returns {Point} */
  toImage({ clientX, clientY }) {
    const { left, top } = this.stage.getBoundingClientRect();
    return [(clientX - left - this.x) / this.zoom, (clientY - top - this.y) / this.zoom];
  }

  /** @param {Drawn} object */
  path(object) {
    let path = this.paths.get(object.rings);
    if (!path) this.paths.set(object.rings, (path = pathOf(object.rings)));
    return path;
  }

  /** The smallest object there. @param {Point} point @param {Drawn[]} objects @returns {Drawn | undefined} */
  objectAt([x, y], objects) {
    this.pen.setTransform(1, 0, 0, 1, 0, 0);
    const found = objects.filter((object) => this.pen.isPointInPath(this.path(object), x, y, "evenodd"));
    return found.sort((one, other) => extent(one) - extent(other))[0];
  }

  /** The corner of the object there. @param {Point} point @param {Drawn} object @returns {{ring: number, at: number, middle: boolean} | null} */
  cornerAt([x, y], object) {
    let best = (this.state.touched ? 18 : 9) / this.zoom, found = null;
    object.rings.forEach((ring, index) => ring.forEach((corner, at) => {
      const next = ring[(at + 1) % ring.length];
      const middle = [(corner[0] + next[0]) / 2, (corner[1] + next[1]) / 2];
      const near = Math.hypot(corner[0] - x, corner[1] - y), between = Math.hypot(middle[0] - x, middle[1] - y) + 2 / this.zoom;
      if (near < best) [best, found] = [near, { ring: index, at, middle: false }];
      if (between < best) [best, found] = [between, { ring: index, at, middle: true }];
    }));
    return found;
  }

  redraw() {
    if (this.queued) return;
    this.queued = true;
    requestAnimationFrame(() => {
      this.queued = false;
      this.draw();
    });
  }

  draw() {
    const { pen, state } = this, ratio = devicePixelRatio, unit = 1 / this.zoom;
    pen.setTransform(1, 0, 0, 1, 0, 0);
    pen.clearRect(0, 0, this.stage.width, this.stage.height);
    pen.setTransform(this.zoom * ratio, 0, 0, this.zoom * ratio, this.x * ratio, this.y * ratio);
    pen.lineJoin = "round";
    this.still(unit, ratio);
    for (const object of state.chosen()) this.outline(object, unit, true, false);
    for (const object of state.suggested()) this.outline(object, unit, object.key === state.suggestion, true);
    const only = state.only();
    if (only && state.tool === "select") this.corners(only, unit);
    const doubt = state.doubt();
    if (doubt?.box) this.box(doubt.box, unit, "#ffb020");
    if (state.clicks.busy) this.clicks(state.clicks, unit);
    this.draft(unit);
  }

  /**
   * The image and the objects that are not selected as they are seen now, kept until they are seen otherwise: to scale
   * 12 megapixels, and to draw hundreds of outlines, for every step of a brush or a corner takes longer than all else.
   * @param {number} unit @param {number} ratio
   */
  still(unit, ratio) {
    const { pen, stage, backdrop, state } = this, { width, height } = state.size;
    const objects = state.objects.filter((/** @type {Drawn} */ { key }) => !state.selected.has(key));
    const seen = [state.bitmap, stage.width, stage.height, this.zoom, this.x, this.y, ratio];
    for (const object of objects) seen.push(object.rings, state.color(object.class));
    if (seen.length !== backdrop.seen.length || seen.some((value, at) => value !== backdrop.seen[at])) {
      [backdrop.canvas.width, backdrop.canvas.height] = [Math.max(stage.width, 1), Math.max(stage.height, 1)]; // clears it, too
      const brush = /** @type {OffscreenCanvasRenderingContext2D} */ (backdrop.canvas.getContext("2d"));
      brush.setTransform(pen.getTransform());
      brush.imageSmoothingEnabled = this.zoom < 2;
      brush.lineJoin = pen.lineJoin;
      if (state.bitmap) brush.drawImage(state.bitmap, 0, 0, width, height);
      for (const object of objects) this.outline(object, unit, false, false, brush);
      backdrop.seen = seen;
    }
    pen.save();
    pen.setTransform(1, 0, 0, 1, 0, 0);
    pen.drawImage(backdrop.canvas, 0, 0);
    pen.restore();
  }

  /** The mask that clicks have made so far, and the clicks. @param {import("./label_clicks.js").Clicks} clicks @param {number} unit */
  clicks({ box, clicks, rings }, unit) {
    const { pen, state } = this;
    if (rings.length) this.outline({ key: "", class: state.current, rings }, unit, false, true);
    if (box) this.box(box, unit);
    for (const { point: [x, y], negative } of clicks) {
      pen.fillStyle = negative ? "#c3272b" : "#0b7a55";
      pen.strokeStyle = "#fff";
      pen.lineWidth = 2 * unit;
      pen.beginPath();
      pen.arc(x, y, 7 * unit, 0, 7);
      pen.fill();
      pen.stroke();
      pen.beginPath();
      for (const [dx, dy] of negative ? [[1, 0]] : [[1, 0], [0, 1]]) {
        pen.moveTo(x - 3.5 * dx * unit, y - 3.5 * dy * unit);
        pen.lineTo(x + 3.5 * dx * unit, y + 3.5 * dy * unit);
      }
      pen.stroke();
    }
  }

  /** @param {number[]} sides x1, y1, x2, y2 @param {number} unit @param {string} [color] */
  box([x1, y1, x2, y2], unit, color) {
    this.line([[x1, y1], [x2, y1], [x2, y2], [x1, y2], [x1, y1]], unit, color);
  }

  /** A color on black, so that it is seen on any image. @param {Point[]} points @param {number} unit @param {string} [bright] */
  line(points, unit, bright = "#fff") {
    const { pen } = this;
    for (const [color, width] of /** @type {[string, number][]} */ ([["#000b", 3.6], [bright, 1.8]])) {
      pen.strokeStyle = color;
      pen.lineWidth = width * unit;
      pen.beginPath();
      points.forEach(([x, y]) => pen.lineTo(x, y));
      pen.stroke();
    }
  }

  /**
   * @param {Drawn} object @param {number} unit @param {boolean} selected @param {boolean} suggested
   * @param {CanvasRenderingContext2D | OffscreenCanvasRenderingContext2D} [pen]
   */
  outline(object, unit, selected, suggested, pen = this.pen) {
    const { state } = this, path = this.path(object), color = state.color(object.class);
    pen.fillStyle = color + (selected ? "55" : suggested ? "14" : "2b");
    pen.fill(path, "evenodd");
    pen.setLineDash(suggested ? [6 * unit, 4 * unit] : []);
    pen.strokeStyle = "#000a";
    pen.lineWidth = (selected ? 5 : 3.4) * unit;
    pen.stroke(path);
    pen.strokeStyle = selected ? "#fff" : color;
    pen.lineWidth = (selected ? 2.4 : 1.8) * unit;
    pen.stroke(path);
    pen.setLineDash([]);
  }

  /** @param {Drawn} object @param {number} unit */
  corners(object, unit) {
    const { pen } = this;
    if (object.rings.flat().length > 400) return; // of a mask: too close to each other to be dragged
    for (const ring of object.rings) {
      ring.forEach(([x, y], at) => {
        const next = ring[(at + 1) % ring.length], apart = Math.hypot(next[0] - x, next[1] - y) * this.zoom;
        if (apart > 26) {
          pen.fillStyle = "#fff9";
          pen.beginPath();
          pen.arc((x + next[0]) / 2, (y + next[1]) / 2, 2.5 * unit, 0, 7);
          pen.fill();
        }
        pen.fillStyle = "#fff";
        pen.strokeStyle = "#000";
        pen.lineWidth = unit;
        pen.beginPath();
        pen.rect(x - 3.5 * unit, y - 3.5 * unit, 7 * unit, 7 * unit);
        pen.fill();
        pen.stroke();
      });
    }
  }

  /** What is being drawn, and the cursor of the keyboard. @param {number} unit */
  draft(unit) {
    const { pen, state } = this, points = state.draft, brush = ["brush", "erase"].includes(state.tool);
    pen.strokeStyle = "#fff";
    pen.lineWidth = 1.6 * unit;
    if (points.length && brush) {
      pen.lineCap = "round";
      pen.strokeStyle = state.tool === "brush" ? "#ffffff80" : "#00000080";
      pen.lineWidth = 2 * state.radius;
      pen.beginPath();
      points.forEach((/** @type {Point} */ [x, y]) => pen.lineTo(x, y));
      if (points.length === 1) pen.lineTo(points[0][0] + 0.01, points[0][1]);
      pen.stroke();
    } else if (state.tool === "clicks") {
      this.line(state.draftRing(), unit);
    } else if (points.length) {
      const shown = state.draftRing();
      this.line(["rectangle", "ellipse"].includes(state.tool) ? [...shown, shown[0]] : shown, unit);
      pen.fillStyle = "#fff";
      const corners = state.tool === "edges" ? state.edges.anchors.map((/** @type {{point: Point}} */ { point }) => point) : points;
      for (const [x, y] of corners) pen.fillRect(x - 2.5 * unit, y - 2.5 * unit, 5 * unit, 5 * unit);
    }
    if (!state.cursor) return;
    const [x, y] = state.cursor;
    for (const [color, width] of /** @type {[string, number][]} */ ([["#000b", 3], ["#fff", 1.2]])) {
      pen.strokeStyle = color;
      pen.lineWidth = width * unit;
      pen.beginPath();
      if (brush) pen.arc(x, y, state.radius, 0, 7);
      if (!brush || state.keyboard) {
        pen.moveTo(x - 9 * unit, y);
        pen.lineTo(x + 9 * unit, y);
        pen.moveTo(x, y - 9 * unit);
        pen.lineTo(x, y + 9 * unit);
      }
      if (brush || state.keyboard) pen.stroke();
    }
  }
}

/** The area of the box around an object. @param {Drawn} object */
function extent({ rings }) {
  const [[x1, y1], , [x2, y2]] = boxOf(rings);
  return (x2 - x1) * (y2 - y1);
}

/** The box around all rings, as one. @param {Point[][]} rings @returns {Point[]} */
export function boxOf(rings) {
  const xs = rings.flat().map(([x]) => x), ys = rings.flat().map(([, y]) => y);
  const [x1, y1] = [xs, ys].map((sides) => sides.reduce((a, b) => Math.min(a, b))), [x2, y2] = [xs, ys].map((sides) => sides.reduce((a, b) => Math.max(a, b)));
  return [[x1, y1], [x2, y1], [x2, y2], [x1, y2]];
}
