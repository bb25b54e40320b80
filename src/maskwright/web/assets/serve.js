// The page of `maskwright serve`: drop an image or a video, see its objects, choose a threshold, download.
import { COLORS, pathOf } from "./masks.js";

/** @typedef {{class: string, score: number, box: number[], area: number, segmentation?: import("./masks.js").Rle, path?: Path2D}} Detection */
/** @typedef {{name: string, task: string, classes: string[], network: string, objects: boolean, thresholds: {threshold: number}[]}} Model */
/**
 * @typedef {object} Item
 * @property {string} name
 * @property {Blob} file
 * @property {"image" | "video"} kind
 * @property {ImageBitmap} [bitmap]
 * @property {HTMLCanvasElement} [gray]
 * @property {any} [facts]
 * @property {string} [error]
 * @property {string} [job]
 * @property {any} [progress]
 */

const LOWEST = 0.05; // scores below this are not asked for
const MOST_PIXELS = 16e6; // of the canvas

/** @param {string} id @returns {any} */
const by = (id) => document.getElementById(id);
/** @type {Model[]} */
let models = [];
/** @type {Item[]} */
let items = [];
/** @type {Item | null} */
let current = null;
let view = "outlines";
/** @type {Set<string>} */
const hidden = new Set();

// --- the server ------------------------------------------------------------------------------------------------------
/** @param {string} path @param {RequestInit} [options] */
async function ask(path, options) {
  const response = await fetch(path, options).catch(() => {
    throw new Error("The server does not answer.");
  });
  if (response.ok) return response;
  const told = await response.json().catch(() => ({ message: response.statusText }));
  const parts = [told.expected && `expected: ${told.expected}`, told.got && `got: ${told.got}`, told.fix];
  throw Object.assign(new Error([told.message, ...parts.filter(Boolean)].join("; ")), {
    status: response.status, wait: Number(response.headers.get("retry-after")) || 1,
  });
}

/** As `ask`, again where the server is full. @param {string} path @param {RequestInit} options */
async function patiently(path, options) {
  for (let attempt = 0; ; attempt++) {
    try {
      return await ask(path, options);
    } catch (error) {
      const { status, wait } = /** @type {any} */ (error);
      if (status !== 429 || attempt > 20) throw error;
      await new Promise((resolve) => setTimeout(resolve, wait * 1000));
    }
  }
}

const chosen = () => models.find((model) => model.name === by("model").value) ?? models[0];
const query = (/** @type {Record<string, string | number>} */ values) =>
  "?" + new URLSearchParams({ model: chosen().name, ...Object.fromEntries(Object.entries(values).map(([key, value]) => [key, String(value)])) });

// --- files -----------------------------------------------------------------------------------------------------------
/** @param {Iterable<File>} files */
async function add(files) {
  const added = [...files].map((file) => {
    /** @type {"image" | "video"} */
    const kind = file.type.startsWith("video/") || /\.(mp4|mov|mkv|avi|webm|m4v)$/i.test(file.name) ? "video" : "image";
    return /** @type {Item} */ ({ name: file.name || "pasted image", file, kind });
  });
  if (!added.length) return;
  items.push(...added);
  select(added[0]);
  for (const item of added) {
    await predict(item);
    show();
  }
}

/** @param {Item} item */
async function predict(item) {
  item.error = undefined;
  if (item === current) show();
  try {
    await (item.kind === "video" ? predictVideo(item) : predictImage(item));
  } catch (error) {
    item.error = /** @type {Error} */ (error).message;
  }
}

/** @param {Item} item */
async function predictImage(item) {
  const threshold = /** @type {Record<string, number>} */ (chosen().objects ? { threshold: LOWEST } : {});
  const answer = patiently("/predict" + query(threshold), { method: "POST", body: item.file });
  const [response] = await Promise.all([answer, item.bitmap ?? picture(item)]);
  item.facts = await response.json();
  for (const detection of item.facts.detections ?? []) detection.path = pathOf(detection);
}

/** The image as the browser decodes it; what it cannot (TIFF) as the server does. @param {Item} item */
async function picture(item) {
  try {
    item.bitmap = await createImageBitmap(item.file);
  } catch {
    if (!chosen().objects) throw new Error("This browser cannot show the image.");
    const response = await patiently("/predict" + query({ format: "picture", threshold: 1 }), { method: "POST", body: item.file });
    item.bitmap = await createImageBitmap(await response.blob());
  }
}

