// Step 1: how an instrument file is shown, and the piece that is cut out.
import * as api from "./api.js";
import { attempt, button, el, notice } from "./dom.js";
import { desk } from "./desk.js";
import { refreshState } from "./refresh.js";
import { state, tell } from "./state.js";
import { say } from "./words.js";

const CHOICES = [["channel", "channels"], ["levelling", "levellings"], ["colour_map", "colour_maps"]];

/** What is in the panel. */
export function imagesPanel() {
  if (!state.file) return [el("h2", { text: say("images") }), el("p", { text: chooseWords() })];
  const { info } = state;
  if (state.broken !== null) return [el("h2", { text: state.file.name }), el("p", { text: say("cannotOpen") })];
  if (!info) return [el("h2", { text: state.file.name })];
  const nm = info.nm_per_pixel;
  const size = nm ? `${(info.width * nm).toPrecision(4)} × ${(info.height * nm).toPrecision(4)} nm` : say("noScale");
  return [
    el("h2", { text: state.file.name }),
    el("dl", {},
      el("dt", { text: say("pixels") }), el("dd", { text: `${info.width} × ${info.height}` }),
      el("dt", { text: say("size") }), el("dd", { text: size }),
      nm ? el("dt", { text: say("pixelSize") }) : null,
      nm ? el("dd", { text: `${nm.toPrecision(4)} nm` }) : null),
    ...(info.instrument ? viewSection(info) : []),
    ...cropSection(),
    state.file.folder === "aug_test_in"
      ? el("div.next", {}, button("toOutline", () => tell("step", "outline"), { class: "main" }))
      : null,
  ];
}

/** What to do where no image is open. */
export const chooseWords = () => say(state.images.length ? "chooseImage" : "noImages");

function viewSection(info) {
  const view = Object.fromEntries(CHOICES.map(([one]) => [one, info[one]]));
  const selects = CHOICES.filter(([, many]) => info[many]?.length).map(([one, many]) =>
    el("label.row", {}, el("span", { text: say(one) }),
      el("select", {
        name: one,
        onchange: (event) => {
          view[one] = event.target.value;
          keep.disabled = false;
          attempt(() => desk.showImage(view));
        },
      }, ...info[many].map((name) => el("option", { value: name, text: name, selected: name === info[one] })))));
  const keep = button("keepView", async () => {
    await desk.saver.save();
    const made = await attempt(() => api.convert(state.file, view));
    if (!made) return;
    notice(say("viewKept"));
    await attempt(refreshState);
    await desk.open({ folder: made.folder, name: made.name }, true);
  }, { disabled: true });
  return [el("h3", { text: say("view") }), ...selects, el("div.buttons", {}, keep),
    el("p.soft", { text: say("viewHint") })];
}

function cropSection() {
  const tool = desk.tools.crop;
  if (desk.toolName !== "crop" || !tool.rectangle) {
    return [el("h3", { text: say("piece") }), el("p.soft", { text: say("pieceHint") }),
      cropButtons()];
  }
  const fields = ["left", "top", "width", "height"].map((key) =>
    el("label.row", {}, el("span", { text: say(key) }),
      el("input", {
        type: "number", min: key === "left" || key === "top" ? "0" : "1", name: key,
        value: String(tool.rectangle[key]),
        onchange: (event) => tool.set({ ...tool.rectangle, [key]: Number(event.target.value) }),
      })));
  return [el("h3", { text: say("piece") }), el("div.fields", {}, ...fields),
    el("div.buttons", {}, button("cut", () => cut(), { class: "main", id: "cutNow" }), button("cancel", () => desk.take("select")))];
}

/** What makes a training piece of the open image. */
export function cropButtons() {
  const { width, height } = state.info ?? {};
  const main = state.file.folder === "images" ? "main" : "";
  return el("div.buttons", {},
    button("cutPiece", () => {
      if (state.step !== "images") tell("step", "images");
      desk.take("crop");
      desk.viewer.layers.top.focus();
    }, { class: main, id: "cutPiece" }),
    state.file.folder === "images"
      ? button("wholeImage", () => cut({ left: 0, top: 0, width, height })) : null);
}

async function cut(rectangle = desk.tools.crop.rectangle) {
  const made = rectangle && (await attempt(() => api.crop(state.file, rectangle)));
  if (!made) return;
  desk.take("select");
  await attempt(refreshState);
  await desk.open({ folder: made.folder, name: made.name });
  notice(say("pieceCut", { name: made.name }));
  tell("step", "outline");
}

/** Connect the tool with the panel. */
export function setUpCrop() {
  desk.tools.crop.oncut = () => cut();
  desk.tools.crop.ondone = () => desk.take("select");
  desk.tools.crop.onchange = () => {
    const fields = document.querySelectorAll("#panel .fields input");
    const { rectangle } = desk.tools.crop;
    if (!rectangle) return;
    for (const field of fields) field.value = String(rectangle[field.name]);
  };
}
