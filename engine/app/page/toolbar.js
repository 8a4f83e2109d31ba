// The tools above the image, what is at the mouse, the scale bar, and what needs an answer.
import { $, attempt, button, el } from "./dom.js";
import { desk } from "./desk.js";
import { roundLength } from "./geometry.js";
import { toggle } from "./keys.js";
import { on, state } from "./state.js";
import { say } from "./words.js";

// Paths in a square of 20 x 20.
const ICONS = {
  select: "M4 2l12 9-5.5.8L14 18l-2.4 1-3.2-6.2L4 16z",
  draw: "M3 14L8 3l9 5-3 9z M3 14h.1 M8 3h.1 M17 8h.1 M14 17h.1",
  propose: "M10 1v5 M10 14v5 M1 10h5 M14 10h5 M10 6a4 4 0 1 0 .01 0z",
  undo: "M7 4L3 8l4 4 M3 8h9a5 5 0 0 1 0 10H9",
  redo: "M13 4l4 4-4 4 M17 8H8a5 5 0 0 0 0 10h3",
  zoomIn: "M8.5 2a6.5 6.5 0 1 0 .01 0z M13.5 13.5L18 18 M8.5 5.5v6 M5.5 8.5h6",
  zoomOut: "M8.5 2a6.5 6.5 0 1 0 .01 0z M13.5 13.5L18 18 M5.5 8.5h6",
  fit: "M2 7V2h5 M13 2h5v5 M18 13v5h-5 M7 18H2v-5",
};

function icon(name) {
  const svg = document.createElementNS("http://www.w3.org/2000/svg", "svg");
  svg.setAttribute("viewBox", "0 0 20 20");
  svg.setAttribute("aria-hidden", "true");
  const path = document.createElementNS(svg.namespaceURI, "path");
  path.setAttribute("d", ICONS[name]);
  svg.append(path);
  return svg;
}

function tool(name, key) {
  return el("button.tool", {
    type: "button", "aria-pressed": String(desk.toolName === name), "data-tool": name,
    title: `${say(name)} (${key})`, "aria-label": say(name), "aria-keyshortcuts": key,
    disabled: !state.file,
    onclick: () => {
      desk.take(name);
      desk.viewer.layers.top.focus();
    },
  }, icon(name), el("span", { text: say(name) }));
}

function action(name, keys, onclick, disabled = false) {
  return el("button.tool", {
    type: "button", "data-action": name, title: `${say(name)} (${keys})`, "aria-label": say(name),
    onclick, disabled,
  }, icon(name));
}

function toggled(word, name, key) {
  return el("button.tool.word", {
    type: "button", "aria-pressed": String(desk[name]), title: `${say(word)} (${key})`,
    onclick: () => toggle(name),
  }, say(word));
}

function drawTools() {
  const { outlines, viewer } = desk;
  const edits = desk.edits();
  const held = document.activeElement?.closest("#tools button")?.title;
  $("tools").replaceChildren(
    ...(edits ? [tool("select", "V"), tool("propose", "C"), tool("draw", "D"), el("i.gap")] : []),
    ...(edits ? [
      action("undo", "Ctrl+Z", desk.undo, !outlines.past.length && desk.toolName !== "draw"),
      action("redo", "Ctrl+Y", () => outlines.redo(), !outlines.future.length), el("i.gap"),
    ] : []),
    action("zoomOut", "−", () => viewer.zoom(1 / 1.3)),
    action("zoomIn", "+", () => viewer.zoom(1.3)),
    action("fit", "0", () => viewer.fit()),
    el("i.stretch"),
    toggled("showOutlines", "visible", "H"), toggled("showNames", "names", "L"));
  if (held) [...$("tools").children].find((each) => each.title === held)?.focus();
}

function drawHint() {
  const { outlines, stage } = desk;
  const shape = outlines.chosenShape;
  const edits = desk.edits() || desk.toolName === "crop";
  $("hint").textContent = state.file && edits && stage.tool.hint ? say(stage.tool.hint) : "";
  const at = shape && say("at", {
    n: outlines.shapes.indexOf(shape) + 1, of: outlines.shapes.length, name: shape.class_name,
  });
  desk.viewer.layers.top.setAttribute("aria-label", `${say("imageView")} ${state.file?.name ?? ""} ${at ?? ""}`.trim());
  $("empty").hidden = Boolean(state.file);
  $("empty").textContent = say(state.images.length ? "chooseImage" : "noImages");
}

function drawMark() {
  const { saver } = desk;
  const mark = saver.mark === "saved" && !desk.outlines.version ? "none" : saver.mark;
  $("saved").dataset.mark = mark;
  $("saved").textContent = say(`mark_${mark}`);
  drawBanner();
}

function drawBanner() {
  const { saver } = desk;
  const left = saver.mark === "saved" && saver.file ? saver.leftOver() : null;
  let content = null;
  if (state.broken !== null) {
    content = [state.broken, button("tryAgain", () => desk.open(state.file, true), { id: "openAgain" })];
  } else if (saver.mark === "conflict") {
    content = [say("conflict"),
      button("mergeBoth", () => attempt(() => saver.merge()), { class: "main", id: "merge" }),
      button("loadTheirs", () => attempt(() => saver.loadTheirs()), { id: "theirs" })];
  } else if (saver.mark === "failed") {
    content = [say("failed", { reason: saver.reason }), button("tryAgain", () => saver.save())];
  } else if (left) {
    content = [say("leftOver"),
      button("bringBack", () => saver.bringBack(left), { class: "main", id: "bringBack" }),
      button("throwAway", () => {
        saver.throwAway();
        drawBanner();
      })];
  }
  $("banner").hidden = !content;
  $("banner").replaceChildren(...(content ?? []));
}

const WIDEST = 160; // screen pixels of the scale bar

function drawScale() {
  const nm = state.info?.nm_per_pixel;
  const bar = $("scaleBar");
  bar.hidden = !state.info;
  if (bar.hidden) return;
  const unit = nm ?? 1;
  const length = roundLength((WIDEST / desk.viewer.scale) * unit);
  bar.firstChild.style.width = `${(length / unit) * desk.viewer.scale}px`;
  bar.lastChild.textContent = `${Number(length.toPrecision(3))} ${nm ? "nm" : "px"}`;
}

function drawPlace(point) {
  const { info } = state;
  if (!point || !info) {
    $("place").textContent = "";
    return;
  }
  const [x, y] = point;
  const nm = info.nm_per_pixel;
  const far = nm ? ` · ${(x * nm).toFixed(2)}, ${(y * nm).toFixed(2)} nm` : "";
  $("place").textContent = `${x.toFixed(1)}, ${y.toFixed(1)} px${far}`;
}

/** Build all of it and keep it up to date. */
export function setUpToolbar() {
  const { outlines, saver, stage, viewer } = desk;
  const all = () => {
    drawTools();
    drawHint();
    drawMark();
    drawScale();
  };
  for (const name of ["tool", "file", "step", "language", "state"]) on(name, all);
  outlines.addEventListener("change", drawTools);
  outlines.addEventListener("choose", drawHint);
  saver.addEventListener("mark", drawMark);
  viewer.addEventListener("move", drawScale);
  stage.onplace = drawPlace;
  all();
}
