// The classes: the list at the right, and the dialog in which they are renamed, merged, moved and removed.
import { ask, send } from "./label_api.js";

/** @typedef {import("./label_api.js").Drawn} Drawn */
/** @typedef {{name: string, objects: number, images: number, used: boolean}} Use */
/** @typedef {{classes: string[], class_version: number, renamed: Record<string, string>[]}} Told */

export class Classes {
  version = 0; // of the classes that the page knows
  /** @type {string[]} */ typed = []; // and not on the server yet
  /** @type {Use[]} */ uses = [];

  /**
   * @param {(id: string) => any} by @param {any} state
   * @param {(asked: any) => Promise<string>} change  asks the server for a change; "" or what is wrong
   * @param {(which: "undo" | "redo") => Promise<void>} restore
   * @param {(renamed: Record<string, string>) => void} renamed  classes of objects are called otherwise
   */
  constructor(by, state, change, restore, renamed) {
    this.by = by;
    this.state = state;
    this.change = change;
    this.renamed = renamed;
    this.busy = this.stale = false;
    /** @type {((yes: boolean) => void) | null} */ this.answer = null;
    by("edit-classes").addEventListener("click", () => this.edit());
    by("class-dialog").addEventListener("cancel", (/** @type {Event} */ event) => this.answer && (event.preventDefault(), this.answer(false)));
    by("merge").addEventListener("click", () => this.answer?.(true));
    by("keep").addEventListener("click", () => this.answer?.(false));
    for (const which of /** @type {const} */ (["undo", "redo"])) by(`${which}-classes`).addEventListener("click", async () => {
      await restore(which);
      this.refresh();
    });
  }

  // --- what the server says -----------------------------------------------------------------------------------------
  /** Names that were changed, by this page or another. @param {Told} told */
  told({ classes, class_version, renamed }) {
    const newer = class_version - this.version;
    if (newer < 0 || newer > renamed.length) return; // an older answer; or the next status says how
    for (const names of newer ? renamed.slice(-newer) : []) this.renamed(names);
    this.version = class_version;
    this.typed = this.typed.filter((name) => !classes.includes(name));
    const before = this.state.classes.join("\n");
    this.state.classes = [...classes, ...this.typed];
    if (before !== this.state.classes.join("\n") && this.by("class-dialog").open && !this.busy) this.refresh();
  }

  /** @param {string} name */
  add(name) {
    if (this.state.classes.includes(name)) return;
    this.typed.push(name);
    this.state.classes = [...this.state.classes, name];
    send("/api/classes", { name }, "PUT").then((told) => this.told(told), (error) => this.state.say(error.message));
  }

  // --- the dialog ---------------------------------------------------------------------------------------------------
  edit() {
    if (!this.by("class-dialog").open) this.by("class-dialog").showModal();
    this.failed("");
    return this.refresh();
  }

  /** How often a class is used now; undefined where there is none of that name. @param {string} name @returns {Promise<Use | undefined>} */
  async use(name) {
    this.uses = (await ask("/api/classes")).uses;
    return this.uses.find((use) => use.name === name);
  }

  async refresh() {
    await this.use("").catch((error) => this.failed(error.message));
    const active = /** @type {any} */ (document.activeElement), focus = active?.dataset ?? {}, rows = this.by("class-rows");
    this.stale = focus.what === "name" && active.value.trim() !== focus.name; // somebody types there: when that is done
    if (this.stale) return;
    rows.replaceChildren(...this.uses.map((use, at) => this.row(use, at)));
    this.by("no-classes").hidden = this.uses.length > 0;
    const again = [...rows.querySelectorAll("[data-what]")].filter((/** @type {any} */ one) => one.dataset.name === focus.name && !one.disabled);
    const wanted = [focus.what, { up: "down", down: "up" }[String(focus.what)], "name"]; // the first class cannot move up any more
    /** @type {any} */ (wanted.map((what) => again.find((/** @type {any} */ one) => one.dataset.what === what)).find(Boolean))?.focus();
  }

