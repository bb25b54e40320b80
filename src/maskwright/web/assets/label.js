// The page of `maskwright label`: images at the left, the tools above, classes and objects at the right.
import { Saver, ask, send } from "./label_api.js";
import { Classes } from "./label_classes.js";
import { History } from "./label_history.js";
import { Keys } from "./label_keys.js";
import { List } from "./label_list.js";
import { showName } from "./label_names.js";
import { COLORS } from "./masks.js";
import { pointing } from "./label_pointer.js";
import { Review } from "./label_review.js";
import { TrainingPanel } from "./label_training.js";
import { TOOLS, Tools } from "./label_tools.js";
import { View, boxOf } from "./label_view.js";

/** @typedef {import("./label_api.js").Drawn} Drawn */
/** @typedef {import("./label_api.js").Listed} Listed */
/** @param {string} id @returns {any} */
const by = (id) => document.getElementById(id);

const state = {
  /** @type {Listed[]} */ images: [],
  index: -1,
  loaded: false, // the objects of the image are here: before that nothing may be changed
  size: { width: 1, height: 1 },
  /** @type {ImageBitmap | null} */ bitmap: null,
  /** @type {Drawn[]} */ objects: [],
  /** @type {Set<string>} */ selected: new Set(),
  /** @type {string[]} */ classes: [],
  current: "",
  tool: "select",
  /** @type {[number, number][]} */ draft: [],
  /** @type {[number, number] | null} */ cursor: null,
  keyboard: false,
  radius: 12,
  threshold: 0.5,
  /** @type {Drawn[]} */ suggestions: [],
  /** @type {string | null} */ suggestion: null,
  /** @type {any} */ model: null,
  withoutClicks: "", // why it does not
  masks: true, // the data hold outlines, not boxes only
  clickable: false, // the server makes masks from boxes and clicks
  negative: false, // clicks say what does not belong
  /** @type {any} */ clicks: null,
  doubt: () => (review.current?.image === state.index ? review.current : null),
  draftRing: () => /** @type {[number, number][]} */ ([]),
  only: () => (state.selected.size === 1 ? state.objects.find(({ key }) => state.selected.has(key)) : undefined),
  chosen: () => state.objects.filter(({ key }) => state.selected.has(key)),
  suggested: () => state.suggestions.filter(({ score }) => (score ?? 1) >= state.threshold),
  newKey: () => `n${crypto.getRandomValues(new Uint32Array(2)).join("")}`,
  say, select, commit, restore, chooseClass, brush, changed: showTools, className,
  color: (/** @type {string} */ name) => COLORS[Math.max(state.classes.indexOf(name), 0) % COLORS.length],
  spaced: false, // Space is held: a drag moves the image
  touched: false, // by a finger, not a mouse or pen
  suggest: (/** @type {string} */ key) => {
    state.suggestion = key;
    view.redraw();
  },
};
const history = new History();
/** @type {Map<number, Promise<ImageBitmap & {gray?: number[]}>>} */
const bitmaps = new Map();
let changes = 0, previous = /** @type {Drawn[]} */ ([]);
const view = new View(by("stage"), state), tools = new Tools(state, view);
const list = new List(by("rows"), by("space"), (index) => open(index));
const review = new Review(by, state, (index) => open(index), showList), training = new TrainingPanel(by, say);
const classes = new Classes(by, state, changeClasses, restore, renamed);
const saver = new Saver(saved, (index) => index === state.index && reload(), failed, () => classes.version,
  () => (by("saved").textContent = "saved; the file follows"));

// --- images ----------------------------------------------------------------------------------------------------------
/** @param {number | undefined} index */
async function open(index) {
  if (index === undefined || index === state.index || !state.images[index]) return;
  tools.clicks.accept();
  if (state.objects.length) previous = state.objects;
  tools.cancel();
  Object.assign(state, { index, bitmap: null, objects: [], suggestions: [], suggestion: null, cursor: null });
  loaded(false);
  state.selected.clear();
  const { name, width, height } = state.images[index];
  state.size = { width, height };
  list.select(index);
  location.replace(`#${index}`);
  showName(by("name"), name);
  by("name").title = name;
  waiting(true);
  view.fit();
  show();
  await Promise.all([reload(), picture(index), suggestions(index), tools.clicks.prepare(index)]);
  const after = (await review.propose(index)) ?? list.beside(1);
  if (after === undefined || state.index !== index) return;
  bitmapOf(after).catch(() => {});
  tools.clicks.prepare(after);
}

