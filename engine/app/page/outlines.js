// The outlines of the open image: what is drawn, chosen, undone.
//
// A shape is never changed but replaced: a list of shapes is a state to come back to, and what is
// drawn of a shape can be kept with it.
import { areaOf, boundsOf, centroidOf, inside } from "./geometry.js";

const MOST_STEPS = 300;
let serial = 0;

/** An id that the server has not given. */
export const newId = () => `new-${Date.now().toString(36)}-${(serial++).toString(36)}`;

const known = new WeakMap();

/** What follows from a shape: bounds, centre, area and path; computed once. */
export function measured(shape) {
  let facts = known.get(shape);
  if (!facts) {
    const largest = shape.parts.reduce((a, b) => (areaOf(b) > areaOf(a) ? b : a));
    facts = {
      bounds: boundsOf(shape.parts),
      centre: centroidOf(largest),
      area: shape.parts.reduce((sum, ring) => sum + areaOf(ring), 0),
      path: pathOf(shape),
    };
    known.set(shape, facts);
  }
  return facts;
}

function pathOf(shape) {
  const path = new Path2D();
  for (const ring of [...shape.parts, ...(shape.holes ?? [])]) {
    ring.forEach(([x, y], i) => (i ? path.lineTo(x, y) : path.moveTo(x, y)));
    path.closePath();
  }
  return path;
}

/** Whether a point of the image is inside a shape. */
export function hit(shape, point) {
  const [left, top, right, bottom] = measured(shape).bounds;
  const [x, y] = point;
  if (x < left || x > right || y < top || y > bottom) return false;
  return (
    shape.parts.some((ring) => inside(ring, point)) &&
    !(shape.holes ?? []).some((ring) => inside(ring, point))
  );
}

/** The outlines of one image, with undo; listeners hear "change" and "choose". */
export class Outlines extends EventTarget {
  constructor() {
    super();
    this.load(null);
  }

  /** Take what the server answered; null: no image is open. */
  load(answer, chosen = null) {
    this.revision = answer?.revision ?? null;
    this.source = answer?.source ?? "none";
    this.path = answer?.file ?? null;
    this.shapes = answer?.shapes ?? [];
    this.flags = answer?.flags ?? { partial: false };
    this.chosen = this.shapes.some((shape) => shape.id === chosen) ? chosen : null;
    this.past = [];
    this.future = [];
    this.version = 0; // counts changes
    this.#told("change");
    this.#told("choose");
  }

  get(id) {
    return this.shapes.find((shape) => shape.id === id) ?? null;
  }

  get chosenShape() {
    return this.chosen === null ? null : this.get(this.chosen);
  }

  /** Put other shapes (and flags) in the place of these; can be undone. */
  change(shapes, { flags = this.flags, chosen = this.chosen } = {}) {
    this.past.push([this.shapes, this.flags]);
    if (this.past.length > MOST_STEPS) this.past.shift();
    this.future = [];
    this.#become(shapes, flags, chosen);
  }

  add(shapes, chosen = this.chosen) {
    this.change([...this.shapes, ...shapes], { chosen });
  }

  /** Replace one shape by one of the same id. */
  replace(shape) {
    this.change(this.shapes.map((old) => (old.id === shape.id ? shape : old)));
  }

  remove(id) {
    const chosen = this.chosen === id ? null : this.chosen;
    this.change(this.shapes.filter((shape) => shape.id !== id), { chosen });
  }

  setFlag(name, value) {
    this.change(this.shapes, { flags: { ...this.flags, [name]: value } });
  }

  undo() {
    this.#step(this.past, this.future);
  }

  redo() {
    this.#step(this.future, this.past);
  }

  choose(id) {
    if (id === this.chosen) return;
    this.chosen = id;
    this.#told("choose");
  }

  /** The shape under a point; of several the smallest. */
  at(point, among = this.shapes) {
    const under = among.filter((shape) => hit(shape, point));
    return under.sort((a, b) => measured(a).area - measured(b).area)[0] ?? null;
  }

  /** Give shapes the ids that the server has for them; nothing to undo. */
  rename(ids) {
    const renamed = (shapes) =>
      shapes.map((shape) => (ids.has(shape.id) ? { ...shape, id: ids.get(shape.id) } : shape));
    this.shapes = renamed(this.shapes);
    this.past = this.past.map(([shapes, flags]) => [renamed(shapes), flags]);
    this.future = this.future.map(([shapes, flags]) => [renamed(shapes), flags]);
    if (ids.has(this.chosen)) this.chosen = ids.get(this.chosen);
    this.#told("rename");
  }

  #step(from, to) {
    if (!from.length) return;
    to.push([this.shapes, this.flags]);
    const [shapes, flags] = from.pop();
    const kept = shapes.some((shape) => shape.id === this.chosen) ? this.chosen : null;
    this.#become(shapes, flags, kept);
  }

  #become(shapes, flags, chosen) {
    const other = chosen !== this.chosen;
    [this.shapes, this.flags, this.chosen] = [shapes, flags, chosen];
    this.version += 1;
    this.#told("change");
    if (other) this.#told("choose");
  }

  #told(name) {
    this.dispatchEvent(new Event(name));
  }
}
