// The losses of a training as curves, in an SVG.
const WIDTH = 320;
const HEIGHT = 170;
const PAD = { left: 40, right: 10, top: 10, bottom: 26 };
const CURVES = [
  { key: "loss", word: "trainingLoss", dash: null },
  { key: "val_loss", word: "validationLoss", dash: "5 3" },
];

function svg(tag, attributes, ...children) {
  const made = document.createElementNS("http://www.w3.org/2000/svg", tag);
  for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
  made.append(...children);
  return made;
}

/** Round places for an axis from 0 to `highest`. */
function ticks(highest, count) {
  const rough = highest / count;
  const power = 10 ** Math.floor(Math.log10(rough));
  const step = [1, 2, 5, 10].find((digit) => digit * power >= rough) * power;
  return Array.from({ length: Math.floor(highest / step + 1e-9) + 1 }, (_, i) => i * step);
}

/**
 * Draw losses over the epochs.
 * @param {{epoch, loss, val_loss}[]} losses
 * @param {number} epochs - of the whole run, for the width.
 * @param {function} say - words.
 */
export function lossChart(losses, epochs, say) {
  const told = losses.flatMap((row) => CURVES.map(({ key }) => row[key])).filter(Number.isFinite);
  const highest = Math.max(...told, 1e-9) * 1.05;
  const last = Math.max(epochs ?? 0, ...losses.map((row) => row.epoch), 2);
  const x = (epoch) => PAD.left + ((epoch - 1) / (last - 1)) * (WIDTH - PAD.left - PAD.right);
  const y = (loss) => HEIGHT - PAD.bottom - (loss / highest) * (HEIGHT - PAD.top - PAD.bottom);
  const made = svg("svg", {
    viewBox: `0 0 ${WIDTH} ${HEIGHT}`, class: "chart", role: "img",
    "aria-label": say("lossCurve"),
  });
  for (const value of ticks(highest, 4)) {
    const text = svg("text", { x: PAD.left - 6, y: y(value) + 4, "text-anchor": "end" });
    text.textContent = Number(value.toPrecision(3));
    made.append(svg("line", { x1: PAD.left, x2: WIDTH - PAD.right, y1: y(value), y2: y(value) }), text);
  }
  for (const value of new Set(ticks(last, 5).map((tick) => Math.max(1, Math.round(tick))))) {
    const text = svg("text", { x: x(value), y: HEIGHT - 8, "text-anchor": "middle" });
    text.textContent = value;
    made.append(text);
  }
  for (const { key, dash } of CURVES) {
    const rows = losses.filter((row) => Number.isFinite(row[key]));
    const points = rows.map((row) => `${x(row.epoch).toFixed(1)},${y(row[key]).toFixed(1)}`);
    const style = dash ? { "stroke-dasharray": dash } : {};
    made.append(svg("polyline", { points: points.join(" "), class: key, ...style }));
    if (rows.length === 1) {
      made.append(svg("circle", { cx: x(rows[0].epoch), cy: y(rows[0][key]), r: 3, class: key }));
    }
  }
  return made;
}

/** What the two lines of the chart are. */
export function lossLegend(say) {
  const legend = document.createElement("p");
  legend.className = "legend";
  for (const { key, word, dash } of CURVES) {
    const line = { x1: 0, x2: 22, y1: 5, y2: 5, class: key, ...(dash ? { "stroke-dasharray": dash } : {}) };
    const key_ = svg("svg", { viewBox: "0 0 22 10", class: "chart key", "aria-hidden": "true" },
      svg("line", line));
    const text = document.createElement("span");
    text.textContent = say(word);
    legend.append(key_, text);
  }
  return legend;
}