/** In the order of the list, or of proposals. @param {1 | -1} step */
function move(step) {
  const proposed = step > 0 ? review.upcoming : review.back(), index = proposed ?? list.beside(step);
  if (step < 0 && proposed !== undefined) review.visited.length -= 1;
  return index === undefined ? say(step > 0 ? "This was the last image." : "This is the first image.") : open(index);
}

/** @param {boolean} yes */
function loaded(yes) {
  state.loaded = yes;
  by("view").setAttribute("aria-busy", String(!yes));
}

async function reload() {
  const index = state.index;
  while (saver.waiting(index)) await new Promise((resolve) => setTimeout(resolve, 50)); // what is on its way is newer
  const facts = await ask(`/api/images/${index}`).catch((error) => problem(error.message));
  if (!facts || index !== state.index || saver.waiting(index)) return;
  saver.fetched(index, facts.version);
  state.objects = facts.objects;
  loaded(true);
  by("window-part").hidden = !facts.deep;
  if (state.images[index].version !== facts.version) history.forget(index);
  Object.assign(state.images[index], { version: facts.version, state: facts.state });
  show();
}

/** @param {number} index @returns {Promise<ImageBitmap & {gray?: number[]}>} */
function bitmapOf(index) {
  let found = bitmaps.get(index);
  if (!found) {
    found = fetch(`/api/images/${index}/file${windowQuery()}`).then(async (response) => {
      if (!response.ok) throw new Error((await response.json()).message);
      const bitmap = await createImageBitmap(await response.blob());
      return Object.assign(bitmap, { gray: response.headers.get("x-gray-window")?.split(" ").map(Number) });
    });
    bitmaps.set(index, found);
    for (const old of [...bitmaps.keys()].slice(0, -4)) bitmaps.delete(old);
  }
  return found;
}

/** @param {number} index */
async function picture(index) {
  try {
    const bitmap = await bitmapOf(index);
    if (index !== state.index) return;
    state.bitmap = bitmap;
    waiting(false);
    showWindow(bitmap.gray);
  } catch (error) {
    bitmaps.delete(index);
    waiting(false);
    say(`${state.images[index].name}: ${/** @type {Error} */ (error).message}`);
  }
  view.redraw();
}

/** The sliders stand where the image was opened. @param {number[] | undefined} gray */
function showWindow(gray) {
  if (!gray || windowed) return;
  for (const [at, id] of ["low", "high"].entries()) {
    by(id).max = String(Math.max(Math.ceil(gray[1] * 2), 255));
    by(id).value = String(gray[at]);
  }
}

/** The image is on its way; told after a moment, for most are there at once. @param {boolean} yes */
function waiting(yes) {
  clearTimeout(late);
  if (!yes) by("view").classList.remove("late");
  else late = setTimeout(() => by("view").classList.add("late"), 250);
}
let late = 0;

const windowQuery = () => (windowed ? `?low=${by("low").value}&high=${by("high").value}` : "");
let windowed = false;

// --- objects ---------------------------------------------------------------------------------------------------------
/** The objects of the image from now on. @param {Drawn[]} objects @param {string} [as] */
function commit(objects, as) {
  if (!state.loaded) return say("This image is still loading.");
  history.changed(state.index, state.objects);
  put(objects, as);
}

/** @param {Drawn[]} objects @param {string} [as] */
function put(objects, as) {
  if (!state.masks) objects = objects.map(boxed);
  state.objects = objects;
  state.selected = new Set([...state.selected].filter((key) => objects.some((object) => object.key === key)));
  const image = state.images[state.index];
  image.state = objects.length ? "labeled" : as ?? (image.state === "labeled" ? "unlabeled" : image.state);
  image.objects = objects.length;
  saver.save(state.index, objects, image.state);
  by("saved").textContent = "saving";
  show();
}

/** These data hold boxes: what was drawn becomes its box at once, as it is saved. @param {Drawn} object @returns {Drawn} */
function boxed(object) {
  const ring = boxOf(object.rings), [first] = object.rings;
  if (object.rings.length === 1 && first.length === 4 && ring.every(([x, y]) => first.some(([a, b]) => a === x && b === y))) return object;
  say("These data hold boxes: this is the box of what was drawn.");
  return { ...object, rings: [ring] };
}

