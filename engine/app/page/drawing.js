// How outlines look. Class colours come from the server; a dark rim keeps them apart from any
// ground. Dashed: uncertain; dotted: unlike any outlined molecule. Names and numbers are written as
// soon as there is room: colour alone never says the class.
import { boundsOf } from "./geometry.js";
import { measured } from "./outlines.js";

const RIM = "rgba(0, 0, 0, 0.6)";
const ROOM_FOR_NUMBER = 22; // screen pixels of a molecule
const ROOM_FOR_NAME = 70;
const DASHES = { plain: [], uncertain: [6, 4], unfamiliar: [0.1, 6], proposal: [5, 4] };

const WIDTHS = { plain: 2, uncertain: 2, unfamiliar: 3 }; // dots of a line's width are not seen

const styleOf = (shape) =>
  shape.unfamiliar ? "unfamiliar" : shape.uncertain ? "uncertain" : "plain";

const visible = (shape, [left, top, right, bottom]) => {
  const [x0, y0, x1, y1] = measured(shape).bounds;
  return x1 >= left && x0 <= right && y1 >= top && y0 <= bottom;
};

/** Stroke paths of the image with lines of the screen's width. One after the other: a thousand in
 * one path take a browser without a graphics card four times as long. */
function strokeTwice(context, viewer, paths, colour, { width = 2, dash = [] } = {}) {
  context.lineJoin = "round";
  context.setLineDash([]);
  context.strokeStyle = RIM;
  context.lineWidth = (width + 2) / viewer.scale;
  for (const path of paths) context.stroke(path);
  context.setLineDash(dash.map((length) => length / viewer.scale));
  context.lineCap = dash[0] < width ? "round" : "butt"; // dots
  context.strokeStyle = colour;
  context.lineWidth = width / viewer.scale;
  for (const path of paths) context.stroke(path);
  context.setLineDash([]);
  context.lineCap = "butt";
}

/**
 * Draw shapes at rest, those of a class and style together.
 * @param {function(string): string} colourOf - class name -> "#rrggbb".
 * @returns how many were in sight.
 */
export function drawOutlines(context, viewer, shapes, colourOf) {
  const groups = new Map();
  const { seen } = viewer;
  let count = 0;
  for (const shape of shapes) {
    if (!visible(shape, seen)) continue;
    const key = `${styleOf(shape)} ${shape.class_name}`;
    if (!groups.has(key)) groups.set(key, { shape, paths: [] });
    groups.get(key).paths.push(measured(shape).path);
    count += 1;
  }
  viewer.inImage(context);
  for (const { shape, paths } of groups.values()) {
    const colour = colourOf(shape.class_name);
    context.fillStyle = `${colour}1c`;
    for (const path of paths) context.fill(path, "evenodd");
    const style = styleOf(shape);
    strokeTwice(context, viewer, paths, colour, { dash: DASHES[style], width: WIDTHS[style] });
  }
  viewer.inScreen(context);
  return count;
}

/** Write class names, or their numbers where there is no room, at the molecules. */
export function drawNames(context, viewer, shapes, numberOf) {
  const { seen, scale } = viewer;
  context.textAlign = "center";
  context.textBaseline = "middle";
  for (const shape of shapes) {
    const { bounds, centre } = measured(shape);
    const size = Math.min(bounds[2] - bounds[0], bounds[3] - bounds[1]) * scale;
    if (size < ROOM_FOR_NUMBER || !visible(shape, seen)) continue;
    const number = numberOf(shape.class_name);
    const text = size >= ROOM_FOR_NAME || !number ? shape.class_name : String(number);
    writeAt(context, viewer.toScreen(centre), text);
  }
}

/** Write a text over the image, readable on any ground. */
export function writeAt(context, [x, y], text, size = 12) {
  context.font = `600 ${size}px system-ui, "Noto Sans", "Noto Sans CJK SC", sans-serif`;
  context.lineJoin = "round";
  context.lineWidth = 3;
  context.strokeStyle = "rgba(0, 0, 0, 0.7)";
  context.strokeText(text, x, y);
  context.fillStyle = "#fff";
  context.fillText(text, x, y);
}

/** Draw the chosen shape. @param {number|null} point - its chosen point. */
export function drawChosen(context, viewer, shape, colour, point = null, handles = true) {
  const { path, bounds } = measured(shape);
  viewer.inImage(context);
  context.fillStyle = `${colour}40`;
  context.fill(path, "evenodd");
  strokeTwice(context, viewer, [path], colour, { width: 3, dash: DASHES[styleOf(shape)] });
  viewer.inScreen(context);
  if (handles) drawHandles(context, viewer, shape.parts[0], point);
  const [x, y] = viewer.toScreen([(bounds[0] + bounds[2]) / 2, bounds[1]]);
  context.textAlign = "center";
  context.textBaseline = "middle";
  writeAt(context, [x, Math.max(y - 14, 12)], shape.class_name, 13);
}

