// Step 5: what the runs left, to look at and to take along.
import * as api from "./api.js";
import { attempt, button, el, swatch } from "./dom.js";
import { desk } from "./desk.js";
import { state, tell } from "./state.js";
import { say } from "./words.js";

const FORMATS = ["coco", "imagej", "tiff"]; // as spm.exports calls them

let results = null;
let exported = []; // files for other programs that were written last: {path, name}

const link = (path, word) =>
  path ? el("a", { href: api.resultAddress(path), target: "_blank", rel: "noopener" }, say(word)) : null;

/** What is in the panel: the files' links; the images themselves are in the middle. */
export function resultsPanel() {
  const head = [el("h2", { text: say("results") })];
  if (!results) return head;
  const files = results.files;
  if (!files.length) return [...head, el("p", { text: say("noResults") })];
  return [
    ...head,
    el("div.buttons", {},
      link(results.index, "allImages"), link(results.corrections, "beforeAfter"),
      button("openFolder", () => attempt(() => api.openFolder()))),
    totals(files),
    exportSection(),
    ...files.map(card),
  ];
}

function counts(of) {
  const rows = Object.entries(of).map(([name, count]) =>
    el("tr", {}, el("td", {}, swatch(desk.colourOf(name)), el("span", { text: name })), el("td", { text: String(count) })));
  return el("table.counts", {}, el("tbody", {}, ...rows));
}

function totals(files) {
  if (files.length < 2) return null;
  const sum = {};
  for (const file of files) {
    for (const [name, count] of Object.entries(file.counts)) sum[name] = (sum[name] ?? 0) + count;
  }
  return el("div.card", {}, el("h3", { text: say("together", { n: files.length }) }), counts(sum));
}

function exportSection() {
  const write = (format) => async (event) => {
    event.target.disabled = true; // the panel is drawn anew afterwards
    exported = (await attempt(() => api.exportAll(format)))?.files ?? [];
    tell("results");
  };
  const links = exported.map(({ path, name }) =>
    el("li", {}, el("a", { href: api.resultAddress(path), download: name }, name)));
  return el("div.card", {},
    el("h3", { text: say("otherPrograms") }), el("p.soft", { text: say("otherProgramsHint") }),
    el("div.buttons", {}, ...FORMATS.map((format) =>
      button(`export_${format}`, write(format), { "data-export": format }))),
    links.length ? el("p.soft", { role: "status", text: say("exported", { n: links.length }) }) : null,
    links.length ? el("ul.files", {}, ...links) : null);
}

function card(file) {
  const image = file.image
    ? el("img", { src: api.resultAddress(file.image), alt: say("resultImage", { name: file.title }), loading: "lazy" })
    : null;
  const entry = state.images.find((each) => each.folder === "images" && each.name === file.title);
  const open = () =>
    desk.open({ folder: "images", name: entry.name }).then(() => tell("step", "look"));
  return el("div.card", {},
    el("h3", { text: file.title }),
    image ? el("a", { href: api.resultAddress(file.report ?? file.image), target: "_blank", rel: "noopener" }, image) : null,
    counts(file.counts),
    el("div.buttons", {},
      link(file.report, "report"), link(file.table, "table"), link(file.statistics, "statistics"),
      link(file.averages, "averages"), link(file.summary, "numbers"),
      entry ? button("look", open) : null),
    entry?.corrected ? el("p.soft", { text: say("tablesArePredictions") }) : null);
}

/** Ask for the results anew. */
export async function loadResults() {
  exported = [];
  results = await attempt(() => api.getResults());
  tell("results");
}
