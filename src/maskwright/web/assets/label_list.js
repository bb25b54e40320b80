// The list of images: only the rows that are seen exist, so 5,000 images are as fast as fifty.

import { showName } from "./label_names.js";

const HEIGHT = 108; // pixels of a row

/** @typedef {import("./label_api.js").Listed} Listed */

export class List {
  /** @param {HTMLElement} rows @param {HTMLElement} space @param {(index: number) => void} chosen */
  constructor(rows, space, chosen) {
    this.rows = rows;
    this.space = space;
    this.chosen = chosen;
    /** @type {Listed[]} */
    this.images = [];
    /** @type {number[]} */
    this.shown = [];
    this.current = -1;
    /** @type {Map<number, HTMLButtonElement>} */
    this.built = new Map();
    rows.addEventListener("scroll", () => this.draw());
    new ResizeObserver(() => this.draw()).observe(rows);
  }

  /** @param {Listed[]} images @param {string} text @param {string} state */
  filter(images, text, state) {
    this.images = images;
    const sought = text.trim().toLowerCase();
    this.shown = images.map((_, index) => index).filter((index) =>
      (state === "all" || images[index].state === state || (state === "doubtful" && images[index].doubtful) || index === this.current) && images[index].name.toLowerCase().includes(sought));
    this.space.style.height = `${this.shown.length * HEIGHT}px`;
    for (const row of this.built.values()) row.remove();
    this.built.clear();
    this.draw();
  }

  /** The image before or after the current one, among those that are shown. @param {number} step @returns {number | undefined} */
  beside(step) {
    const at = this.shown.indexOf(this.current);
    return this.shown[at < 0 ? 0 : at + step];
  }

  /** @param {number} index */
  select(index) {
    this.current = index;
    const at = this.shown.indexOf(index) * HEIGHT, { scrollTop, clientHeight } = this.rows;
    if (at >= 0 && (at < scrollTop || at + HEIGHT > scrollTop + clientHeight)) this.rows.scrollTop = at - clientHeight / 2 + HEIGHT / 2;
    this.draw();
  }

  draw() {
    const first = Math.max(Math.floor(this.rows.scrollTop / HEIGHT) - 2, 0);
    const last = Math.min(Math.ceil((this.rows.scrollTop + this.rows.clientHeight) / HEIGHT) + 2, this.shown.length);
    const seen = new Set(this.shown.slice(first, last));
    for (const [index, row] of this.built) {
      if (seen.has(index)) continue;
      row.remove();
      this.built.delete(index);
    }
    for (let at = first; at < last; at++) {
      const index = this.shown[at], row = this.built.get(index) ?? this.build(index);
      row.style.top = `${at * HEIGHT}px`;
      this.fill(row, index);
    }
  }

  /** @param {number} index */
  build(index) {
    const row = document.createElement("button"), image = document.createElement("img"), caption = document.createElement("span");
    row.type = "button";
    row.className = "row";
    image.src = `/api/images/${index}/thumbnail`;
    image.alt = "";
    caption.className = "caption";
    caption.append(document.createElement("i"), document.createElement("b"), document.createElement("span"));
    row.append(image, caption);
    row.addEventListener("click", () => this.chosen(index));
    this.rows.append(row);
    this.built.set(index, row);
    return row;
  }

  /** @param {HTMLButtonElement} row @param {number} index */
  fill(row, index) {
    const { name, state, objects, doubtful } = this.images[index], [dot, text, count] = /** @type {any} */ (row.lastChild).children;
    dot.className = `dot ${doubtful ? "doubtful" : state}`;
    showName(text, name);
    count.textContent = objects || "";
    row.title = `${name}: ${state}${doubtful ? ", doubtful" : ""}${objects ? `, ${objects} objects` : ""}`;
    row.setAttribute("aria-label", row.title);
    row.setAttribute("aria-current", String(index === this.current));
  }
}
