// The open image with everything on it: viewer, outlines, tools, saving.
import * as api from "./api.js";
import { $, notice } from "./dom.js";
import { CropTool } from "./crop_tool.js";
import { DrawTool } from "./draw_tool.js";
import { drawChosen, drawCompared, drawNames, drawOutlines } from "./drawing.js";
import { measured, Outlines } from "./outlines.js";
import { AlikeTool, ProposeTool } from "./propose_tool.js";
import { Saver } from "./saving.js";
import { SelectTool } from "./select_tool.js";
import { Stage } from "./stage.js";
import { keyOf, on, openEntry, sameFile, state, tell } from "./state.js";
import { Viewer } from "./viewer.js";
import { say } from "./words.js";

const UNNAMED = "#ffd84d"; // a class that has no colour yet

export const desk = {
  viewer: new Viewer($("stage"), $("base"), $("top")),
  outlines: new Outlines(),
  least: 0, // lowest score shown
  names: true, // whether names are written
  visible: true, // whether outlines are drawn
  compared: null, // shapes of another version
  file: () => state.file,
  className: () => state.className,
};
const { viewer, outlines } = desk;

/** All classes: those of the project, and those named on this page. */
desk.classes = () => {
  const known = [...state.classes];
  const names = new Set(known.map(({ name }) => name));
  const here = [...outlines.shapes.map((shape) => shape.class_name), state.className];
  for (const name of here) {
    if (!name || names.has(name)) continue;
    names.add(name);
    known.push({ name, colour: state.palette[known.length] ?? UNNAMED });
  }
  return known;
};
let colours = new Map();
let numbers = new Map();
desk.colourOf = (name) => colours.get(name) ?? UNNAMED;
desk.numberOf = (name) => numbers.get(name) ?? null;
desk.renewClasses = () => {
  const classes = desk.classes();
  colours = new Map(classes.map(({ name, colour }) => [name, colour]));
  numbers = new Map(classes.slice(0, 9).map(({ name }, i) => [name, i + 1]));
  if (!state.className && classes.length) state.className = classes[0].name;
};

/** Whether the next outline has a class; else the field for its name is shown. */
desk.classChosen = () => {
  if (state.className) return true;
  notice(say("firstClass"));
  $("newClass")?.focus();
  return false;
};

/** The shapes that are not hidden by the score slider. */
desk.shown = () =>
  desk.least > 0
    ? outlines.shapes.filter((shape) => shape.score === null || shape.score >= desk.least - 1e-9)
    : outlines.shapes;

/** Whether outlines can be changed: not in steps where they are only looked at, nor where those of the
 * file cannot be read, since what is drawn could not be saved. */
desk.edits = () => (state.step === "outline" || state.step === "look") && state.broken === null;

desk.reveal = (shape) => viewer.reveal(measured(shape).bounds);

/** Choose a shape and bring it into view. */
desk.goTo = (id) => {
  const shape = outlines.get(id);
  if (!shape) return;
  outlines.choose(id);
  desk.reveal(shape);
};

/** Make a class that of the next outline and, while one is selected, of that one; what has just been
 * proposed is chosen too, but the next click is meant. */
desk.useClass = (name, chosenToo = desk.toolName === "select") => {
  state.className = name;
  const shape = chosenToo ? outlines.chosenShape : null;
  if (shape && shape.class_name !== name) outlines.replace({ ...shape, class_name: name });
  desk.renewClasses();
  tell("classes");
};

desk.saver = new Saver(outlines, () => state.project);
desk.stage = new Stage(viewer);
desk.tools = {
  select: new SelectTool(desk),
  draw: new DrawTool(desk),
  propose: new ProposeTool(desk),
  alike: new AlikeTool(desk),
  crop: new CropTool(desk),
};
desk.toolName = "select";

/** Take a tool by its name. */
desk.take = (name) => {
  if (name === "propose" || name === "draw") outlines.choose(null);
  desk.toolName = name;
  desk.stage.take(desk.tools[name]);
  tell("tool");
};

