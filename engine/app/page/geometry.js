// Points are [x, y] in pixels of the image, continuous, (0, 0) at its corner.

/** The smallest rectangle around rings, as [left, top, right, bottom]. */
export function boundsOf(rings) {
  let [left, top, right, bottom] = [Infinity, Infinity, -Infinity, -Infinity];
  for (const ring of rings) {
    for (const [x, y] of ring) {
      if (x < left) left = x;
      if (x > right) right = x;
      if (y < top) top = y;
      if (y > bottom) bottom = y;
    }
  }
  return [left, top, right, bottom];
}

/** Whether a point is inside a ring (even-odd rule). */
export function inside(ring, [x, y]) {
  let within = false;
  for (let i = 0, j = ring.length - 1; i < ring.length; j = i++) {
    const [xi, yi] = ring[i];
    const [xj, yj] = ring[j];
    if (yi > y !== yj > y && x < ((xj - xi) * (y - yi)) / (yj - yi) + xi) within = !within;
  }
  return within;
}

/** The unsigned area of a ring. */
export function areaOf(ring) {
  let twice = 0;
  for (let i = 0, j = ring.length - 1; i < ring.length; j = i++) {
    twice += ring[j][0] * ring[i][1] - ring[i][0] * ring[j][1];
  }
  return Math.abs(twice) / 2;
}

/** The centroid of a ring; the mean of its points where it has no area. */
export function centroidOf(ring) {
  let [twice, cx, cy] = [0, 0, 0];
  const [ox, oy] = ring[0]; // Small numbers: no cancellation far from the corner.
  for (let i = 0, j = ring.length - 1; i < ring.length; j = i++) {
    const [ax, ay, bx, by] = [ring[j][0] - ox, ring[j][1] - oy, ring[i][0] - ox, ring[i][1] - oy];
    const cross = ax * by - bx * ay;
    twice += cross;
    cx += (ax + bx) * cross;
    cy += (ay + by) * cross;
  }
  if (Math.abs(twice) > 1e-9) return [ox + cx / (3 * twice), oy + cy / (3 * twice)];
  const sum = ring.reduce(([x, y], [px, py]) => [x + px, y + py], [0, 0]);
  return [sum[0] / ring.length, sum[1] / ring.length];
}

export const distance = ([ax, ay], [bx, by]) => Math.hypot(ax - bx, ay - by);

/** Keep a point inside an image. */
export const clamped = ([x, y], width, height) => [
  Math.min(Math.max(x, 0), width),
  Math.min(Math.max(y, 0), height),
];

/** Half of a thousandth of a pixel is nobody's hand. */
export const rounded = ([x, y]) => [Math.round(x * 100) / 100, Math.round(y * 100) / 100];

/**
 * Move rings as a whole, as far as the image goes.
 * @returns the rings moved by (dx, dy) or less.
 */
export function moved(rings, dx, dy, width, height) {
  const [left, top, right, bottom] = boundsOf(rings);
  // What already sticks out may stay where it is, and come back.
  const bound = (d, low, high) => Math.min(Math.max(d, Math.min(low, 0)), Math.max(high, 0));
  const x = bound(dx, -left, width - right);
  const y = bound(dy, -top, height - bottom);
  return rings.map((ring) => ring.map((point) => rounded([point[0] + x, point[1] + y])));
}

/** The next round length (1, 2, 5 times a power of ten) not above a length. */
export function roundLength(length) {
  const power = 10 ** Math.floor(Math.log10(length));
  return ([5, 2, 1].find((digit) => digit * power <= length * (1 + 1e-9)) ?? 1) * power;
}
