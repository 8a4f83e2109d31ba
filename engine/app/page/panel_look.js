// Step 4: what the network found; change it, and train on with it.
import * as api from "./api.js";
import { chosenBox, classList, remarks } from "./chosen.js";
import { attempt, button, el, notice, swatch } from "./dom.js";
import { desk } from "./desk.js";
import { chooseWords } from "./panel_images.js";
import { start } from "./panel_train.js";
import { on, openEntry, sameFile, state, tell } from "./state.js";
import { Table } from "./table.js";
import { say } from "./words.js";

const KINDS = ["uncertain", "unfamiliar", "edge"];
const wanted = new Set(["uncertain", "unfamiliar"]); // which the keys n and p go through
let table = null;

const number = (value) => (value === null || value === undefined ? "" : value.toFixed(2));

function makeTable() {
  const columns = [
    { key: "class_name", label: say("class"), value: (s) => s.class_name, text: (s) => s.class_name, mark: (s) => swatch(desk.colourOf(s.class_name)) },
    { key: "score", label: say("score"), value: (s) => s.score ?? null, text: (s) => number(s.score) },
    { key: "likeness", label: say("likeness"), value: (s) => s.likeness ?? null, text: (s) => number(s.likeness) },
    { key: "remarks", label: say("remarks"), value: (s) => remarks(s).join() || null, text: (s) => remarks(s).join(", ") },
  ];
  table = new Table(columns, say("molecules"), (shape) => desk.goTo(shape.id));
  fillTable();
}

function fillTable() {
  table?.setRows(desk.shown(), desk.outlines.chosen);
}

/** Keep the table up to date with the image. */
export function setUpLook() {
  desk.outlines.addEventListener("change", fillTable);
  desk.outlines.addEventListener("rename", fillTable);
  desk.outlines.addEventListener("choose", () => table?.choose(desk.outlines.chosen));
  on("language", makeTable);
  on("file", () => {
    if (table) fillTable();
  });
  makeTable();
}

/** What is in the panel. */
export function lookPanel() {
  const entry = openEntry();
  if (!entry) return [el("h2", { text: say("look") }), el("p", { text: chooseWords() })];
  if (state.broken !== null) return [el("h2", { text: say("look") }), el("p", { text: say("cannotOpen") })];
  const recognised = ["prediction", "correction"].includes(desk.outlines.source);
  return [
    el("h2", { text: say("look") }),
    ...(recognised ? foundSection() : notFoundSection(entry)),
  ];
}

function notFoundSection(entry) {
  if (entry.folder !== "images") return [el("p", { text: say("pieceNotLooked") })];
  return [
    el("p", { text: say(state.weights ? "notRecognised" : "trainFirst") }),
    state.weights
      ? el("div.buttons", {}, button("recognise", recognise, {
        class: "main", disabled: Boolean(state.job?.running),
      }))
      : el("div.buttons", {}, button("toTrain", () => tell("step", "train"), { class: "main" })),
  ];
}

function foundSection() {
  const { outlines } = desk;
  const total = outlines.shapes.length;
  const count = el("output", { id: "shownCount" });
  const slider = el("input", {
    type: "range", id: "score", min: "0", max: "1", step: "0.01", value: String(desk.least),
    oninput: () => {
      desk.least = Number(slider.value);
      write();
      fillTable();
      desk.viewer.refresh("base");
    },
  });
  const write = () => {
    const shown = desk.shown().length;
    count.textContent = `${desk.least.toFixed(2)} · ${shown === total ? shown : say("nOfN", { n: shown, of: total })}`;
  };
  write();
  requestAnimationFrame(() => table.choose(outlines.chosen));
  return [
    el("p.soft", { text: say(outlines.source === "correction" ? "isCorrection" : "isPrediction") }),
    el("label.slider", { for: "score" }, el("span", { text: say("leastScore") }), count), slider,
    walkSection(),
    table.element,
    el("h3", { text: say("chosen") }), chosenBox(),
    el("details", { open: true }, el("summary", { text: say("classes") }), classList()),
    compareTick(),
    state.weights ? el("div.buttons", {}, button("recogniseAgain", recognise, {
      disabled: Boolean(state.job?.running),
    })) : null,
    el("div.next", {}, button("trainOn", trainOn, { class: "main", id: "trainOn", disabled: Boolean(state.job?.running) })),
    el("p.soft", { text: say("trainOnHint") }),
  ];
}

function walkSection() {
  const chips = KINDS.map((kind) => {
    const n = desk.outlines.shapes.filter((shape) => shape[kind]).length;
    return el("button.chip", {
      type: "button", "aria-pressed": String(wanted.has(kind)), "data-kind": kind,
      onclick: (event) => {
        if (!wanted.delete(kind)) wanted.add(kind);
        event.currentTarget.setAttribute("aria-pressed", String(wanted.has(kind)));
      },
    }, `${say(kind)} ${n}`);
  });
  return el("div.walk", { role: "group", "aria-label": say("doubtful") },
    ...chips,
    el("span.pair", {},
      button("previous", () => walk(-1), { "aria-keyshortcuts": "P" }),
      button("next", () => walk(1), { id: "nextDoubt", "aria-keyshortcuts": "N" })));
}

/** Go to the next (1) or previous (-1) molecule in doubt; any, where no kind is wanted. */
export function walk(way) {
  const passes = (shape) => !wanted.size || [...wanted].some((kind) => shape[kind]);
  const shape = table.beside(way, passes);
  if (shape) desk.goTo(shape.id);
  else notice(say("noneInDoubt"));
}

function compareTick() {
  return el("label.tick", {},
    el("input", {
      type: "checkbox", id: "compare", checked: desk.compared !== null,
      onchange: async (event) => {
        const { file } = state;
        const on_ = event.target.checked;
        const answer = on_ ? await attempt(() => api.getAnnotation(file, "prediction")) : null;
        if (!sameFile(file, state.file)) return;
        if (answer?.source === "correction") notice(say("compareLater"));
        desk.compared = answer?.source === "prediction" ? answer.shapes : null;
        event.target.checked = desk.compared !== null;
        desk.viewer.refresh("base");
      },
    }),
    el("span", { text: say("compare") }));
}

const recognise = () => start("predict", { files: [state.file.name] });

async function trainOn() {
  await start("add", { add: [state.file.name] });
  if (state.job?.running) tell("step", "train");
}
