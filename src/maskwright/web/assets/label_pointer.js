// Mouse, pen and fingers: one draws, two (or the middle button, or Space) move and zoom the image.

/** @typedef {import("./label_view.js").View} View */
/** @typedef {import("./label_tools.js").Tools} Tools */

/** @type {Map<number, PointerEvent>} */
const pointers = new Map();
let moving = false;

/** @param {HTMLElement} stage @param {any} state @param {View} view @param {Tools} tools */
export function pointing(stage, state, view, tools) {
  stage.addEventListener("pointerdown", (event) => {
    stage.focus({ preventScroll: true });
    stage.setPointerCapture(event.pointerId);
    pointers.set(event.pointerId, event);
    state.keyboard = false;
    state.touched = event.pointerType === "touch"; // fingers are less exact
    moving = event.button === 1 || event.button === 2 || state.spaced || pointers.size > 1;
    if (pointers.size > 1) tools.undoPress();
    if (!moving) tools.press(view.toImage(event), event);
    event.preventDefault();
  });
  stage.addEventListener("pointermove", (event) => {
    const before = pointers.get(event.pointerId);
    if (before && moving) gesture(before, event, stage, view);
    else tools.move(view.toImage(event));
    if (before) pointers.set(event.pointerId, event);
  });
  const end = (/** @type {PointerEvent} */ event) => {
    if (!pointers.delete(event.pointerId)) return;
    if (!moving) tools.release(view.toImage(event), event);
    if (!pointers.size) moving = false;
  };
  stage.addEventListener("pointerup", end);
  stage.addEventListener("pointercancel", end);
  stage.addEventListener("contextmenu", (event) => event.preventDefault());
  stage.addEventListener("wheel", (event) => {
    event.preventDefault();
    const { left, top } = stage.getBoundingClientRect();
    view.zoomBy(Math.exp(-event.deltaY * (event.ctrlKey ? 0.01 : 0.0015)), [event.clientX - left, event.clientY - top]);
  }, { passive: false });
}

/** Two fingers, or a drag with the middle button or Space. @param {PointerEvent} before @param {PointerEvent} event @param {HTMLElement} stage @param {View} view */
function gesture(before, event, stage, view) {
  const other = [...pointers.values()].find(({ pointerId }) => pointerId !== event.pointerId);
  view.pan((event.clientX - before.clientX) / pointers.size, (event.clientY - before.clientY) / pointers.size);
  if (!other) return;
  const apart = (/** @type {PointerEvent} */ one) => Math.hypot(one.clientX - other.clientX, one.clientY - other.clientY);
  const { left, top } = stage.getBoundingClientRect();
  view.zoomBy(apart(event) / Math.max(apart(before), 1), [(event.clientX + other.clientX) / 2 - left, (event.clientY + other.clientY) / 2 - top]);
}