/** @param {Item} item */
async function predictVideo(item) {
  item.facts = undefined;
  const response = await patiently("/videos" + query({ threshold: thresholdOf() }), { method: "POST", body: item.file });
  item.progress = await response.json();
  item.job = item.progress.id;
  while (!["done", "failed"].includes(item.progress.state)) {
    if (item === current) show();
    await new Promise((resolve) => setTimeout(resolve, 500));
    item.progress = await (await ask(`/videos/${item.job}`)).json();
  }
  if (item.progress.state === "failed") throw new Error(item.progress.message);
  item.facts = item.progress;
}

const thresholdOf = () => Number(by("threshold").value);

/** The objects that are shown. @param {Item} item @returns {Detection[]} */
function shownOf(item) {
  const detections = /** @type {Detection[]} */ (item.facts?.detections ?? []);
  return detections.filter((detection) => detection.score >= thresholdOf() && !hidden.has(detection.class));
}

// --- drawing ---------------------------------------------------------------------------------------------------------
/** @param {Item} item */
function draw(item) {
  const image = item.bitmap;
  if (!image) return;
  const canvas = by("picture"), scale = Math.min(1, Math.sqrt(MOST_PIXELS / (image.width * image.height)));
  [canvas.width, canvas.height] = [Math.round(image.width * scale), Math.round(image.height * scale)];
  const pen = canvas.getContext("2d"), shown = shownOf(item);
  canvas.setAttribute("aria-label", `${item.name}: ${countText(shown)}`);
  pen.setTransform(scale, 0, 0, scale, 0, 0);
  pen.drawImage(view === "splash" ? grayOf(item) : image, 0, 0, image.width, image.height);
  if (view === "splash") {
    pen.save();
    const all = new Path2D();
    shown.forEach((detection) => detection.path && all.addPath(detection.path));
    pen.clip(all);
    pen.drawImage(image, 0, 0);
    pen.restore();
  } else if (view === "outlines") {
    outlines(pen, shown, Math.max(canvas.width / Math.max(canvas.clientWidth, 1), 1) / scale);
  }
}

/** @param {CanvasRenderingContext2D} pen @param {Detection[]} shown @param {number} unit image pixels a pixel of the screen */
function outlines(pen, shown, unit) {
  const several = chosen().classes.length > 1;
  pen.lineJoin = "round";
  shown.forEach((detection, index) => {
    if (!detection.path) return;
    const color = COLORS[(several ? chosen().classes.indexOf(detection.class) : index) % COLORS.length];
    pen.fillStyle = color + "33";
    pen.fill(detection.path);
    pen.strokeStyle = "#0009";
    pen.lineWidth = 3.6 * unit;
    pen.stroke(detection.path);
    pen.strokeStyle = color;
    pen.lineWidth = 2 * unit;
    pen.stroke(detection.path);
  });
  pen.font = `600 ${13 * unit}px system-ui, sans-serif`;
  pen.textBaseline = "bottom";
  shown.forEach((detection) => {
    const text = `${detection.class} ${detection.score.toFixed(2)}`, width = pen.measureText(text).width + 8 * unit;
    const x = Math.min(detection.box[0], pen.canvas.width / pen.getTransform().a - width), y = Math.max(detection.box[1], 18 * unit);
    pen.fillStyle = "#000b";
    pen.fillRect(Math.max(x, 0), y - 18 * unit, width, 18 * unit);
    pen.fillStyle = "#fff";
    pen.fillText(text, Math.max(x, 0) + 4 * unit, y - 2 * unit);
  });
}

/** @param {Item} item @returns {HTMLCanvasElement} */
function grayOf(item) {
  if (item.gray) return item.gray;
  const image = /** @type {ImageBitmap} */ (item.bitmap), canvas = document.createElement("canvas");
  [canvas.width, canvas.height] = [image.width, image.height];
  const pen = /** @type {CanvasRenderingContext2D} */ (canvas.getContext("2d"));
  pen.drawImage(image, 0, 0);
  const data = pen.getImageData(0, 0, image.width, image.height), values = data.data;
  for (let at = 0; at < values.length; at += 4) {
    values[at] = values[at + 1] = values[at + 2] = 0.2126 * values[at] + 0.7152 * values[at + 1] + 0.0722 * values[at + 2];
  }
  pen.putImageData(data, 0, 0);
  return (item.gray = canvas);
}

// --- the page --------------------------------------------------------------------------------------------------------
/** @param {Item} item */
function select(item) {
  current = item;
  if (by("video").src) {
    by("video").removeAttribute("src");
    by("video").load();
  }
  show();
}

