// Run lengths of COCO to outlines that a canvas can draw. Coordinates are image pixels; a pixel is one wide.

/** @typedef {{size: [number, number], counts: string}} Rle  [height, width], compressed run lengths down the columns */
/** @typedef {{left: number, top: number, width: number, height: number, pixels: Uint8Array}} Bitmap  row by row, 0 or 1 */

export const COLORS = ["#2f9be0", "#f0742b", "#1fb388", "#e06bb0", "#d9b500", "#8f7cf0", "#e5484d", "#4cc2c9", "#9bbf2b", "#c98a5b"];

/**
 * The run lengths in COCO's compressed text: five bits a character, differences to the run before the last.
 * @param {string} text
 * @returns {number[]}
 */
export function decodeCounts(text) {
  const counts = [];
  for (let at = 0; at < text.length;) {
    let value = 0, shift = 0, more = true;
    while (more) {
      const code = text.charCodeAt(at++) - 48;
      value |= (code & 31) << shift;
      more = (code & 32) !== 0;
      shift += 5;
      if (!more && code & 16) value |= -1 << shift;
    }
    if (counts.length > 2) value += counts[counts.length - 2];
    counts.push(value);
  }
  return counts;
}

/**
 * The mask inside its own bounding box; null where it is empty.
 * @param {Rle} rle
 * @returns {Bitmap | null}
 */
export function bitmap(rle) {
  const [height] = rle.size;
  const runs = [];
  let at = 0, on = false, left = Infinity, right = 0, top = Infinity, bottom = 0;
  for (const count of decodeCounts(rle.counts)) {
    if (on && count) {
      const end = at + count, first = Math.floor(at / height), last = Math.floor((end - 1) / height);
      left = Math.min(left, first);
      right = Math.max(right, last + 1);
      top = Math.min(top, first === last ? at % height : 0);
      bottom = Math.max(bottom, first === last ? (end - 1) % height + 1 : height);
      runs.push([at, end]);
    }
    at += count;
    on = !on;
  }
  if (!runs.length) return null;
  const width = right - left, rows = bottom - top, pixels = new Uint8Array(width * rows);
  for (const [start, end] of runs) {
    for (let pixel = start; pixel < end; pixel++) {
      pixels[(pixel % height - top) * width + Math.floor(pixel / height) - left] = 1;
    }
  }
  return { left, top, width, height: rows, pixels };
}

/**
 * The closed outlines along the pixels' edges, the object to the right: outer ones clockwise, holes the other way.
 * @param {Bitmap} mask
 * @returns {[number, number][][]}
 */
export function trace(mask) {
  const { width, height, pixels, left, top } = mask;
  const inside = (/** @type {number} */ x, /** @type {number} */ y) =>
    x >= 0 && y >= 0 && x < width && y < height && pixels[y * width + x] === 1;
  const seen = new Uint8Array((width + 1) * (height + 1)); // upper edges that were walked along, by their left corner
  const outlines = [];
  for (let y = 0; y <= height; y++) {
    for (let x = 0; x < width; x++) {
      if (!inside(x, y) || inside(x, y - 1) || seen[y * (width + 1) + x]) continue;
      /** @type {[number, number][]} */
      const points = [];
      let px = x, py = y, direction = 0; // 0 right, 1 down, 2 left, 3 up
      do {
        if (direction === 0) seen[py * (width + 1) + px] = 1;
        px += [1, 0, -1, 0][direction];
        py += [0, 1, 0, -1][direction];
        // the two pixels ahead, to the right and to the left of the direction
        const ahead = [[[px, py], [px, py - 1]], [[px - 1, py], [px, py]], [[px - 1, py - 1], [px - 1, py]], [[px, py - 1], [px - 1, py - 1]]][direction];
        const onRight = inside(ahead[0][0], ahead[0][1]), onLeft = inside(ahead[1][0], ahead[1][1]);
        const turn = onLeft ? 3 : onRight ? 0 : 1;
        if (turn) points.push([px + left, py + top]);
        direction = (direction + turn) % 4;
      } while (px !== x || py !== y || direction !== 0);
      outlines.push(points);
    }
  }
  return outlines;
}

/**
 * The points needed to stay within `tolerance` pixels of a closed outline (Douglas and Peucker).
 * @param {[number, number][]} points
 * @param {number} tolerance
 * @returns {[number, number][]}
 */
export function simplify(points, tolerance) {
  if (points.length < 4) return points;
  let far = 0, most = -1;
  points.forEach(([x, y], index) => {
    const distance = Math.hypot(x - points[0][0], y - points[0][1]);
    if (distance > most) [most, far] = [distance, index];
  });
  const kept = new Uint8Array(points.length);
  kept[0] = kept[far] = 1;
  const closed = [...points, points[0]], stack = [[0, far], [far, points.length]];
  while (stack.length) {
    const [start, end] = /** @type {[number, number]} */ (stack.pop());
    const [ax, ay] = closed[start], [bx, by] = closed[end], length = Math.hypot(bx - ax, by - ay) || 1;
    let worst = tolerance, at = -1;
    for (let index = start + 1; index < end; index++) {
      const distance = Math.abs((bx - ax) * (ay - closed[index][1]) - (ax - closed[index][0]) * (by - ay)) / length;
      if (distance > worst) [worst, at] = [distance, index];
    }
    if (at >= 0) {
      kept[at] = 1;
      stack.push([start, at], [at, end]);
    }
  }
  return points.filter((_, index) => kept[index]);
}

/**
 * @param {[number, number][][]} outlines
 * @returns {Path2D}
 */
export function path(outlines) {
  const made = new Path2D();
  for (const points of outlines) {
    points.forEach(([x, y], index) => (index ? made.lineTo(x, y) : made.moveTo(x, y)));
    made.closePath();
  }
  return made;
}

/**
 * The outline of an object as a path: of its mask, or of its box where there is none.
 * @param {{box: number[], segmentation?: Rle}} object
 * @param {number} [tolerance]
 * @returns {Path2D}
 */
export function pathOf(object, tolerance = 0.6) {
  const mask = object.segmentation ? bitmap(object.segmentation) : null;
  if (mask) return path(trace(mask).map((points) => simplify(points, tolerance)));
  const made = new Path2D(), [x1, y1, x2, y2] = object.box;
  made.rect(x1, y1, x2 - x1, y2 - y1);
  return made;
}
