// Elements in few words, and notices to the user.
import { say } from "./words.js";

/** The element of this id. */
export const $ = (id) => document.getElementById(id);

/**
 * Make an element.
 * @param {string} tag - "div", or "div.class" with a class name.
 * @param {Object} attributes - "onclick" and the like are listeners; true, false and null set,
 *   leave out; "text" is the content.
 * @param {...(Node|string|null)} children
 */
export function el(tag, attributes = {}, ...children) {
  const [name, ...classes] = tag.split(".");
  const made = document.createElement(name);
  made.classList.add(...classes);
  for (const [key, value] of Object.entries(attributes)) {
    if (value === null || value === undefined || value === false) continue;
    if (key === "text") made.textContent = value;
    else if (key.startsWith("on")) made.addEventListener(key.slice(2), value);
    else if (key in made && typeof value !== "string") made[key] = value;
    else made.setAttribute(key, value === true ? "" : value);
  }
  made.append(...children.filter((child) => child !== null && child !== undefined && child !== false));
  return made;
}

/** A button with a word of words.js on it. */
export function button(word, onclick, attributes = {}) {
  return el("button", { type: "button", onclick, ...attributes }, say(word));
}

/** A little square in a class's colour. */
export function swatch(colour) {
  const made = el("i.swatch", { "aria-hidden": "true" });
  made.style.background = colour;
  return made;
}

/** Show a sentence for some seconds; errors stay until they are closed. */
export function notice(text, kind = "note") {
  const box = $("notices");
  if ([...box.children].some((other) => other.firstChild.textContent === text)) return;
  const made = el(`div.notice.${kind}`, {}, el("span", { text }));
  made.append(
    el("button", { type: "button", "aria-label": say("close"), onclick: () => made.remove() }, "×"),
  );
  box.append(made);
  if (kind === "note") setTimeout(() => made.remove(), 6000);
}

/** Run something that asks the server; what it refuses becomes a notice. */
export async function attempt(work) {
  try {
    return await work();
  } catch (error) {
    notice(error.message, "error");
    return null;
  }
}

/** Call a function once nothing has asked for it for some milliseconds. */
export function debounced(work, milliseconds) {
  let timer = null;
  return (...values) => {
    clearTimeout(timer);
    timer = setTimeout(() => work(...values), milliseconds);
  };
}
