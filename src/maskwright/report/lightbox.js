"use strict";
// Enlarges a picture over the whole window: arrow keys go on, Escape closes, Z or a click shows real pixels.
const lightbox = (() => {
  const dialog = document.createElement("dialog");
  dialog.className = "lightbox";
  dialog.setAttribute("aria-label", "Enlarged image");
  dialog.innerHTML =
    '<div class="bar"><span class="title" aria-live="polite"></span><span class="extra"></span>' +
    '<button type="button" data-step="-1" aria-label="Previous image">←</button>' +
    '<button type="button" data-step="1" aria-label="Next image">→</button>' +
    '<button type="button" data-close>Close</button></div><div class="stage"></div>';
  document.body.append(dialog);
  const stage = dialog.querySelector(".stage");
  const title = dialog.querySelector(".title");
  let shown = null; // {count, index, draw(index, stage, title, extra)}

  function show(index) {
    shown.index = (index + shown.count) % shown.count;
    dialog.classList.remove("actual");
    stage.replaceChildren();
    shown.draw(shown.index, stage, title, dialog.querySelector(".extra"));
    for (const button of dialog.querySelectorAll("[data-step]")) button.hidden = shown.count < 2;
  }
  dialog.addEventListener("click", (event) => {
    const button = event.target.closest("button");
    if (button && button.dataset.step) show(shown.index + Number(button.dataset.step));
    else if (button && "close" in button.dataset) dialog.close();
    else if (!button && event.target.closest(".stage")) zoom();
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
  addEventListener("resize", () => dialog.open && shown && show(shown.index));

  function zoom() {
    dialog.classList.toggle("actual");
    if (shown.zoomed) shown.zoomed(dialog.classList.contains("actual"), stage);
  }
  return {
    open(what, index) {
      shown = what;
      dialog.showModal();
      show(index);
    },
    redraw: () => dialog.open && show(shown.index),
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
