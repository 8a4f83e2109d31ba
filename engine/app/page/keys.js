// The keys that work everywhere on the page, and the list of them.
import { $, el } from "./dom.js";
import { desk } from "./desk.js";
import { findAlike } from "./panel_outline.js";
import { walk } from "./panel_look.js";
import { state, STEPS, tell } from "./state.js";
import { say } from "./words.js";

/** Names of keys, and the word of what they do. */
const LIST = [
  [["Alt", "1 … 5"], "key_steps"],
  [["V"], "key_select"], [["D"], "key_draw"], [["C"], "key_propose"], [["F"], "key_alike"],
  [["1 … 9"], "key_classes"], [["N", "P"], "key_walk"], [["Delete"], "key_delete"],
  [["R"], "key_redraw"], [["Ctrl+Z", "Ctrl+Y"], "key_undo"],
  [["Enter"], "key_finish"], [["Esc"], "key_escape"], [["Y", "X"], "key_proposal"],
  [[".", ","], "key_points"], [["+", "Backspace"], "key_insert"],
  [["Alt", "keyClick"], "key_altPoint"],
  [["keyArrows"], "key_move"], [["keySpace"], "key_space"],
  [["keySpace", "keyDrag"], "key_pan"], [["keyMiddle"], "key_pan"],
  [["keyWheel", "+ − 0"], "key_zoom"], [["H", "L"], "key_show"], [["?"], "key_help"],
];

/** Those that change outlines. */
const EDITS = {
  v: () => desk.take("select"),
  d: () => desk.take("draw"),
  c: () => desk.take("propose"),
  f: findAlike,
  r: desk.redraw,
  Delete: () => desk.outlines.chosen !== null && desk.outlines.remove(desk.outlines.chosen),
};

const ACTIONS = {
  h: () => toggle("visible"),
  l: () => toggle("names"),
  n: () => go(1),
  p: () => go(-1),
  "+": () => desk.viewer.zoom(1.3),
  "=": () => desk.viewer.zoom(1.3),
  "-": () => desk.viewer.zoom(1 / 1.3),
  0: () => desk.viewer.fit(),
  Escape: () => (desk.toolName === "select" ? desk.outlines.choose(null) : desk.take("select")),
};

function toggle(name) {
  desk[name] = !desk[name];
  desk.viewer.refresh("base");
  tell("tool");
}

/** The next outline: in doubt while looking, else any. */
function go(way) {
  if (state.step === "look") return walk(way);
  const { shapes, chosen } = desk.outlines;
  if (!shapes.length) return undefined;
  const now = shapes.findIndex((shape) => shape.id === chosen);
  const next = now < 0 ? (way > 0 ? 0 : shapes.length - 1) : (now + way + shapes.length) % shapes.length;
  return desk.goTo(shapes[next].id);
}

const writes = (target) =>
  target.closest("textarea, select, dialog[open], input:not([type=checkbox]):not([type=range])");

function press(event) {
  if (event.defaultPrevented || writes(event.target)) return;
  const key = event.key.length === 1 ? event.key.toLowerCase() : event.key;
  const action = event.altKey ? step(key)
    : event.ctrlKey || event.metaKey ? again(key, event.shiftKey) : plain(key);
  if (!action) return;
  event.preventDefault();
  action();
}

const step = (key) => /^[1-5]$/.test(key) && (() => tell("step", STEPS[Number(key) - 1]));

function again(key, shift) {
  if (!desk.edits()) return null;
  if (key === "z") return shift ? () => desk.outlines.redo() : desk.undo;
  return key === "y" ? () => desk.outlines.redo() : null;
}

function plain(key) {
  if (key === "?") return showKeys;
  if (!state.file) return null;
  if (desk.edits() && Object.hasOwn(EDITS, key)) return EDITS[key];
  if (desk.edits() && /^[1-9]$/.test(key)) {
    const named = desk.classes()[Number(key) - 1];
    return named ? () => desk.useClass(named.name) : null;
  }
  return Object.hasOwn(ACTIONS, key) ? ACTIONS[key] : null;
}

function showKeys() {
  const name = (key) => (key.startsWith("key") ? say(key) : key);
  const rows = LIST.flatMap(([keys, word]) => [
    el("dt", {}, ...keys.flatMap((key) => [el("kbd", { text: name(key) }), " "])),
    el("dd", { text: say(word) })]);
  const dialog = $("keys");
  dialog.replaceChildren(
    el("h2", { text: say("keys"), id: "keysTitle" }),
    el("dl", {}, ...rows),
    el("form", { method: "dialog" }, el("button.main", { text: say("close"), autofocus: true })));
  dialog.setAttribute("aria-labelledby", "keysTitle");
  dialog.showModal();
}

/** Listen. */
export function setUpKeys() {
  addEventListener("keydown", press);
  $("help").addEventListener("click", showKeys);
}

export { toggle };