/** @param {"undo" | "redo"} which */
async function restore(which) {
  const other = which === "undo" ? "redo" : "undo", found = state.loaded ? history.pop(which, state.index) : undefined;
  if (!found) return say(`Nothing to ${which}.`);
  if ("objects" in found) {
    history.push(other, state.index, state.objects);
    return put(found.objects);
  }
  const answer = await askClasses(which === "undo" ? { change: "undo", number: found.number } : found.asked);
  if (typeof answer === "string") return say(answer);
  history.pushClasses(other, found.asked, answer.class_version);
}

/** @param {string[]} keys @param {boolean} [more] */
function select(keys, more = false) {
  const before = more ? state.selected : new Set();
  state.selected = new Set([...[...before].filter((key) => !keys.includes(/** @type {string} */ (key))), ...keys.filter((key) => !before.has(key))]);
  const only = state.only();
  if (only) state.current = only.class;
  show();
}

/** @returns {string} "" where there is none yet: the field for its name is shown */
function className() {
  if (state.current) return state.current;
  say("Which class is it? Type its name, then Enter.");
  by("new-class").focus();
  return "";
}

/** @param {string} name */
function chooseClass(name) {
  state.current = name;
  if (state.selected.size) commit(state.objects.map((object) => (state.selected.has(object.key) ? { ...object, class: name } : object)));
  show();
}

// --- classes ---------------------------------------------------------------------------------------------------------
/** A change of the classes, which undo takes back. @param {any} asked @returns {Promise<string>} "" or what is wrong */
async function changeClasses(asked) {
  const answer = await askClasses(asked);
  if (typeof answer === "string") return answer;
  history.changedClasses(state.index, answer.asked, answer.class_version);
  return "";
}

/** Two classes become one only after a question. @param {any} asked @returns {Promise<any>} the answer, or what is wrong */
async function askClasses(asked) {
  while (saver.busy) await new Promise((resolve) => setTimeout(resolve, 30)); // objects first: the classes of all change
  loaded(false);
  try {
    const merged = asked.change === "rename" && asked.merge === undefined ? await classes.use(asked.to) : undefined;
    if (merged) return await askMerge(asked, await classes.use(asked.name));
    const answer = await send("/api/classes", { version: classes.version, ...asked });
    classes.told(answer);
    for (const [index, facts] of Object.entries(answer.changed)) {
      Object.assign(state.images[Number(index)], facts);
      saver.fetched(Number(index), facts.version);
    }
    restored(answer.restored, answer.label);
    return { ...answer, asked };
  } catch (error) {
    const { answer, message } = /** @type {any} */ (error); // objects may have changed meanwhile: asked once more
    return answer?.merge === undefined ? message : await askMerge(asked, { objects: Number(answer.merge), images: Number(answer.images) });
  } finally {
    loaded(true);
    by("saved").textContent = "saving";
    show();
  }
}

/** @param {any} asked @param {{objects: number, images: number} | undefined} use  of the class that would be gone @returns {Promise<any>} */
async function askMerge(asked, use) {
  const { objects, images } = use ?? { objects: 0, images: 0 };
  return (await classes.confirm(asked.name, asked.to, objects, images)) ? askClasses({ ...asked, merge: objects }) : "Both classes are kept.";
}

/** The classes of objects are called otherwise. @param {Record<string, string>} names */
function renamed(names) {
  const relabeled = (/** @type {Drawn[]} */ objects) => objects.map((object) => (names[object.class] ? { ...object, class: names[object.class] } : object));
  state.objects = relabeled(state.objects);
  state.suggestions = relabeled(state.suggestions);
  previous = relabeled(previous);
  history.relabel(relabeled);
  state.current = names[state.current] ?? state.current;
}

/** Objects that had a class before it was merged into another. @param {Record<number, string[]>} keys @param {string} name */
function restored(keys, name) {
  const relabeled = (/** @type {Drawn[]} */ objects, /** @type {number} */ index) =>
    objects.map((object) => (keys[index]?.includes(object.key) ? { ...object, class: name } : object));
  state.objects = relabeled(state.objects, state.index);
  history.relabel(relabeled);
}

