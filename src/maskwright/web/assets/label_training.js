// Training from the page: a button, its progress and curves while it runs, its metrics at the end.
import { ask, send } from "./label_api.js";

/** @typedef {{epoch: number, loss?: number, val_loss?: number, mask_AP50?: number, box_AP50?: number}} Row */
/** @typedef {{AP: number | null, AP50: number | null, AP_interval: number[] | null, AP50_interval: number[] | null}} Metrics */
/** @typedef {{name: string, state: string, seconds: number, spent: number, history: Row[], error: {message: string, got?: string, fix?: string} | null,
 *   metrics: {images?: number, split?: string, mask?: Metrics, box?: Metrics}}} Run */

const UNDER_WAY = ["training", "evaluating", "loading"], WIDTH = 220, HEIGHT = 84;

export class TrainingPanel {
  /** @param {(id: string) => any} by @param {(text: string) => void} say */
  constructor(by, say) {
    this.by = by;
    this.say = say;
    /** @type {string | null} */ this.state = null;
    by("train").addEventListener("click", () => this.start());
    by("stop").addEventListener("click", () => this.stop());
  }

  get running() {
    return UNDER_WAY.includes(this.state ?? "");
  }

  async start() {
    try {
      this.show(await send("/api/training", { seconds: 60 * Number(this.by("minutes").value) }));
      this.follow();
    } catch (error) {
      this.failed(/** @type {Error} */ (error).message);
    }
  }

  async stop() {
    this.by("stop").disabled = true;
    this.show(await ask("/api/training", { method: "DELETE" }).catch((error) => this.say(error.message)));
  }

  /** What the status of the page says: another page may have started one. @param {string | null} state */
  told(state) {
    if (state && state !== this.state) this.follow();
  }

  async follow() {
    if (this.following) return;
    this.following = true;
    do {
      const run = await ask("/api/training").catch(() => null);
      this.show(run);
      if (this.running) await new Promise((resolve) => setTimeout(resolve, 1000));
    } while (this.running);
    this.following = false;
  }

  /** @param {Run | null | void} run */
  show(run) {
    if (!run) return;
    const { by } = this, row = run.history[run.history.length - 1];
    this.state = run.state;
    by("train").hidden = by("minutes-line").hidden = this.running;
    by("stop").hidden = by("training").hidden = run.state !== "training";
    if (run.state !== "training") by("stop").disabled = false;
    by("training").max = run.seconds;
    by("training").value = Math.min(run.spent, run.seconds);
    by("training-text").textContent = text(run, row);
    this.failed(run.state === "failed" ? [run.error?.message, run.error?.got, run.error?.fix].filter(Boolean).join("; ") : "");
    by("curves").replaceChildren(...(run.history.length > 1 ? [curves(run.history)] : []));
  }

  /** @param {string} message */
  failed(message) {
    this.by("training-error").hidden = !message;
    this.by("training-error").textContent = message;
  }
}

/** @param {Run} run @param {Row | undefined} row */
function text(run, row) {
  const clock = (/** @type {number} */ seconds) => `${Math.floor(seconds / 60)}:${String(Math.floor(seconds % 60)).padStart(2, "0")}`;
  const figure = row?.mask_AP50 ?? row?.box_AP50;
  if (run.state === "training" && run.spent >= run.seconds) return "Finishing: the last validation and the report";
  if (run.state === "training") return `${clock(run.spent)} of ${clock(run.seconds)}${row ? `, epoch ${row.epoch}` : ", starting"}${figure === undefined ? "" : `, AP50 ${figure.toFixed(2)}`}`;
  if (run.state === "evaluating") return "Evaluating it …";
  if (run.state === "loading") return "Loading it …";
  if (run.state === "stopped") return "Stopped; there is no model yet.";
  if (run.state === "failed") return "";
  const lines = /** @type {["mask" | "box", Metrics | undefined][]} */ ([["mask", run.metrics.mask], ["box", run.metrics.box]]);
  const metrics = lines.filter(([, found]) => found && found.AP50 !== null).map(([kind, found]) => `${kind} AP50 ${within(found?.AP50, found?.AP50_interval)}`);
  const on = run.metrics.images ? ` on ${run.metrics.images} images (${run.metrics.split})` : "";
  return `${run.name}: ${metrics.length ? metrics.join(", ") + on : "not evaluated"}. It suggests objects now.`;
}

/** @param {number | null | undefined} value @param {number[] | null | undefined} interval */
const within = (value, interval) => `${value?.toFixed(2)}${interval ? ` (${interval[0].toFixed(2)} to ${interval[1].toFixed(2)})` : ""}`;

/** Losses, each as a part of the highest, and AP50, by epoch. @param {Row[]} history @returns {SVGSVGElement} */
function curves(history) {
  const element = (/** @type {string} */ name, /** @type {Record<string, string | number>} */ facts) => {
    const made = document.createElementNS("http://www.w3.org/2000/svg", name);
    for (const [key, value] of Object.entries(facts)) made.setAttribute(key, String(value));
    return made;
  };
  const svg = /** @type {SVGSVGElement} */ (element("svg", { viewBox: `0 0 ${WIDTH} ${HEIGHT}`, role: "img" }));
  const highest = Math.max(...history.map(({ loss = 0, val_loss = 0 }) => Math.max(loss, val_loss)), 1e-9);
  const lines = /** @type {[string, keyof Row, number][]} */ ([["loss", "loss", highest], ["validation", "val_loss", highest], ["AP50", "mask_AP50" in history[0] ? "mask_AP50" : "box_AP50", 1]]);
  svg.append(element("path", { class: "axis", d: `M0 ${HEIGHT - 1}H${WIDTH}` }));
  for (const [name, column, most] of lines) {
    const points = history.map((row, at) => [row[column], at]).filter(([value]) => value !== undefined)
      .map(([value, at]) => `${((Number(at) * (WIDTH - 6)) / (history.length - 1) + 3).toFixed(1)},${(HEIGHT - 3 - (Number(value) / most) * (HEIGHT - 8)).toFixed(1)}`);
    if (points.length > 1) svg.append(element("polyline", { class: name, points: points.join(" ") }));
  }
  svg.setAttribute("aria-label", `Loss ${history.map(({ loss }) => loss?.toFixed(2)).join(", ")}`);
  return svg;
}
