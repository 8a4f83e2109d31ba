// Outline a molecule with a polygon of clicks.
import { areaOf, clamped, distance, rounded } from "./geometry.js";
import { drawOpen } from "./drawing.js";
import { newId } from "./outlines.js";

const REACH = 10; // screen pixels around the first point
const SAME = 3; // screen pixels: the second half of a double click

export class DrawTool {
  hint = "hintDraw";
  cursor = "crosshair";
  pans = false;
  crossed = true;

  constructor(desk) {
    this.desk = desk;
    this.points = [];
    this.mouse = null;
    this.redrawn = null; // the shape whose outline is drawn anew
  }

  /** Draw the outline of a shape anew. */
  redraw(shape) {
    this.points = [];
    this.redrawn = shape;
  }

  click(place) {
    if (!this.redrawn && !this.desk.classChosen()) return;
    if (this.#closes(place)) return this.finish();
    const point = rounded(clamped(place, this.desk.viewer.width, this.desk.viewer.height));
    const last = this.points.at(-1);
    if (last && this.#gap(last, point) <= SAME) return;
    this.points.push(point);
    this.desk.viewer.refresh("top");
  }

  double() {
    this.finish();
  }

  move(place) {
    this.mouse = place;
    if (this.points.length) this.desk.viewer.refresh("top");
  }

  key(event) {
    if (event.key === "Enter") this.finish();
    else if (event.key === "Backspace" && this.points.length) this.undo();
    else if (event.key === "Escape" && (this.points.length || this.redrawn)) this.leave();
    else return false;
    return true;
  }

  /** Take back the last point; whether there was one. */
  undo() {
    if (!this.points.length) return false;
    this.points.pop();
    this.desk.viewer.refresh("top");
    return true;
  }

  /** Close the polygon and make an outline of it. */
  finish() {
    const { points, redrawn } = this;
    if (points.length < 3 || areaOf(points) === 0) return;
    this.points = [];
    this.redrawn = null;
    const { outlines } = this.desk;
    if (redrawn && outlines.get(redrawn.id)) {
      const shape = { ...redrawn, parts: [points], holes: [], editable: true, flat: false };
      outlines.replace(shape);
    } else {
      outlines.add([newShape(this.desk.className(), points)]);
    }
    this.desk.viewer.refresh();
  }

  paint(context, viewer) {
    const name = this.redrawn?.class_name ?? this.desk.className();
    const closing = this.mouse && this.#closes(this.mouse);
    drawOpen(context, viewer, this.points, this.mouse, this.desk.colourOf(name), closing);
  }

  leave() {
    this.points = [];
    this.redrawn = null;
    this.desk.viewer.refresh("top");
  }

  #closes(place) {
    return this.points.length >= 3 && this.#gap(place, this.points[0]) <= REACH;
  }

  #gap(a, b) {
    return distance(this.desk.viewer.toScreen(a), this.desk.viewer.toScreen(b));
  }
}

/** An outline that the server does not know yet. */
export function newShape(className, points) {
  return {
    id: newId(), class_name: className, parts: [points], holes: [], editable: true,
    score: null, likeness: null, second_class: null, second_score: null, alike: null,
    unfamiliar: false, uncertain: false, edge: false,
  };
}