// --- suggestions -----------------------------------------------------------------------------------------------------
/** @param {number} index */
async function suggestions(index) {
  if (!state.model) return;
  const answer = await ask(`/api/images/${index}/suggestions`, { method: "POST" }).catch((error) => say(error.message));
  if (!answer || index !== state.index || state.images[index].state !== "unlabeled") return;
  state.suggestions = answer.objects.map((/** @type {Drawn} */ object, /** @type {number} */ at) => ({ ...object, key: `s${at}` }));
  show();
}

/** One suggestion, or all. */
function accept() {
  const taken = state.suggested().filter(({ key }) => !state.suggestion || key === state.suggestion);
  if (!taken.length) return;
  drop(taken);
  commit([...state.objects, ...taken.map(({ class: name, rings }) => ({ key: state.newKey(), class: name, rings }))]);
}

function reject() {
  drop(state.suggested().filter(({ key }) => !state.suggestion || key === state.suggestion));
  show();
}

/** @param {Drawn[]} gone */
function drop(gone) {
  state.suggestions = state.suggestions.filter((object) => !gone.includes(object));
  state.suggestion = null;
}

// --- what the server says --------------------------------------------------------------------------------------------
/** @param {number} index @param {any} answer */
function saved(index, answer) {
  Object.assign(state.images[index], { version: answer.version, state: answer.state, objects: answer.objects });
  classes.told(answer);
  showClasses();
  showList();
}

async function status() {
  const asked = saver.count;
  try {
    const told = await ask(`/api/status?since=${changes}&classes=${classes.version}`);
    changes = told.changes;
    for (const [index, facts] of Object.entries(told.changed)) {
      const image = state.images[Number(index)], newer = facts.version > image.version;
      if (saver.waiting(Number(index))) continue;
      Object.assign(image, facts);
      if (newer && Number(index) === state.index) {
        history.forget(state.index);
        reload();
        say("This image was changed elsewhere.");
      }
    }
    by("saved").textContent = saver.busy || saver.count !== asked ? "saving" : told.saved ? `saved to ${by("saved").dataset.file}` : "saved; the file follows";
    by("notes").textContent = told.notes.join("; ");
    by("overwrite").hidden = !told.problem?.message.startsWith("another program");
    if (!saver.busy) problem(told.problem ? `The annotation file is not written: ${told.problem.message}. Your changes are kept beside it.` : refused);
    const version = classes.version;
    classes.told(told);
    if (version !== classes.version) show();
    else showClasses();
    helped(told.model);
    training.told(told.training);
    review.told(told);
    if (Object.keys(told.changed).length) showList();
  } catch {
    problem("The server does not answer: is it still running?");
  }
  setTimeout(status, 1500);
}

/** Another model suggests from now on. @param {any} model */
function helped(model) {
  if (model?.name === state.model?.name) return;
  state.model = model;
  review.begin(model);
  if (state.index >= 0) suggestions(state.index);
}

/** @param {string} text */
function problem(text) {
  by("problem").hidden = !text;
  by("problem-text").textContent = text;
}

let refused = ""; // why the latest change was not made
/** @param {string} text @param {boolean} gone  the change is taken back, and not tried again */
function failed(text, gone) {
  refused = gone ? text : "";
  problem(text);
}

let silence = 0;
/** @param {string} text */
function say(text) {
  by("message").hidden = !text;
  by("message").textContent = text;
  clearTimeout(silence);
  silence = setTimeout(() => (by("message").hidden = true), 4000);
}

// --- the page --------------------------------------------------------------------------------------------------------
function show() {
  showTools();
  showClasses();
  showObjects();
  showList();
  by("suggest-part").hidden = !state.suggestions.length;
  by("threshold-value").textContent = state.threshold.toFixed(2);
  view.redraw();
}

function showTools() {
  for (const button of by("tools").querySelectorAll("[data-tool]")) button.setAttribute("aria-pressed", String(button.dataset.tool === state.tool));
  by("clicks-part").hidden = state.tool !== "clicks";
  by("negative").setAttribute("aria-pressed", String(state.negative));
  by("positive").setAttribute("aria-pressed", String(!state.negative));
  by("brush-part").hidden = !["brush", "erase"].includes(state.tool);
  by("radius-value").textContent = `${state.radius} px`;
  by("stage").style.cursor = state.tool === "select" ? "default" : "crosshair";
}

function showClasses() {
  if (!state.classes.includes(state.current)) state.current = state.classes[0] ?? "";
  const rows = by("classes");
  while (rows.children.length > state.classes.length) rows.lastChild.remove();
  state.classes.forEach((name, index) => {
    const row = rows.children[index] ?? rows.appendChild(entry(() => chooseClass(state.classes[index])));
    fill(row, name, name, name === state.current, index < 9 ? String(index + 1) : "");
  });
}

