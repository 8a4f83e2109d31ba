// Choose an outline, move it or its points, insert and take out points.
import { boundsOf, clamped, distance, moved, rounded } from "./geometry.js";
import { drawChosen } from "./drawing.js";
import { hit } from "./outlines.js";
import { ARROWS } from "./stage.js";

const REACH = 8; // screen pixels around a point
const FEWEST = 3; // points of a polygon

export class SelectTool {
  hint = "hintSelect";
  cursor = "default";
  pans = true;
  paintsChosen = true;

  /** @param {Object} desk - viewer, outlines, colourOf, shown (shapes that can be chosen). */
  constructor(desk) {
    this.desk = desk;
    this.grip = null; // what is held: {kind: "point" | "whole", ...}
    this.draft = null; // the shape as the hand has it now
    this.point = null; // number of the chosen point
    desk.outlines.addEventListener("choose", () => this.#let());
    desk.outlines.addEventListener("change", () => this.#let(this.point));
  }

  down(place, event) {
    const shape = this.desk.outlines.chosenShape;
    this.grip = null;
    if (!shape || !this.desk.edits()) return false;
    if (shape.editable !== false) {
      const near = this.#pointAt(shape, place);
      if (near && event.altKey) {
        this.#takeOut(shape, near.index);
        return true;
      }
      if (near) {
        this.grip = { kind: "point", ...near };
        this.point = near.inserted ? null : near.index;
        this.desk.viewer.refresh("top");
        return true;
      }
    }
    if (!hit(shape, place)) return false;
    this.grip = { kind: "whole", from: place };
    return true;
  }

  drag(place) {
    const shape = this.desk.outlines.chosenShape;
    if (!shape || !this.grip) return;
    this.draft = this.grip.kind === "point" ? this.#pointMoved(shape, place) : this.#wholeMoved(shape, place);
    this.desk.viewer.refresh("top");
  }

  up(place, wasMoved) {
    const { grip, draft } = this;
    this.grip = this.draft = null;
    if (wasMoved && draft) {
      if (grip.kind === "point") this.point = grip.index;
      this.desk.outlines.replace(draft);
    } else if (!wasMoved && grip?.kind === "whole") this.click(place);
    this.desk.viewer.refresh("top");
  }

  click(place) {
    this.desk.outlines.choose(this.desk.outlines.at(place, this.desk.shown())?.id ?? null);
  }

  move(place) {
    const shape = this.desk.outlines.chosenShape;
    const canvas = this.desk.viewer.layers.top;
    let cursor = this.cursor;
    if (place && shape && this.desk.edits()) {
      if (shape.editable !== false && this.#pointAt(shape, place)) cursor = "crosshair";
      else if (hit(shape, place)) cursor = "move";
    }
    if (place && cursor === this.cursor && this.desk.outlines.at(place, this.desk.shown())) cursor = "pointer";
    canvas.style.cursor = cursor;
  }

  key(event) {
    const { outlines, viewer } = this.desk;
    const shape = outlines.chosenShape;
    if (!shape || !this.desk.edits()) return false;
    if (ARROWS[event.key]) {
      const step = event.shiftKey ? 10 : 1;
      const [dx, dy] = ARROWS[event.key].map((way) => way * step);
      this.#nudge(shape, dx, dy);
    } else if (event.key === "Backspace" && this.point !== null) this.#takeOut(shape, this.point);
    else if (event.key === "Escape") outlines.choose(null);
    else if ((event.key === "." || event.key === ",") && shape.editable !== false) {
      const count = shape.parts[0].length;
      const way = event.key === "." ? 1 : -1;
      this.point = this.point === null ? 0 : (this.point + way + count) % count;
      viewer.refresh("top");
    } else if (event.key === "+" && this.point !== null) this.#insertAfter(shape, this.point);
    else return false;
    return true;
  }

  paint(context, viewer) {
    const shape = this.draft ?? this.desk.outlines.chosenShape;
    if (!shape) return;
    const chosen = this.grip?.kind === "point" ? this.grip.index : this.point;
    drawChosen(context, viewer, shape, this.desk.colourOf(shape.class_name), chosen,
      shape.editable !== false && this.desk.edits());
  }

  leave() {
    this.grip = this.draft = this.point = null;
  }

  #let(point = null) {
    const count = this.desk.outlines.chosenShape?.parts[0].length ?? 0;
    this.grip = this.draft = null;
    this.point = point !== null && point < count ? point : null;
  }

  // The point within reach, or the middle of a side, where a new one comes to be.
  #pointAt(shape, place) {
    const { viewer } = this.desk;
    const at = viewer.toScreen(place);
    const ring = shape.parts[0];
    const screen = ring.map((point) => viewer.toScreen(point));
    const near = (points) => {
      const gaps = points.map((point) => distance(point, at));
      const index = gaps.indexOf(Math.min(...gaps));
      return gaps[index] <= REACH ? index : null;
    };
    const index = near(screen);
    if (index !== null) return { index, ring, inserted: false };
    const middles = screen.map((point, i) => {
      const next = screen[(i + 1) % screen.length];
      return [(point[0] + next[0]) / 2, (point[1] + next[1]) / 2];
    });
    const side = near(middles);
    if (side === null) return null;
    const longer = [...ring.slice(0, side + 1), place, ...ring.slice(side + 1)];
    return { index: side + 1, ring: longer, inserted: true };
  }

  #pointMoved(shape, place) {
    const ring = [...this.grip.ring];
    ring[this.grip.index] = rounded(clamped(place, this.desk.viewer.width, this.desk.viewer.height));
    return { ...shape, parts: [ring] };
  }

  #wholeMoved(shape, place) {
    const [x, y] = this.grip.from;
    return this.#shifted(shape, place[0] - x, place[1] - y);
  }

  #shifted(shape, dx, dy) {
    const { width, height } = this.desk.viewer;
    const all = moved([...shape.parts, ...(shape.holes ?? [])], dx, dy, width, height);
    const count = shape.parts.length;
    return { ...shape, parts: all.slice(0, count), holes: all.slice(count) };
  }

  #nudge(shape, dx, dy) {
    if (this.point === null) this.desk.outlines.replace(this.#shifted(shape, dx, dy));
    else {
      const [x, y] = shape.parts[0][this.point];
      this.grip = { ring: shape.parts[0], index: this.point };
      this.desk.outlines.replace(this.#pointMoved(shape, [x + dx, y + dy]));
    }
    this.desk.viewer.reveal(boundsOf(shape.parts));
  }

  #takeOut(shape, index) {
    const ring = shape.parts[0].filter((_, i) => i !== index);
    if (ring.length < FEWEST) return;
    this.desk.outlines.replace({ ...shape, parts: [ring] });
  }

  #insertAfter(shape, index) {
    const ring = shape.parts[0];
    const [[ax, ay], [bx, by]] = [ring[index], ring[(index + 1) % ring.length]];
    const middle = rounded([(ax + bx) / 2, (ay + by) / 2]);
    const longer = [...ring.slice(0, index + 1), middle, ...ring.slice(index + 1)];
    this.desk.outlines.replace({ ...shape, parts: [longer] });
    this.point = index + 1;
  }
}
