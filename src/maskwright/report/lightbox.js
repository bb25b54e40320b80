"use strict";
// Enlarges a picture over the whole window: arrow keys or a swipe go on, Escape closes, Z or a click shows real pixels.
const lightbox = (() => {
  const dialog = document.createElement("dialog");
  dialog.className = "lightbox";
  dialog.setAttribute("aria-label", "Enlarged image");
  dialog.innerHTML =
    '<div class="bar"><span class="title" aria-live="polite"></span><span class="extra"></span>' +
    '<span class="steps"><button type="button" data-step="-1" aria-label="Previous image" title="Arrow key left">←</button>' +
    '<span class="place"></span>' +
    '<button type="button" data-step="1" aria-label="Next image" title="Arrow key right">→</button></span>' +
    '<button type="button" data-zoom title="Key Z, or a click on the image">Zoom</button>' +
    '<button type="button" data-close title="Escape">Close</button></div><div class="stage"></div>';
  document.body.append(dialog);
  const stage = dialog.querySelector(".stage");
  const title = dialog.querySelector(".title");
  let shown = null; // {count, index, draw(index, stage, title, extra)}

  function show(index) {
    shown.index = (index + shown.count) % shown.count;
    dialog.classList.remove("actual");
    stage.replaceChildren();
    dialog.querySelector(".steps").hidden = shown.count < 2;
    dialog.querySelector(".place").textContent = `${shown.index + 1} of ${shown.count}`;
    shown.draw(shown.index, stage, title, dialog.querySelector(".extra")); // last, for it fills the room that is left
  }
  dialog.addEventListener("click", (event) => {
    const button = event.target.closest("button");
    if (button && button.dataset.step) show(shown.index + Number(button.dataset.step));
    else if (button && "close" in button.dataset) dialog.close();
    else if (button && "zoom" in button.dataset) zoom();
    else if (!button && event.target.closest(".stage")) zoom(event);
  });
  dialog.addEventListener("keydown", (event) => {
    if (event.target.matches("input, select")) return;
    if (event.key === "ArrowLeft") show(shown.index - 1);
    else if (event.key === "ArrowRight") show(shown.index + 1);
    else if (event.key === "z") zoom();
    else return;
    event.preventDefault();
  });
  dialog.addEventListener("close", () => {
    const opener = shown && shown.opener && shown.opener(shown.index);
    dialog.querySelector(".extra").replaceChildren();
    stage.replaceChildren();
    if (opener) opener.focus();
  });
  let touched = null;
  stage.addEventListener("touchstart", (event) => (touched = event.touches.length === 1 ? event.touches[0] : null), { passive: true });
  stage.addEventListener("touchend", (event) => {
    const moved = touched && event.changedTouches[0].clientX - touched.clientX;
    if (Math.abs(moved) > 60 && !dialog.classList.contains("actual")) show(shown.index - Math.sign(moved));
  });
  addEventListener("resize", () => dialog.open && shown && show(shown.index));

  // The point that was clicked stays in view.
  function zoom(event) {
    const before = stage.firstElementChild.getBoundingClientRect();
    const at = event ? [(event.clientX - before.left) / before.width, (event.clientY - before.top) / before.height] : [0.5, 0];
    const actual = dialog.classList.toggle("actual");
    if (shown.zoomed) shown.zoomed(actual, stage);
    const after = stage.firstElementChild.getBoundingClientRect();
    stage.scrollTo(at[0] * after.width - stage.clientWidth / 2, at[1] * after.height - stage.clientHeight / 2);
  }
  return {
    open(what, index) {
      shown = what;
      dialog.showModal();
      show(index);
    },
    redraw() {
      if (!dialog.open) return;
      const { scrollLeft, scrollTop } = stage, actual = dialog.classList.contains("actual");
      show(shown.index);
      if (actual) zoom();
      stage.scrollTo(scrollLeft, scrollTop);
    },
    isOpen: () => dialog.open,
  };
})();

for (const gallery of document.querySelectorAll(".gallery")) {
  const buttons = [...gallery.querySelectorAll(".enlarge")];
  buttons.forEach((button, position) =>
    button.addEventListener("click", () =>
      lightbox.open(
        {
          count: buttons.length,
          opener: (index) => buttons[index],
          draw(index, stage, title) {
            const image = buttons[index].querySelector("img");
            title.textContent = image.alt;
            stage.append(image.cloneNode());
          },
        },
        position,
      ),
    ),
  );
}
