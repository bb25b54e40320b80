// Images with ground truth and detections. Matches were computed at IoU 0.5 and hold for every threshold: what a
// detection matches does not depend on detections of lower score. The threshold decides only what is shown and counted.
(() => {
  const ERRORS = {
    missed: "missed", background: "false (background)", class: "wrong class", location: "loose mask or box",
    both: "wrong class and loose", duplicate: "duplicate",
  };
  const SORTS = {
    worst: "worst F1 first", best: "best F1 first", missed: "most missed first", false: "most false first", name: "by name",
  };
  const VIEWS = { both: "Both", detections: "Predictions", truth: "Ground truth" };
  const escaped = (text) => String(text).replace(/[&<>"]/g, (sign) => `&#${sign.charCodeAt(0)};`);
  const options = (table) => Object.entries(table).map(([key, text]) => `<option value="${escaped(key)}">${escaped(text)}</option>`).join("");

  for (const root of document.querySelectorAll(".viewer")) start(root);

  function start(root) {
    const data = JSON.parse(root.querySelector("script").textContent);
    const classes = Object.keys(data.thresholds);
    const own = Object.values(data.thresholds);
    const occurring = new Set(data.images.flatMap((image) => [...image.detections, ...(image.groundTruth || [])].map((object) => object.class)));
    const shownLimits = own.filter((_, index) => occurring.has(index));
    const labeled = data.images.some((image) => image.groundTruth);
    const cards = [...root.querySelectorAll(".shot")];
    const state = { view: "both", threshold: null, sort: labeled ? data.order : "name", error: "", className: "" };
    const visible = new Set();
    let order = data.images.map((_, index) => index);
    let results = [];

    const tools = document.createElement("div");
    tools.className = "tools";
    tools.innerHTML =
      controls() +
      (labeled ? `<label>Order <select data-set="sort">${options(SORTS)}</select></label>` : "") +
      (labeled ? `<label>Show <select data-set="error"><option value="">all images</option>${options(ERRORS)}</select></label>` : "") +
      (occurring.size > 1
        ? `<label>Class <select data-set="className"><option value="">all</option>${options(Object.fromEntries(classes.filter((_, index) => occurring.has(index)).map((name) => [name, name])))}</select></label>`
        : "") +
      '<span class="totals" aria-live="polite"></span>';
    root.prepend(tools);
    if (labeled) tools.querySelector('[data-set="sort"]').value = state.sort;
    listen(tools);

    function controls() {
      const limit = shownLimits.length ? Math.min(...shownLimits) : 0.5;
      return (
        (labeled
          ? `<span class="switch" role="group" aria-label="What is drawn">${Object.entries(VIEWS)
              .map(([key, text]) => `<button type="button" data-view="${key}">${text}</button>`)
              .join("")}</span>`
          : "") +
        `<label>Score threshold <input type="range" min="0.01" max="0.99" step="0.01" value="${limit}"><output></output></label>` +
        '<button type="button" data-own>The model’s own</button>'
      );
    }
    function listen(element) {
      element.addEventListener("input", (event) => {
        if (event.target.type === "range") set({ threshold: Number(event.target.value) });
        else if (event.target.dataset.set) set({ [event.target.dataset.set]: event.target.value });
      });
      element.addEventListener("click", (event) => {
        const button = event.target.closest("button");
        if (button && button.dataset.view) set({ view: button.dataset.view });
        if (button && "own" in button.dataset) set({ threshold: null });
      });
    }
    function set(change) {
      Object.assign(state, change);
      update();
    }

    const limit = (detection) => (state.threshold === null ? own[detection.class] : state.threshold);
    const ofClass = (object) => state.className === "" || classes[object.class] === state.className;

    function evaluate(image) {
      const shown = image.detections.filter((item) => ofClass(item) && (item.score === null || item.score >= limit(item)));
      const hit = new Set(shown.filter((item) => item.matched >= 0).map((item) => item.matched));
      const truth = (image.groundTruth || []).map((object, row) => ({ ...object, missed: !object.crowd && !hit.has(row) })).filter(ofClass);
      const wrong = image.groundTruth ? shown.filter((item) => item.matched === -1) : [];
      const missed = truth.filter((object) => object.missed);
      const right = shown.filter((item) => item.matched >= 0).length;
      const total = 2 * right + wrong.length + missed.length;
      const errors = new Set([...wrong.map((item) => item.error), ...(missed.length ? ["missed"] : [])]);
      return { shown, truth, wrong, missed, right, errors, f1: total ? (2 * right) / total : 1 };
    }

    function overlay(image, result, perPixel, labels) {
      const parts = [], texts = [];
      const draw = (object, kind, text) => {
        const [x1, y1, x2, y2] = object.box;
        const path = object.path || `M${x1} ${y1}H${x2}V${y2}H${x1}Z`;
        parts.push(`<path class="rim" d="${path}"/><path class="object ${kind}" fill-rule="evenodd" d="${path}"><title>${escaped(text)}</title></path>`);
        const size = 13 * perPixel;
        const y = y1 > size * 1.3 ? y1 - size * 0.35 : Math.min(y2, y1 + size * 1.15);
        if (!labels || !text) return;
        const atRight = x1 + size * 0.6 * text.length > image.width; // it would leave the image
        const anchor = atRight ? `x="${Math.min(image.width, x2)}" text-anchor="end"` : `x="${Math.max(0, x1)}"`;
        texts.push(`<text ${anchor} y="${y}" font-size="${size}">${escaped(text)}</text>`);
      };
      const named = (object) => classes[object.class];
      if (image.groundTruth && state.view !== "detections")
        for (const object of result.truth) {
          const kind = object.crowd ? "crowd" : object.missed ? "missed" : "truth";
          const hidden = state.view === "both" && kind === "truth"; // its detection carries the label
          draw(object, kind, hidden ? "" : kind === "missed" ? (occurring.size > 1 ? `missed: ${named(object)}` : "missed") : named(object));
        }
      if (state.view !== "truth")
        for (const item of [...result.shown].reverse()) {
          const wrong = result.wrong.includes(item);
          const score = item.score === null ? "" : ` ${item.score.toFixed(2)}`;
          draw(item, wrong ? "false" : "true", named(item) + score + (wrong && item.error !== "background" ? ` (${ERRORS[item.error] || item.error})` : ""));
        }
      return `<svg viewBox="0 0 ${image.width} ${image.height}" preserveAspectRatio="none" aria-hidden="true">${parts.join("")}${texts.join("")}</svg>`;
    }

    function counts(image, result) {
      if (!image.groundTruth) return `${result.shown.length} detected`;
      return `${result.right} correct, ${result.wrong.length} false, ${result.missed.length} missed`;
    }

    function drawCard(index) {
      const frame = cards[index].querySelector(".frame");
      frame.querySelector("svg")?.remove();
      frame.insertAdjacentHTML("beforeend", overlay(data.images[index], results[index], 1, false));
    }

    function update() {
      results = data.images.map(evaluate);
      const by = {
        worst: (a, b) => results[a].f1 - results[b].f1 || results[b].missed.length + results[b].wrong.length - results[a].missed.length - results[a].wrong.length,
        best: (a, b) => results[b].f1 - results[a].f1 || results[b].right - results[a].right,
        missed: (a, b) => results[b].missed.length - results[a].missed.length,
        false: (a, b) => results[b].wrong.length - results[a].wrong.length,
        name: (a, b) => data.images[a].name.localeCompare(data.images[b].name, undefined, { numeric: true }),
      }[state.sort];
      order = data.images.map((_, index) => index).filter((index) => !state.error || results[index].errors.has(state.error));
      order.sort((a, b) => by(a, b) || a - b);
      const within = new Set(order);
      cards.forEach((card, index) => {
        card.hidden = !within.has(index);
        card.style.order = String(order.indexOf(index));
        card.querySelector(".counts").textContent = counts(data.images[index], results[index]);
        if (visible.has(index) && within.has(index)) drawCard(index);
      });
      for (const element of document.querySelectorAll(".tools")) if (element === tools || element.closest("dialog")) reflect(element);
      tools.querySelector(".totals").innerHTML = totals();
      lightbox.redraw();
    }
    function reflect(element) {
      for (const button of element.querySelectorAll("[data-view]")) button.setAttribute("aria-pressed", String(button.dataset.view === state.view));
      const slider = element.querySelector("input[type=range]");
      if (slider && state.threshold !== null) slider.value = String(state.threshold);
      const low = Math.min(...shownLimits), high = Math.max(...shownLimits);
      const text = high - low < 0.005 ? low.toFixed(2) : `${low.toFixed(2)} to ${high.toFixed(2)}`;
      const output = element.querySelector("output");
      if (output) output.textContent = state.threshold === null ? (shownLimits.length ? text : "") : state.threshold.toFixed(2);
      const button = element.querySelector("[data-own]");
      if (button) button.disabled = state.threshold === null;
    }
    function totals() {
      const sum = (pick) => results.reduce((total, result) => total + pick(result), 0);
      if (!labeled) return `<span>${sum((result) => result.shown.length)} detections on ${data.images.length} images</span>`;
      const right = sum((result) => result.right), wrong = sum((result) => result.wrong.length), missed = sum((result) => result.missed.length);
      const ratio = (part, whole) => (whole ? (part / whole).toFixed(3) : "–");
      return (
        `<span class="key true">${right} correct</span><span class="key false">${wrong} false</span><span class="key missed">${missed} missed</span>` +
        `<span class="key truth">ground truth</span><span>precision ${ratio(right, right + wrong)}</span><span>recall ${ratio(right, right + missed)}</span>` +
        (state.error ? `<span>${order.length} of ${data.images.length} images</span>` : "")
      );
    }

    // Only what is on the screen is drawn: two hundred images of a dozen objects would take seconds.
    const observer = new IntersectionObserver(
      (entries) => {
        for (const entry of entries) {
          const index = cards.indexOf(entry.target);
          if (entry.isIntersecting) {
            visible.add(index);
            drawCard(index);
          } else visible.delete(index);
        }
      },
      { rootMargin: "400px" },
    );
    cards.forEach((card, index) => {
      card.querySelector(".enlarge").addEventListener("click", () => lightbox.open(enlarged(), order.indexOf(index)));
    });
    addEventListener("beforeprint", () => cards.forEach((card, index) => card.hidden || drawCard(index)));

    function enlarged() {
      return {
        get count() {
          return order.length;
        },
        opener: (position) => cards[order[position]]?.querySelector(".enlarge"),
        draw(position, stage, title, extra) {
          const index = order[position], image = data.images[index], result = results[index];
          title.textContent = `${image.name} — ${counts(image, result)}`;
          if (!extra.querySelector(".tools")) {
            const inside = document.createElement("span");
            inside.className = "tools";
            inside.innerHTML = controls();
            extra.replaceChildren(inside);
            listen(inside);
            reflect(inside);
          }
          place(stage, index, Math.min((stage.clientWidth - 30) / image.width, (stage.clientHeight - 16) / image.height));
        },
        zoomed(actual, stage) {
          const frame = stage.querySelector(".frame");
          const index = Number(frame.dataset.index), image = data.images[index];
          const fit = Math.min((stage.clientWidth - 30) / image.width, (stage.clientHeight - 16) / image.height);
          place(stage, index, actual ? Math.max(2 * fit, 1) : fit);
        },
      };
    }
    function place(stage, index, scale) {
      const image = data.images[index];
      const frame = document.createElement("span");
      frame.className = "frame";
      frame.dataset.index = String(index);
      frame.style.width = `${Math.round(image.width * scale)}px`;
      frame.style.height = `${Math.round(image.height * scale)}px`;
      frame.append(cards[index].querySelector("img").cloneNode());
      frame.insertAdjacentHTML("beforeend", overlay(image, results[index], 1 / scale, true));
      stage.replaceChildren(frame);
    }
    document.addEventListener("keydown", (event) => {
      if (event.target.matches("input, select, textarea") || event.ctrlKey || event.metaKey || event.altKey || !labeled) return;
      const view = { b: "both", p: "detections", g: "truth" }[event.key];
      if (view) set({ view });
    });

    update();
    cards.forEach((card) => observer.observe(card));
  }
})();
