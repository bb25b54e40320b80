// The keyboard: a key for every action and tool, and a cursor that arrows move where there is no mouse.
import { TOOLS } from "./label_tools.js";

/** @typedef {[string, string, () => unknown, string?]} Action  key, what it does, the action, its button above the image */

const MORE = [["1 … 9", "Class of new and selected objects"], ["Arrows", "Move the selected objects, or the cursor of a tool (Shift: ten pixels)"],
  ["Space", "Press at the cursor; hold and drag to move the image"], ["Alt+click", "Remove a corner"], ["Shift+click", "Select several"], ["[ ]", "Brush radius"]];

export class Keys {
  /**
   * @param {HTMLElement} stage @param {any} state @param {import("./label_view.js").View} view
   * @param {import("./label_tools.js").Tools} tools @param {Action[]} actions
   */
  constructor(stage, state, view, tools, actions) {
    this.stage = stage;
    this.state = state;
    this.view = view;
    this.tools = tools;
    this.actions = actions;
    addEventListener("keydown", (event) => {
      if (event.key === " ") state.spaced = true;
      this.keyed(event);
    });
    addEventListener("keyup", (event) => {
      if (event.key === " ") state.spaced = false;
    });
  }

  /** @param {KeyboardEvent} event */
  keyed(event) {
    const { state } = this;
    const inField = /** @type {HTMLElement} */ (event.target).matches("input:not([type=range]), select, dialog *");
    if (event.key === "Escape" && inField) return this.stage.focus();
    if (inField) return;
    const onStage = document.activeElement === this.stage || document.activeElement === document.body;
    const control = event.ctrlKey || event.metaKey, name = control ? `Ctrl+${event.key.toUpperCase()}` : event.shiftKey && event.key === "Tab" ? "Shift+Tab" : event.key.length === 1 ? event.key.toUpperCase() : event.key;
    const arrow = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] }[event.key];
    const tool = control || event.altKey ? undefined : TOOLS.find(([tool, key]) => key === name && (tool !== "clicks" || state.clickable || state.withoutClicks));
    const action = this.actions.find(([key]) => key === name || (name === "Ctrl+Shift+Z" && key === "Ctrl+Y"));
    if (["Tab", "Shift+Tab", "Enter"].includes(name) && !onStage) return; // the browser's own
    if (["Tab", "Shift+Tab"].includes(name) && !state.objects.length) return;
    if (arrow && onStage) this.steer(arrow[0] * (event.shiftKey ? 10 : 1), arrow[1] * (event.shiftKey ? 10 : 1));
    else if (event.key === " " && onStage) this.pressAtCursor(event);
    else if (control && event.shiftKey && event.key.toUpperCase() === "Z") this.state.restore("redo");
    else if (action && !(control && !name.startsWith("Ctrl"))) action[2]();
    else if (tool) this.tools.choose(tool[0]);
    else if (!control && /^[1-9]$/.test(event.key) && state.classes[Number(event.key) - 1]) this.state.chooseClass(state.classes[Number(event.key) - 1]);
    else if (event.key === "[" || event.key === "]") this.state.brush(state.radius * (event.key === "[" ? 0.8 : 1.25));
    else return;
    event.preventDefault();
  }

  /** @param {number} dx @param {number} dy */
  steer(dx, dy) {
    const { state, view, tools } = this;
    if (state.tool === "select") return tools.shift(dx, dy);
    state.keyboard = true;
    const unit = Math.max(1, Math.round(1 / view.zoom)), [x, y] = state.cursor ?? [state.size.width / 2, state.size.height / 2];
    tools.move(tools.clipped([x + dx * unit, y + dy * unit]));
  }

  /** @param {KeyboardEvent} keys */
  pressAtCursor(keys) {
    const { state, tools } = this;
    if (keys.repeat || state.tool === "select") return;
    const at = state.cursor ?? [state.size.width / 2, state.size.height / 2];
    state.keyboard = true;
    if (state.draft.length && !["polygon", "edges", "hole", "split"].includes(state.tool)) tools.release(at, keys);
    else tools.press(at);
    if (state.tool === "clicks") tools.release(at, keys);
  }

  /** A line for each key. @param {HTMLElement} table */
  explain(table) {
    for (const [key, help] of [...TOOLS.filter(([tool]) => tool !== "clicks" || this.state.clickable || this.state.withoutClicks).map(([tool, key, , help]) => [key, tool === "clicks" && this.state.withoutClicks ? `Assist ${this.state.withoutClicks}` : help]), ...this.actions, ...MORE]) {
      const line = document.createElement("div"), shortcut = document.createElement("kbd");
      shortcut.textContent = String(key);
      line.append(String(help), shortcut);
      table.append(line);
    }
  }
}