function show() {
  const item = current, video = item?.kind === "video";
  by("drop").hidden = item !== null;
  by("picture").hidden = !(item && item.bitmap);
  by("video").hidden = !(video && item?.facts);
  by("view-part").hidden = video;
  const waiting = item !== null && !item.facts && !item.error;
  by("busy").hidden = !waiting;
  by("stop").hidden = !(waiting && item?.job);
  by("error").hidden = !item?.error;
  by("error").textContent = item?.error ? `${item.name}: ${item.error}` : "";
  if (waiting) waitFor(/** @type {Item} */ (item));
  if (item?.bitmap) draw(item);
  if (video && item?.facts && !by("video").src) by("video").src = item.facts.video;
  showCounts(item);
  showStrip();
  for (const button of by("downloads").children) button.disabled = !item?.facts || (video && button.dataset.save !== "json" && button.dataset.save !== "picture");
  by("downloads").querySelector("[data-save=picture]").textContent = video ? "Video" : "Picture";
}

/** @param {Item} item */
function waitFor(item) {
  const progress = item.progress;
  by("doing").textContent = !progress ? (item.kind === "video" ? "Uploading" : "Predicting")
    : progress.state === "queued" ? "Waiting for other videos"
    : `Frame ${progress.frames}${progress.expected ? ` of ${progress.expected}` : ""}${progress.seconds_left ? `, ${Math.ceil(progress.seconds_left)} s left` : ""}`;
  if (progress?.expected) [by("progress").max, by("progress").value] = [progress.expected, progress.frames];
  else by("progress").removeAttribute("value");
}

/** @param {Detection[]} shown */
function countText(shown) {
  const counts = countsOf(shown);
  return Object.entries(counts).map(([name, count]) => `${count} ${name}`).join(", ") || "no objects";
}

/** @param {Detection[]} shown @returns {Record<string, number>} */
function countsOf(shown) {
  /** @type {Record<string, number>} */
  const counts = {};
  for (const { class: name } of shown) counts[name] = (counts[name] ?? 0) + 1;
  return counts;
}

/** @param {Item | null} item */
function showCounts(item) {
  const model = chosen(), list = by("classes");
  by("threshold-part").hidden = !model.objects;
  by("threshold-value").textContent = thresholdOf().toFixed(2);
  list.replaceChildren();
  if (item?.facts?.scores) {
    by("found").textContent = `Label: ${item.facts.labels.join(", ") || "none"}`;
    for (const [name, score] of Object.entries(item.facts.scores)) list.append(row(name, Number(score).toFixed(3), null));
    return;
  }
  const counts = item?.facts?.most ?? countsOf((item?.facts?.detections ?? []).filter((/** @type {Detection} */ one) => one.score >= thresholdOf()));
  const total = Object.values(counts).reduce((sum, count) => sum + Number(count), 0);
  by("found").textContent = item?.facts?.most ? "Objects on one frame at most" : item?.facts ? `Objects: ${total}` : "Objects";
  const names = model.classes.length > 12 ? model.classes.filter((name) => counts[name]) : model.classes;
  for (const name of names) list.append(row(name, item?.facts ? String(counts[name] ?? 0) : "", COLORS[model.classes.indexOf(name) % COLORS.length]));
}

/** @param {string} name @param {string} number @param {string | null} color null: of a classifier, not switchable */
function row(name, number, color) {
  const line = document.createElement("li"), label = document.createElement("label"), count = document.createElement("span");
  if (color) {
    const box = document.createElement("input");
    box.type = "checkbox";
    box.checked = !hidden.has(name);
    box.addEventListener("change", () => {
      box.checked ? hidden.delete(name) : hidden.add(name);
      if (current) draw(current);
    });
    label.append(box);
    if (chosen().classes.length > 1) {
      const swatch = document.createElement("span");
      swatch.className = "swatch";
      swatch.style.background = color;
      label.append(swatch);
    }
  }
  count.className = "number";
  count.textContent = number;
  label.append(name, count);
  line.append(label);
  return line;
}

function showStrip() {
  const strip = by("strip");
  strip.hidden = items.length < 2;
  while (strip.children.length > items.length) strip.lastChild.remove();
  items.forEach((item, index) => {
    let button = strip.children[index];
    if (!button) {
      button = document.createElement("button");
      button.type = "button";
      button.append(document.createElement("img"), document.createElement("span"));
      button.addEventListener("click", () => select(items[index]));
      if (item.kind === "image") button.firstChild.src = URL.createObjectURL(item.file);
      button.firstChild.alt = "";
      strip.append(button);
    }
    button.setAttribute("aria-pressed", String(item === current));
    button.setAttribute("aria-label", item.name);
    button.title = item.name;
    button.lastChild.textContent = item.error ? "!" : item.facts?.detections ? String(shownOf(item).length) : item.kind === "video" ? "video" : item.facts?.labels?.[0] ?? "…";
  });
}

