// The list of images on the left, and new ones that are dropped anywhere on the page.
import * as api from "./api.js";
import { $, attempt, el, notice } from "./dom.js";
import { desk } from "./desk.js";
import { keyOf, on, sameFile, state } from "./state.js";
import { refreshState } from "./refresh.js";
import { say } from "./words.js";

const FOLDERS = ["aug_test_in", "images"];

/** Build the list and keep it up to date. */
export function setUpList() {
  draw();
  for (const name of ["state", "file", "language"]) on(name, draw);
  desk.outlines.addEventListener("change", drawStates);
  setUpDrop();
}

function draw() {
  const held = $("list").contains(document.activeElement) ? document.activeElement.dataset.key : null;
  $("list").replaceChildren(...FOLDERS.map(group));
  if (held) $("list").querySelector(`[data-key="${CSS.escape(held)}"]`)?.focus();
}

function group(folder) {
  const entries = state.images.filter((entry) => entry.folder === folder);
  const input = el("input", {
    type: "file", multiple: true, hidden: true, tabindex: "-1",
    onchange: () => add(folder, input.files),
  });
  const plus = el("button", {
    type: "button", class: "quiet square", "aria-label": `${say("addImage")}: ${say(folder)}`,
    title: say("addImage"), onclick: () => input.click(), "data-key": `add ${folder}`,
  }, "+");
  const items = entries.map((entry) => item(entry, entries));
  const open = entries.some((entry) => sameFile(entry, state.file));
  if (items.length && !open) items[0].tabIndex = 0;
  return el("section", { "data-folder": folder },
    el("div.groupHead", {}, el("h2", { text: say(folder), title: `${folder}/` }), plus, input),
    items.length
      ? el("div.items", { role: "listbox", "aria-label": say(folder) }, ...items)
      : el("p.soft", { text: say(`${folder}Empty`) }));
}

function item(entry, entries) {
  const open = sameFile(entry, state.file);
  const walk = (event) => {
    const way = { ArrowDown: 1, ArrowUp: -1 }[event.key];
    const at = entries.indexOf(entry) + (way ?? 0);
    if (event.key === "Enter" || event.key === " ") choose(entry);
    else if (way && entries[at]) choose(entries[at]);
    else return;
    event.preventDefault();
  };
  return el("div.item", {
    role: "option", tabindex: open ? "0" : "-1", "aria-selected": String(open),
    "data-key": `${entry.folder}/${entry.name}`, onclick: () => choose(entry), onkeydown: walk,
  },
  el("span.name", { text: entry.name, title: entry.name }),
  el("span.states", {}, ...states(entry)));
}

function states(entry) {
  const open = sameFile(entry, state.file) && state.info;
  const { outlines } = desk;
  const drawn = open && outlines.source !== "prediction" && outlines.source !== "correction"
    ? outlines.shapes.length : entry.outlines;
  const found = [];
  if (drawn) found.push(el("span.state.drawn", { text: say("nOutlined", { n: drawn }) }));
  if (entry.predicted !== null) {
    found.push(el("span.state.predicted", { text: say("nRecognised", { n: entry.predicted }) }));
  }
  if (entry.corrected) found.push(el("span.state.corrected", { text: `✓ ${say("corrected")}` }));
  if (state.unreadable.has(keyOf(entry)) && !entry.damaged) {
    found.push(el("span.state.damaged", { text: say("unreadable") }));
  }
  if (entry.damaged) found.push(el("span.state.damaged", { text: say("damaged") }));
  if (entry.partial) found.push(el("span.state", { text: say("partialShort") }));
  if (!found.length && entry.reading) found.push(el("span.state.none", { text: "…" }));
  if (!found.length) found.push(el("span.state.none", { text: say(entry.instrument ? "instrumentFile" : "nothingYet") }));
  return found;
}

/** Say anew what there is of the open image. */
export function drawStates() {
  const entry = state.images.find((each) => sameFile(each, state.file));
  const key = entry && CSS.escape(`${entry.folder}/${entry.name}`);
  const place = key && $("list").querySelector(`[data-key="${key}"] .states`);
  if (place) place.replaceChildren(...states(entry));
}

async function choose(entry) {
  await desk.open({ folder: entry.folder, name: entry.name });
  const key = CSS.escape(`${entry.folder}/${entry.name}`);
  if ($("list").contains(document.activeElement)) $("list").querySelector(`[data-key="${key}"]`)?.focus();
}

const FEW = 3; // files of which each gets a sentence of its own

/** Give files to the server, and open the last one that it took. */
async function add(folder, files) {
  const taken = [];
  const refused = [];
  for (const file of files) {
    try {
      taken.push(await api.upload({ folder, name: file.name }, file));
    } catch (error) {
      refused.push(error.message);
      if (error.status === 0) break; // there is no server
    }
  }
  if (taken.length > FEW) notice(say("addedMany", { n: taken.length, folder }));
  else for (const { name } of taken) notice(say("added", { name, folder }));
  for (const reason of refused.slice(0, FEW)) notice(reason, "error");
  if (refused.length > FEW) notice(say("refusedMany", { n: refused.length - FEW }), "error");
  await attempt(refreshState);
  // Not all are images: an instrument's file of parameters, a JSON.
  const image = state.images.findLast((entry) => taken.some((made) => sameFile(entry, made)));
  if (image) await desk.open({ folder: image.folder, name: image.name });
}

function setUpDrop() {
  const cover = $("drop");
  const zones = FOLDERS.map((folder) =>
    el("div.zone", {
      ondragover: (event) => event.preventDefault(),
      ondrop: (event) => {
        event.preventDefault();
        cover.hidden = true;
        add(folder, event.dataTransfer.files);
      },
    }));
  cover.append(...zones);
  const write = () => zones.forEach((zone, i) => zone.replaceChildren(
    el("b", { text: say(FOLDERS[i]) }), el("span", { text: say(`${FOLDERS[i]}Drop`) })));
  write();
  on("language", write);
  addEventListener("dragenter", (event) => {
    if ([...event.dataTransfer.types].includes("Files")) cover.hidden = false;
  });
  addEventListener("dragover", (event) => event.preventDefault());
  addEventListener("drop", (event) => {
    event.preventDefault(); // beside a zone: the browser must not leave the page
    cover.hidden = true;
  });
  cover.addEventListener("dragleave", (event) => {
    if (!cover.contains(event.relatedTarget)) cover.hidden = true;
  });
}