desk.tools.alike.ondone = () => desk.take("select");

/** Draw the chosen outline anew. */
desk.redraw = () => {
  const shape = outlines.chosenShape;
  if (!shape) return;
  desk.take("draw");
  desk.tools.draw.redraw(shape);
  viewer.layers.top.focus();
};

desk.undo = () => {
  if (desk.toolName !== "draw" || !desk.tools.draw.undo()) outlines.undo();
};

viewer.paint.base = (context) => {
  if (!desk.visible) return 0;
  const atRest = desk.shown().filter((shape) => shape.id !== outlines.chosen);
  const count = drawOutlines(context, viewer, atRest, desk.colourOf);
  if (desk.compared) drawCompared(context, viewer, desk.compared);
  if (desk.names) drawNames(context, viewer, atRest, desk.numberOf);
  return count;
};
viewer.paint.top = (context) => {
  const shape = outlines.chosenShape;
  if (shape && !desk.stage.tool.paintsChosen) {
    drawChosen(context, viewer, shape, desk.colourOf(shape.class_name), null, false);
  }
  desk.stage.paint(context);
};

outlines.addEventListener("change", () => {
  desk.renewClasses();
  viewer.refresh();
});
outlines.addEventListener("choose", () => viewer.refresh());
on("classes", () => viewer.refresh());

let opening = 0;

/** Open an image; what was drawn on the one before is saved first. */
desk.open = async (file, again = false) => {
  if (!again && sameFile(file, state.file)) return;
  const turn = (opening += 1);
  await desk.saver.save();
  if (desk.saver.dirty) notice(say("keptHere", { name: state.file.name }), "error");
  if (turn !== opening) return;
  desk.take("select");
  state.file = file;
  state.info = null;
  state.broken = null;
  desk.compared = null;
  desk.saver.open(null, null);
  tell("file");
  if (!again) {
    await viewer.setImage(null);
    $("stage").classList.add("busy");
  }
  try {
    await load(file, turn);
  } catch (error) {
    if (turn === opening) {
      state.broken = error.message;
      if (error.status === 422) state.unreadable.add(keyOf(file));
      tell("file");
    }
  }
  if (turn === opening) $("stage").classList.remove("busy");
};

async function load(file, turn) {
  if (openEntry()?.instrument) await showSight(file, turn);
  const [info, answer] = await Promise.all([
    api.getInfo(file),
    api.getAnnotation(file),
    desk.showImage({}, file),
  ]);
  if (turn !== opening) return;
  state.info = info;
  state.unreadable.delete(keyOf(file));
  desk.saver.open(file, answer);
  tell("file");
}

/** Show what a large scan looks like while it is still levelled. */
async function showSight(file, turn) {
  const blob = await api.getSight(file);
  const bitmap = blob && (await createImageBitmap(blob));
  if (bitmap && turn === opening) await viewer.setImage(bitmap);
}

/** Take the outlines of the open file anew, as after a run; what is not saved stays. */
desk.reload = async () => {
  const { file } = state;
  if (!file || desk.saver.dirty) return;
  const answer = await api.getAnnotation(file);
  if (!sameFile(file, state.file) || desk.saver.dirty) return;
  if (answer.revision === outlines.revision) return;
  desk.saver.open(file, answer);
  tell("file");
};

let showing = 0;

/** Show the open image, levelled and coloured as asked; the last one asked for wins. */
desk.showImage = async (view, file = state.file) => {
  const turn = (showing += 1);
  const changed = Object.keys(view).length > 0;
  if (changed) $("stage").classList.add("busy");
  try {
    const bitmap = await createImageBitmap(await api.getImage(file, view));
    if (turn === showing) await viewer.setImage(bitmap, changed);
  } finally {
    if (changed && turn === showing) $("stage").classList.remove("busy");
  }
};
