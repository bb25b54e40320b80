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
  const KEYS = { both: "B", detections: "P", truth: "G" };
  const LONG = 3; // width over height from which an image is cut into strips, one below the other
  const LETTERS = { card: 11, enlarged: 13 }; // pixels
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
    const shots = root.querySelector(".shots");
    const cards = [...shots.children];
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
              .map(([key, text]) => `<button type="button" data-view="${key}" title="Key ${KEYS[key]}">${text}</button>`)
              .join("")}</span>`
          : "") +
        `<label>Score threshold <input type="range" min="${Math.ceil(100 * data.floor) / 100}" max="0.99" step="0.01" value="${limit}"><output></output></label>` +
        '<button type="button" data-own title="The thresholds of the model">Reset</button>'
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

    // Outlines and, where letters have a size (in pixels of the image), labels, which name the error if there is room;
    // strip is the width of one strip.
    function drawn(image, result, letters, strip, room) {
      const under = [], over = [], labels = [];
      const draw = (object, kind, text, parts = under) => {
        const [x1, y1, x2, y2] = object.box;
        const path = object.path || `M${x1} ${y1}H${x2}V${y2}H${x1}Z`;
        if (parts === under) parts.push(`<path class="rim" d="${path}"/>`);
        parts.push(`<path class="object ${kind}" fill-rule="evenodd" d="${path}"><title>${escaped(text)}</title></path>`);
        if (!letters || !text || parts === over) return;
        const y = y1 > letters * 1.3 ? y1 - letters * 0.35 : Math.min(y2, y1 + letters * 1.15);
        const end = Math.min(image.width, (Math.floor(Math.max(0, x1) / strip) + 1) * strip);
        const atRight = x1 + letters * 0.6 * text.length > end; // it would leave the strip
        const anchor = atRight ? `x="${Math.min(end, x2)}" text-anchor="end"` : `x="${Math.max(0, x1)}"`;
        const wide = letters * 0.6 * text.length, left = atRight ? Math.min(end, x2) - wide : Math.max(0, x1);
        labels.push({ left, right: left + wide, y, kind, text: `<text ${anchor} y="${y}" style="font-size:${letters}px">${escaped(text)}</text>` });
      };
      const named = (object) => classes[object.class];
      if (image.groundTruth && state.view !== "detections")
        for (const object of result.truth) {
          const kind = object.crowd ? "crowd" : object.missed ? "missed" : "truth";
          const matched = state.view === "both" && kind === "truth"; // a thin line over its detection, which has the label
          const text = kind === "missed" && state.view === "both" ? (occurring.size > 1 ? `missed: ${named(object)}` : "missed") : named(object);
          draw(object, kind, text, matched ? over : under);
        }
      if (state.view !== "truth")
        for (const item of [...result.shown].reverse()) {
          const wrong = result.wrong.includes(item);
          const score = item.score === null ? "" : ` ${item.score.toFixed(2)}`;
          draw(item, wrong ? "false" : "true", named(item) + score + (room && wrong && item.error !== "background" ? ` (${ERRORS[item.error] || item.error})` : ""));
        }
      return [...under, ...over, ...apart(labels, letters)].join("");
    }
    // Labels that cover no other: errors first. What a label would say is in the tooltip of its outline too.
    function apart(labels, letters) {
      const placed = [];
      const first = { false: 0, missed: 1 };
      for (const label of labels.sort((a, b) => (first[a.kind] ?? 2) - (first[b.kind] ?? 2)))
        if (!placed.some((other) => label.left < other.right && other.left < label.right && Math.abs(label.y - other.y) < letters)) placed.push(label);
      return placed.map((label) => label.text);
    }
    // The strips of an image, each with its part of the picture and of what is drawn on it.
    function strips(image, picture, count, content) {
      const wide = image.width / count;
      return Array.from({ length: count }, (_, number) => {
        const strip = document.createElement("span");
        strip.className = "piece";
        strip.style.aspectRatio = `${wide}/${image.height}`;
        const part = number ? picture.cloneNode() : picture;
        part.style.cssText = `width:${100 * count}%;left:${-100 * number}%`;
        strip.append(part);
        strip.insertAdjacentHTML(
          "beforeend",
          `<svg viewBox="${number * wide} 0 ${wide} ${image.height}" preserveAspectRatio="none" aria-hidden="true">${content}</svg>`,
        );
        return strip;
      });
    }
    const isLong = (image) => image.width > LONG * image.height;

    function counts(image, result) {
      if (!image.groundTruth) return `${result.shown.length} detected`;
      return `${result.right} correct, ${result.wrong.length} false, ${result.missed.length} missed`;
    }

    function drawCard(index) {
      const frame = cards[index].querySelector(".frame"), image = data.images[index], wide = frame.clientWidth;
      if (!wide) return; // not laid out
      const high = Math.min(300, 0.45 * wide); // of a strip, about
      const count = isLong(image) ? Math.max(1, Math.round((high * image.width) / image.height / wide)) : 1;
      const strip = image.width / count;
      const letters = occurring.size > 1 ? (LETTERS.card * strip) / wide : 0; // of one class the color says it all
      const content = drawn(image, results[index], letters, strip, false);
      if (frame.children.length === count && frame.querySelector("svg")) for (const svg of frame.querySelectorAll("svg")) svg.innerHTML = content;
      else frame.replaceChildren(...strips(image, frame.querySelector("img"), count, content));
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
      const arranged = [...new Set([...order, ...data.images.keys()])].map((index) => cards[index]);
      if (arranged.some((card, at) => card !== shots.children[at])) shots.append(...arranged); // the tab key follows the order
      cards.forEach((card, index) => {
        card.hidden = !within.has(index);
        card.querySelector(".counts").textContent = counts(data.images[index], results[index]);
        if (visible.has(index) && within.has(index)) drawCard(index);
      });
      for (const element of document.querySelectorAll(".tools")) if (element === tools || element.closest("dialog")) reflect(element);
      tools.querySelector(".totals").innerHTML = totals();
      const kinds = results.flatMap((result) => [...result.wrong.map((item) => item.error), ...result.missed.map(() => "missed")]);
      for (const option of tools.querySelectorAll('[data-set="error"] option'))
        if (option.value) option.textContent = `${ERRORS[option.value]}: ${kinds.filter((kind) => kind === option.value).length}`;
      lightbox.redraw();
    }
    function reflect(element) {
      for (const button of element.querySelectorAll("[data-view]")) button.setAttribute("aria-pressed", String(button.dataset.view === state.view));
      const slider = element.querySelector("input[type=range]");
      if (slider && state.threshold !== null) slider.value = String(state.threshold);
      const low = Math.min(...shownLimits), high = Math.max(...shownLimits);
      const text = high - low < 0.0005 ? low.toFixed(3) : `${low.toFixed(3)} to ${high.toFixed(3)}`;
      const output = element.querySelector("output");
      if (output) output.textContent = state.threshold === null ? (shownLimits.length ? text : "") : state.threshold.toFixed(3);
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
    addEventListener("resize", () => visible.forEach(drawCard));
    addEventListener("beforeprint", () => {
      cards.forEach((card, index) => card.hidden || drawCard(index));
      for (const picture of shots.querySelectorAll("img")) picture.loading = "eager";
    });

    function enlarged() {
      return {
        get count() {
          return order.length;
        },
        opener: (position) => cards[order[position]]?.querySelector(".enlarge"),
        draw(position, stage, title, extra) {
          const index = order[position], image = data.images[index], result = results[index];
          title.textContent = `${image.name}: ${counts(image, result)}`;
          if (!extra.querySelector(".tools")) {
            const inside = document.createElement("span");
            inside.className = "tools";
            inside.innerHTML = controls();
            extra.replaceChildren(inside);
            listen(inside);
            reflect(inside);
          }
          place(stage, index, false);
        },
        zoomed(actual, stage) {
          place(stage, Number(stage.querySelector(".frame").dataset.index), actual);
        },
      };
    }
    // One image over the whole stage, or with `actual` at its own pixels: a long one in as many strips as show it largest.
    function place(stage, index, actual) {
      const image = data.images[index], wide = stage.clientWidth - 30, high = stage.clientHeight - 16;
      const scaleOf = (count) => Math.min((wide * count) / image.width, (high - 4 * (count - 1)) / count / image.height);
      let count = 1;
      while (isLong(image) && count < 12 && scaleOf(count + 1) > scaleOf(count)) count += 1;
      let scale = scaleOf(count);
      if (actual) scale = Math.max(2 * scale, 1);
      if (actual && isLong(image)) count = Math.max(1, Math.ceil((image.width * scale) / wide));
      const frame = document.createElement("span"), strip = image.width / count;
      frame.className = "frame";
      frame.dataset.index = String(index);
      frame.style.width = `${Math.round(strip * scale)}px`;
      frame.append(...strips(image, cards[index].querySelector("img").cloneNode(), count, drawn(image, results[index], LETTERS.enlarged / scale, strip, true)));
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
