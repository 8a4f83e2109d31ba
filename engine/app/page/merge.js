// Two pages changed the same file: what each did since the state that both know is done to both.

const drawn = (shape) =>
  shape && JSON.stringify([shape.class_name, shape.parts, shape.holes ?? []]);
const byId = (shapes) => new Map(shapes.map((shape) => [shape.id, shape]));

/**
 * Merge three lists of shapes by id. Where both changed the same one, mine counts; what one deleted
 * and the other changed stays.
 * @param {Object[]} base - what both know.
 * @param {Object[]} mine - what is on this page.
 * @param {Object[]} theirs - what the file has now.
 * @returns {Object[]} theirs in its order, then what was added here.
 */
export function mergeShapes(base, mine, theirs) {
  const [before, here, there] = [base, mine, theirs].map(byId);
  const merged = [];
  for (const shape of theirs) {
    const [old, own] = [before.get(shape.id), here.get(shape.id)];
    const changedThere = drawn(old) !== drawn(shape);
    if (!own) {
      if (!old || changedThere) merged.push(shape); // added there, or changed there
    } else merged.push(drawn(own) === drawn(old) ? shape : own);
  }
  const same = new Set(merged.map(drawn));
  for (const shape of mine) {
    const old = before.get(shape.id);
    if (there.has(shape.id) || (old && drawn(old) === drawn(shape))) continue; // deleted there
    if (!same.has(drawn(shape))) merged.push(shape);
  }
  return merged;
}

/** Merge flags: mine where I changed one, else theirs. */
export function mergeFlags(base, mine, theirs) {
  const merged = { ...theirs };
  for (const name of Object.keys(mine)) {
    if (mine[name] !== base[name]) merged[name] = mine[name];
  }
  return merged;
}