// --- downloads -------------------------------------------------------------------------------------------------------
/** @param {string} kind */
async function download(kind) {
  const item = /** @type {Item} */ (current), stem = item.name.replace(/\.[^.]*$/, "");
  if (item.kind === "video") {
    const [path, name] = kind === "picture" ? [item.facts.video, `${stem}.mp4`] : [item.facts.lines, `${stem}.jsonl`];
    link(path, name);
  } else if (kind === "picture") {
    by("picture").toBlob((/** @type {Blob} */ blob) => save(blob, `${stem}_${view}.png`), "image/png");
  } else if (kind === "csv") {
    const cell = (/** @type {string | number} */ value) => (/[",\n]/.test(String(value)) ? `"${String(value).replaceAll('"', '""')}"` : value);
    const safe = (/** @type {string} */ name) => (/^[=+\-@\t]/.test(name) ? `'${name}` : name); // no formula
    const lines = ["image,class,score,x1,y1,x2,y2,area"];
    for (const one of shownOf(item)) lines.push([safe(item.name), safe(one.class), one.score, ...one.box, one.area].map(cell).join(","));
    save(new Blob([lines.join("\n") + "\n"], { type: "text/csv" }), `${stem}.csv`);
  } else {
    const shown = shownOf(item).map(({ path, ...facts }) => facts);
    const facts = { ...item.facts, file: item.name, counts: countsOf(shown), detections: shown };
    const document = kind === "json" ? facts : coco(item, shown);
    save(new Blob([JSON.stringify(document)], { type: "application/json" }), `${stem}${kind === "coco" ? "_coco" : ""}.json`);
  }
}

/** @param {Item} item @param {Detection[]} shown */
function coco(item, shown) {
  const classes = chosen().classes;
  return {
    images: [{ id: 1, file_name: item.name, ...item.facts.image }],
    categories: classes.map((name, index) => ({ id: index + 1, name })),
    annotations: shown.map(({ class: name, score, box: [x1, y1, x2, y2], area, segmentation }, index) => ({
      id: index + 1, image_id: 1, category_id: classes.indexOf(name) + 1, bbox: [x1, y1, x2 - x1, y2 - y1], area, score, iscrowd: 0, segmentation,
    })),
  };
}

/** @param {Blob} blob @param {string} name */
function save(blob, name) {
  const url = URL.createObjectURL(blob);
  link(url, name);
  setTimeout(() => URL.revokeObjectURL(url), 10000);
}

/** @param {string} path @param {string} name */
function link(path, name) {
  const anchor = document.createElement("a");
  [anchor.href, anchor.download] = [path, name];
  anchor.click();
}

// --- start -----------------------------------------------------------------------------------------------------------
function modelChosen() {
  const model = chosen();
  const start = model.thresholds[0]?.threshold ?? 0.5;
  by("threshold").value = String(start);
  by("about").textContent = `${model.network}, ${model.classes.length === 1 ? "1 class" : `${model.classes.length} classes`}`;
  hidden.clear();
}

async function start() {
  models = (await (await ask("/models")).json()).models;
  for (const model of models) by("model").append(new Option(model.name, model.name));
  modelChosen();
  show();
}

by("model").addEventListener("change", async () => {
  modelChosen();
  for (const item of items) item.facts = undefined;
  for (const item of items) {
    await predict(item);
    show();
  }
});
by("threshold").addEventListener("input", show);
by("views").addEventListener("click", (/** @type {Event} */ event) => {
  const button = /** @type {HTMLElement} */ (event.target).closest("button");
  if (!button) return;
  view = /** @type {string} */ (button.dataset.view);
  for (const one of by("views").children) one.setAttribute("aria-pressed", String(one === button));
  show();
});
by("downloads").addEventListener("click", (/** @type {Event} */ event) => {
  const kind = /** @type {HTMLElement} */ (event.target).closest("button")?.dataset.save;
  if (kind) download(kind);
});
by("stop").addEventListener("click", async () => {
  if (!current?.job) return;
  await ask(`/videos/${current.job}`, { method: "DELETE" }).catch(() => {});
});
for (const id of ["open", "choose"]) by(id).addEventListener("click", () => by("files").click());
by("files").addEventListener("change", () => {
  add(by("files").files);
  by("files").value = "";
});
addEventListener("dragover", (event) => {
  event.preventDefault();
  document.body.classList.add("dragging");
});
addEventListener("dragleave", (event) => {
  if (!event.relatedTarget) document.body.classList.remove("dragging");
});
addEventListener("drop", (event) => {
  event.preventDefault();
  document.body.classList.remove("dragging");
  add(event.dataTransfer?.files ?? []);
});
addEventListener("paste", (event) => add(/** @type {ClipboardEvent} */ (event).clipboardData?.files ?? []));
addEventListener("resize", () => current && draw(current));
start().catch((error) => {
  by("error").hidden = false;
  by("error").textContent = error.message;
});
