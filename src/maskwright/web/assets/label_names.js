// File names where there is little room: cut in their middle, for names of one series differ at their end.

const END = 12; // characters at the end that are always seen

/** @param {HTMLElement} element @param {string} name */
export function showName(element, name) {
  if (element.textContent === name && element.firstElementChild) return;
  const characters = Array.from(name), start = document.createElement("span"), end = document.createElement("span");
  start.textContent = characters.slice(0, -END).join("");
  end.textContent = characters.slice(-END).join("");
  element.classList.add("cut");
  element.replaceChildren(start, end);
}