  /** @param {Use} use @param {number} at */
  row({ name, objects, images, used }, at) {
    const row = document.createElement("li"), swatch = document.createElement("span"), field = document.createElement("input"), count = document.createElement("span");
    swatch.className = "swatch";
    swatch.style.background = this.state.color(name);
    Object.assign(field, { type: "text", value: name, maxLength: 200 });
    field.setAttribute("aria-label", `Name of ${name}`);
    Object.assign(field.dataset, { name, what: "name" });
    field.addEventListener("keydown", (event) => {
      if (event.key === "Escape") field.value = name;
      if (event.key === "Enter") this.rename(field, name);
    });
    field.addEventListener("change", () => this.rename(field, name));
    field.addEventListener("blur", () => this.stale && this.refresh());
    count.className = "soft small number";
    count.textContent = objects ? `${objects} object${objects > 1 ? "s" : ""}, ${images} image${images > 1 ? "s" : ""}` : used ? "of images" : "unused";
    row.append(swatch, field, count,
      this.button(name, "up", "↑", `Move ${name} up`, at === 0, () => this.asked({ change: "move", name, to: at - 1 })),
      this.button(name, "down", "↓", `Move ${name} down`, at === this.uses.length - 1, () => this.asked({ change: "move", name, to: at + 1 })),
      this.button(name, "remove", "Remove", used ? `${name} is in use: rename it to another class, and both are merged` : `Remove ${name}`, used, () => this.asked({ change: "remove", name })));
    return row;
  }

  /** @param {string} name @param {string} what @param {string} text @param {string} title @param {boolean} disabled @param {() => void} pressed */
  button(name, what, text, title, disabled, pressed) {
    const made = document.createElement("button");
    Object.assign(made, { type: "button", textContent: text, title, disabled });
    made.setAttribute("aria-label", title);
    Object.assign(made.dataset, { name, what });
    made.addEventListener("click", pressed);
    return made;
  }

  /** @param {HTMLInputElement} field @param {string} name */
  async rename(field, name) {
    const to = field.value.trim();
    if (to === name || this.busy) return;
    if (!to) field.value = name;
    else if (await this.asked({ change: "rename", name, to })) field.dataset.name = to;
    else field.value = name;
  }

  /** @param {any} change @returns {Promise<boolean>} */
  async asked(change) {
    if (this.busy) return false;
    this.busy = true;
    const wrong = await this.change(change);
    this.busy = false;
    this.failed(wrong);
    if (change.change === "rename" && !wrong) {
      const field = /** @type {any} */ (document.activeElement);
      if (field?.dataset?.name === change.name) field.dataset.name = change.to;
    }
    await this.refresh();
    return !wrong;
  }

  /** Whether two classes are to become one. @param {string} from @param {string} to @param {number} objects @param {number} images @returns {Promise<boolean>} */
  async confirm(from, to, objects, images) {
    if (!this.by("class-dialog").open) await this.edit();
    const focus = /** @type {HTMLElement} */ (document.activeElement), many = objects === 1 ? "1 object becomes" : `${objects} objects on ${images} image${images > 1 ? "s" : ""} become`;
    this.by("merge-text").textContent = `${to} is there already. Merge ${from} into ${to}? ${objects ? `${many} ${to}` : `${from} has no objects`}.`;
    this.by("merge-question").hidden = false;
    this.by("class-rows").inert = true;
    this.by("keep").focus();
    const yes = await new Promise((resolve) => (this.answer = resolve));
    this.answer = null;
    this.by("merge-question").hidden = true;
    this.by("class-rows").inert = false;
    focus?.focus();
    return yes;
  }

  /** @param {string} message */
  failed(message) {
    this.by("class-error").hidden = !message;
    this.by("class-error").textContent = message;
  }
}
