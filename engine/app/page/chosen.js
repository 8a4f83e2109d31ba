// What can be done with the chosen outline: the same box beside outlining and correcting.
import { button, el, swatch } from "./dom.js";
import { desk } from "./desk.js";
import { measured } from "./outlines.js";
import { state } from "./state.js";
import { say } from "./words.js";

/** The classes as a list to choose from, with a field for a new one. */
export function classList() {
  const counts = new Map();
  for (const { class_name } of desk.outlines.shapes) counts.set(class_name, (counts.get(class_name) ?? 0) + 1);
  const classes = desk.classes();
  const walk = (event) => {
    const way = { ArrowDown: 1, ArrowUp: -1 }[event.key];
    if (!way) return;
    event.preventDefault();
    const now = classes.findIndex(({ name }) => name === state.className);
    const next = classes[(now + way + classes.length) % classes.length];
    desk.useClass(next.name);
    document.querySelector('.class[aria-checked="true"]')?.focus();
  };
  const rows = classes.map(({ name, colour }, i) =>
    el("button.class", {
      type: "button", role: "radio", "aria-checked": String(name === state.className),
      tabindex: name === state.className ? "0" : "-1", onkeydown: walk, "data-class": name,
      onclick: () => desk.useClass(name),
    },
    el("kbd", { text: i < 9 ? String(i + 1) : "" }), swatch(colour),
    el("span.name", { text: name, title: name }),
    el("span.count", { text: String(counts.get(name) ?? 0) })));
  const field = el("input", {
    id: "newClass", type: "text", maxlength: "60", placeholder: say("newClass"),
    "aria-label": say("newClass"), autocomplete: "off", spellcheck: "false",
  });
  const form = el("form.inline", {
    onsubmit: (event) => {
      event.preventDefault();
      const name = field.value.trim();
      if (!name) return;
      desk.useClass(name);
      desk.viewer.layers.top.focus();
    },
  }, field, el("button", { text: say("add") }));
  return el("div.classes", {},
    el("div", { role: "radiogroup", "aria-label": say("classes") }, ...rows), form);
}

/** The chosen outline: its class, what the network said of it, delete and redraw. */
export function chosenBox() {
  const shape = desk.outlines.chosenShape;
  if (!shape) return el("p.soft.chosenBox", { text: say("nothingChosen") });
  const area = measured(shape).area;
  const nm = state.info?.nm_per_pixel;
  const facts = [
    [say("score"), shape.score?.toFixed(2)],
    [say("likeness"), shape.likeness?.toFixed(2)],
    [say("alike"), shape.alike !== shape.class_name ? shape.alike : null],
    [say("secondClass"), shape.second_class ? `${shape.second_class} (${shape.second_score?.toFixed(2)})` : null],
    [say("area"), nm ? `${(area * nm * nm).toPrecision(3)} nm²` : `${Math.round(area)} px²`],
    [say("remarks"), remarks(shape).join(", ") || null],
  ].filter(([, value]) => value !== null && value !== undefined);
  const select = el("select", {
    "aria-label": say("class"), onchange: (event) => desk.useClass(event.target.value, true),
  }, ...desk.classes().map(({ name }) => el("option", { value: name, text: name, selected: name === shape.class_name })));
  return el("div.chosenBox", {},
    el("label.row", {}, el("span", { text: say("class") }), select),
    el("dl", {}, ...facts.flatMap(([name, value]) => [el("dt", { text: name }), el("dd", { text: value })])),
    el("div.buttons", {},
      button("redraw", desk.redraw, { "aria-keyshortcuts": "R" }),
      button("delete", () => desk.outlines.remove(shape.id), { "aria-keyshortcuts": "Delete" })),
    shape.editable === false ? el("p.soft", { text: say(shape.flat ? "isFlat" : "inParts") }) : null);
}

/** What the table says of a molecule, in words. */
export function remarks(shape) {
  return ["uncertain", "unfamiliar", "edge"].filter((key) => shape[key]).map((key) => say(key));
}