function showObjects() {
  by("object-title").textContent = `Objects: ${state.objects.length}`;
  const rows = by("objects");
  while (rows.children.length > state.objects.length) rows.lastChild.remove();
  state.objects.forEach((object, index) => {
    const row = rows.children[index] ?? rows.appendChild(entry((event) => select([state.objects[index].key], event.shiftKey)));
    fill(row, object.class, `${object.class} ${index + 1}`, state.selected.has(object.key), "");
  });
}

/** @param {(event: MouseEvent) => void} pressed */
function entry(pressed) {
  const row = document.createElement("li"), button = document.createElement("button"), swatch = document.createElement("span");
  swatch.className = "swatch";
  button.type = "button";
  button.append(swatch, document.createElement("span"), document.createElement("kbd"));
  button.addEventListener("click", pressed);
  row.append(button);
  return row;
}

/** @param {HTMLElement} row @param {string} name @param {string} text @param {boolean} pressed @param {string} key */
function fill(row, name, text, pressed, key) {
  const button = /** @type {any} */ (row.firstChild), [swatch, label, shortcut] = button.children;
  swatch.style.background = state.color(name);
  label.textContent = text;
  shortcut.textContent = key;
  shortcut.hidden = !key;
  button.setAttribute("aria-pressed", String(pressed));
}

function showList() {
  list.draw();
  const counts = { labeled: 0, empty: 0, unlabeled: 0, skipped: 0 };
  for (const image of state.images) counts[/** @type {keyof typeof counts} */ (image.state)]++;
  const doubtful = by("filter").querySelector("[value=doubtful]");
  doubtful.hidden = !review.doubts.length;
  by("progress").textContent = `${counts.labeled + counts.empty} of ${state.images.length} labeled`;
  by("where").textContent = state.index < 0 ? "" : `${state.index + 1} of ${state.images.length}, ${state.size.width} × ${state.size.height}, ${state.images[state.index].state}`;
}

const filtered = () => list.filter(state.images, by("search").value, by("filter").value);

// --- actions and keys ------------------------------------------------------------------------------------------------
const remove = () => state.selected.size && commit(state.objects.filter(({ key }) => !state.selected.has(key)));
const copy = () => (previous.length ? commit([...state.objects, ...previous.map((object) => ({ ...object, key: state.newKey() }))]) : say("There is no image before this one yet."));
const join = () => (state.selected.size > 1 ? tools.operate("join", state.chosen(), {}) : say("Select two or more objects: Shift and click."));
const empty = () => (state.objects.length ? say("There are objects on this image.") : commit([], state.images[state.index].state === "empty" ? "unlabeled" : "empty"));

const ACTIONS = /** @type {import("./label_keys.js").Action[]} */ ([
  ["PageDown", "Next image", () => move(1)],
  ["PageUp", "Previous image", () => move(-1)],
  ["J", "Join the selected objects", join, "Join"],
  ["C", "Copy the objects of the image before", copy, "Copy"],
  ["Delete", "Delete the selected objects", remove, "Delete"],
  ["Ctrl+Z", "Undo; take back the last corner or click", () => (tools.busy ? tools.back() : restore("undo")), "Undo"],
  ["Ctrl+Y", "Redo", () => restore("redo"), "Redo"],
  ["+", "Zoom in", () => view.zoomBy(1.4)],
  ["-", "Zoom out", () => view.zoomBy(1 / 1.4)],
  ["0", "Show the whole image", () => view.fit(), "Fit"],
  ["Tab", "Select the next object", () => cycle(1)],
  ["Shift+Tab", "Select the object before", () => cycle(-1)],
  ["Enter", "Close the polygon; accept what the model outlined", () => (tools.busy ? tools.finish() : accept())],
  ["Q", "Reject suggestions", reject],
  ["Escape", "Give up what is being drawn; select nothing", () => (tools.busy ? tools.cancel() : select([]))],
  ["Backspace", "Take back the last corner or click; delete", () => (tools.busy ? tools.back() : remove())],
  ["M", "Mark as empty, or not", empty],
  ["D", "Look at the next doubtful label", () => review.step(1)],
  ["F", "The doubtful label is fine as it is", () => review.settle()],
  ["N", "New class", () => by("new-class").focus()],
  ["L", "Rename, merge, reorder and remove classes", () => classes.edit()],
  ["/", "Search images", () => by("search").focus()],
  ["?", "Show the keys", () => by("keys").showModal()],
]);
/** @param {number} step */
function cycle(step) {
  if (!state.objects.length) return;
  const at = state.objects.findIndex(({ key }) => state.selected.has(key));
  select([state.objects[(at < 0 ? (step > 0 ? 0 : -1) : at + step + state.objects.length) % state.objects.length]?.key ?? state.objects[0].key]);
}