function drawHandles(context, viewer, ring, chosen) {
  context.lineWidth = 1.5;
  context.strokeStyle = "#12161d";
  const [left, top, right, bottom] = boundsOf([ring]);
  // Many points on a small outline: smaller ones, that it can still be seen.
  const crowded = ((right - left + bottom - top) * 2 * viewer.scale) / ring.length < 16;
  ring.forEach((point, i) => {
    const [x, y] = viewer.toScreen(point);
    const [nx, ny] = viewer.toScreen(ring[(i + 1) % ring.length]);
    if (Math.hypot(nx - x, ny - y) > 26) {
      context.fillStyle = "rgba(255, 255, 255, 0.55)";
      context.beginPath();
      context.arc((x + nx) / 2, (y + ny) / 2, 3, 0, 7);
      context.fill();
      context.stroke();
    }
    const half = i === chosen ? 5.5 : crowded ? 2.5 : 4;
    context.fillStyle = i === chosen ? "#ffd84d" : "#fff";
    context.fillRect(x - half, y - half, 2 * half, 2 * half);
    context.strokeRect(x - half, y - half, 2 * half, 2 * half);
  });
}

/** Draw a polygon that is being drawn: its points, and the line to the mouse. */
export function drawOpen(context, viewer, points, mouse, colour, closing) {
  if (!points.length) return;
  const path = new Path2D();
  points.forEach(([x, y], i) => (i ? path.lineTo(x, y) : path.moveTo(x, y)));
  if (mouse) path.lineTo(...(closing ? points[0] : mouse));
  viewer.inImage(context);
  context.fillStyle = `${colour}30`;
  context.fill(path);
  strokeTwice(context, viewer, [path], colour, { width: 2.5 });
  viewer.inScreen(context);
  context.lineWidth = 1.5;
  context.strokeStyle = "#12161d";
  points.forEach((point, i) => {
    const [x, y] = viewer.toScreen(point);
    context.fillStyle = i || !closing ? "#fff" : "#ffd84d";
    context.beginPath();
    context.arc(x, y, i ? 3.5 : closing ? 8 : 5.5, 0, 7);
    context.fill();
    context.stroke();
  });
}

/** Draw proposals: dashed, with the class's number. */
export function drawProposals(context, viewer, shapes, { colourOf, numberOf }, hot) {
  for (const shape of shapes) {
    const { path, centre } = measured(shape);
    viewer.inImage(context);
    context.fillStyle = shape === hot ? "rgba(255, 255, 255, 0.35)" : "rgba(255, 255, 255, 0.10)";
    context.fill(path);
    strokeTwice(context, viewer, [path], colourOf(shape.class_name), { dash: DASHES.proposal });
    viewer.inScreen(context);
    context.textAlign = "center";
    context.textBaseline = "middle";
    writeAt(context, viewer.toScreen(centre), `${numberOf(shape.class_name) ?? shape.class_name}?`, 14);
  }
}

/** Draw the outlines of another version for comparison: thin and white. */
export function drawCompared(context, viewer, shapes) {
  const { seen } = viewer;
  const paths = shapes.filter((shape) => visible(shape, seen)).map((shape) => measured(shape).path);
  viewer.inImage(context);
  strokeTwice(context, viewer, paths, "#fff", { width: 1.2, dash: [3, 3] });
  viewer.inScreen(context);
}

/** Draw a rectangle of the image, the rest darkened. */
export function drawRectangle(context, viewer, { left, top, width, height }) {
  const [x, y] = viewer.toScreen([left, top]);
  const [w, h] = [width * viewer.scale, height * viewer.scale];
  context.fillStyle = "rgba(5, 8, 14, 0.55)";
  context.beginPath();
  context.rect(0, 0, viewer.screenWidth, viewer.screenHeight);
  context.rect(x, y, w, h);
  context.fill("evenodd");
  context.lineWidth = 2;
  context.strokeStyle = "#fff";
  context.strokeRect(x, y, w, h);
}

/** Draw the cross that stands for the mouse when only the keyboard is used. */
export function drawCross(context, [x, y]) {
  for (const [width, colour] of [[4, RIM], [1.6, "#ffd84d"]]) {
    context.lineWidth = width;
    context.strokeStyle = colour;
    context.beginPath();
    context.moveTo(x - 13, y);
    context.lineTo(x + 13, y);
    context.moveTo(x, y - 13);
    context.lineTo(x, y + 13);
    context.stroke();
  }
}