/** @param {number} radius */
function brush(radius) {
  state.radius = Math.min(Math.max(Math.round(radius), 1), 200);
  by("radius").value = String(state.radius);
  showTools();
  view.redraw();
}

// --- start -----------------------------------------------------------------------------------------------------------
function build() {
  /** @param {string} text @param {string} key @param {string} title @param {() => void} pressed */
  const button = (text, key, title, pressed) => {
    const made = document.createElement("button"), shortcut = document.createElement("kbd");
    made.type = "button";
    shortcut.textContent = key.replace("Delete", "Del");
    made.append(text, shortcut);
    made.title = `${title} (${key})`;
    made.addEventListener("click", pressed);
    by("tools").append(made);
    return made;
  };
  for (const [name, key, text, help] of TOOLS) button(text, key, help, () => tools.choose(name)).dataset.tool = name;
  by("tools").append(Object.assign(document.createElement("span"), { className: "gap" }));
  for (const [key, help, action, text] of ACTIONS) if (text) button(text, key, help, action);
}

async function start() {
  build();
  const keys = new Keys(by("view"), state, view, tools, ACTIONS);
  pointing(by("view"), state, view, tools);
  const told = await ask("/api/images");
  Object.assign(state, { images: told.images, masks: told.masks, clickable: told.clicks });
  classes.version = told.class_version;
  classes.told(told);
  const assist = by("tools").querySelector("[data-tool=clicks]");
  assist.hidden = !told.clicks && !told.without_clicks;
  if (told.without_clicks) {
    state.withoutClicks = told.without_clicks;
    assist.title = `Assist ${told.without_clicks}`;
    assist.setAttribute("aria-disabled", "true");
  }
  keys.explain(by("key-table"));
  changes = told.changes;
  by("saved").dataset.file = told.file;
  document.title = `maskwright: ${told.file}`;
  helped(told.model);
  filtered();
  show();
  const asked = Number(location.hash.slice(1)), first = told.images.findIndex((/** @type {Listed} */ image) => image.state === "unlabeled");
  await open(location.hash && told.images[asked] ? asked : Math.max(first, 0));
  status();
}

addEventListener("beforeunload", (event) => saver.busy && event.preventDefault());
by("previous").addEventListener("click", () => move(-1));
by("next").addEventListener("click", () => move(1));
by("search").addEventListener("input", filtered);
by("filter").addEventListener("change", filtered);
by("radius").addEventListener("input", () => brush(Number(by("radius").value)));
by("threshold").addEventListener("input", () => {
  state.threshold = Number(by("threshold").value);
  show();
});
by("accept").addEventListener("click", accept);
by("reject").addEventListener("click", reject);
by("take").addEventListener("click", () => tools.finish());
for (const id of ["positive", "negative"]) by(id).addEventListener("click", () => {
  state.negative = id === "negative";
  showTools();
});
by("empty").addEventListener("click", empty);
by("fine").addEventListener("click", () => review.settle());
by("doubt").addEventListener("click", () => review.step(1));
by("help").addEventListener("click", () => by("keys").showModal());
by("overwrite").addEventListener("click", () => ask("/api/overwrite", { method: "POST" }));
for (const id of ["low", "high"]) by(id).addEventListener("change", () => {
  windowed = true;
  bitmaps.clear();
  picture(state.index);
});
by("new-class").addEventListener("blur", () => (tools.pending = null));
by("new-class").addEventListener("keydown", (/** @type {KeyboardEvent} */ event) => {
  const name = by("new-class").value.trim();
  if (event.key !== "Enter" || !name) return;
  classes.add(name);
  by("new-class").value = "";
  say("");
  chooseClass(name);
  tools.addPending();
  by("view").focus();
  event.preventDefault();
});
start().catch((error) => problem(error.message));
