// Zoom and pan over one image. Two canvases: "base" holds the image and all outlines at rest and is
// painted only when they or the view change; "top" holds what moves under the hand. While the view
// moves, many outlines are not painted anew but moved and stretched as they were painted last.
//
// Coordinates of the screen are CSS pixels from the stage's corner.

const MOST_SCALE = 60; // screen pixels a pixel of the image
const SHARP_SCALE = 3; // from here on the image's pixels are shown as squares
const MARGIN = 24; // screen pixels around the whole image
const SMALLEST_LEVEL = 512; // pixels, of the pyramid
const MANY = 40; // outlines in sight
const REST = 140; // milliseconds without a movement

/** Where an image's edge is when a place of it is in the middle of the screen, or as near to it as
 * leaves no empty ground beside the image. */
function placed(place, scale, length, screen) {
  const middle = screen / 2 - place * scale;
  const least = screen - length * scale - MARGIN;
  return least > MARGIN ? (screen - length * scale) / 2 : Math.min(Math.max(middle, least), MARGIN);
}

export class Viewer extends EventTarget {
  /**
   * @param {HTMLElement} stage - holds the canvases.
   * @param {HTMLCanvasElement} base
   * @param {HTMLCanvasElement} top
   */
  constructor(stage, base, top) {
    super();
    this.stage = stage;
    this.layers = { base, top };
    this.contexts = { base: base.getContext("2d", { alpha: false }), top: top.getContext("2d") };
    this.paint = { base: () => 0, top: () => {} }; // set from outside: (context, viewer)
    this.last = null; // the base as painted last, where it has many outlines: {canvas, scale, x, y}
    this.resting = null; // timer
    this.width = this.height = 0; // of the image
    this.levels = [];
    this.scale = 1;
    this.x = this.y = 0; // screen place of the image's corner
    this.waiting = new Set();
    this.frames = 0;
    new ResizeObserver(() => this.#resize()).observe(stage);
    this.#resize();
  }

  /** Show an image. @param {ImageBitmap|null} bitmap @param {boolean} keep - the view stays. */
  async setImage(bitmap, keep = false) {
    const same = keep && bitmap && bitmap.width === this.width && bitmap.height === this.height;
    this.levels = bitmap ? [bitmap] : [];
    [this.width, this.height] = bitmap ? [bitmap.width, bitmap.height] : [0, 0];
    this.last = null;
    if (!same) this.fit();
    this.refresh("base");
    if (bitmap) await this.#buildLevels(bitmap);
  }

  // Each level has half of the one before: a large image zoomed out is drawn from few pixels.
  async #buildLevels(bitmap) {
    let last = bitmap;
    while (Math.max(last.width, last.height) > 2 * SMALLEST_LEVEL) {
      const half = document.createElement("canvas");
      [half.width, half.height] = [Math.ceil(last.width / 2), Math.ceil(last.height / 2)];
      half.getContext("2d", { alpha: false }).drawImage(last, 0, 0, half.width, half.height);
      await new Promise((done) => setTimeout(done));
      if (this.levels[0] !== bitmap) return; // another image was opened
      this.levels.push(half);
      last = half;
    }
    this.refresh("base");
  }

  toImage(x, y) {
    return [(x - this.x) / this.scale, (y - this.y) / this.scale];
  }

  toScreen([x, y]) {
    return [x * this.scale + this.x, y * this.scale + this.y];
  }

  /** What is seen, in pixels of the image: [left, top, right, bottom]. */
  get seen() {
    return [...this.toImage(0, 0), ...this.toImage(this.screenWidth, this.screenHeight)];
  }

  fit() {
    if (!this.width) return;
    const scale = Math.min(
      (this.screenWidth - 2 * MARGIN) / this.width,
      (this.screenHeight - 2 * MARGIN) / this.height,
    );
    this.fitScale = this.scale = Math.max(scale, 1e-3);
    this.x = (this.screenWidth - this.width * this.scale) / 2;
    this.y = (this.screenHeight - this.height * this.scale) / 2;
    this.#moved();
  }

  /** Zoom by a factor around a place of the screen, by default its middle. */
  zoom(factor, x = this.screenWidth / 2, y = this.screenHeight / 2) {
    const least = Math.min(this.fitScale ?? 1, 1) / 2;
    const scale = Math.min(Math.max(this.scale * factor, least), MOST_SCALE);
    const share = scale / this.scale;
    this.x = x - (x - this.x) * share;
    this.y = y - (y - this.y) * share;
    this.scale = scale;
    this.#moved();
  }

  pan(dx, dy) {
    this.x += dx;
    this.y += dy;
    this.#moved();
  }

  /** Bring a rectangle of the image into view; zooms only where it would be tiny or too large. */
  reveal([left, top, right, bottom]) {
    const size = Math.max(right - left, bottom - top, 1);
    const onScreen = size * this.scale;
    const room = Math.min(this.screenWidth, this.screenHeight);
    if (onScreen < 50 || onScreen > room * 0.8) {
      this.scale = Math.min(Math.max(room / 6 / size, this.fitScale ?? 0), MOST_SCALE);
    } else {
      const [x0, y0] = this.toScreen([left, top]);
      const [x1, y1] = this.toScreen([right, bottom]);
      const within = x0 >= 0 && y0 >= 0 && x1 <= this.screenWidth && y1 <= this.screenHeight;
      if (within) return;
    }
    this.x = placed((left + right) / 2, this.scale, this.width, this.screenWidth);
    this.y = placed((top + bottom) / 2, this.scale, this.height, this.screenHeight);
    this.#moved();
  }

  /** Paint a layer (or both) before the next frame. */
  refresh(...names) {
    if (!this.waiting.size) requestAnimationFrame(() => this.#frame());
    for (const name of names.length ? names : ["base", "top"]) this.waiting.add(name);
  }

  #moved() {
    this.refresh(this.last ? "view" : "base", "top");
    this.dispatchEvent(new Event("move"));
  }

  #resize() {
    const { width, height, top } = this.stage.getBoundingClientRect();
    const slid = top - (this.stageTop ?? top);
    this.stageTop = top;
    const ratio = devicePixelRatio || 1;
    const [before, earlier] = [this.screenWidth ?? 0, this.screenHeight ?? 0];
    const atFit = this.scale === this.fitScale;
    [this.screenWidth, this.screenHeight, this.ratio] = [width, height, ratio];
    for (const layer of Object.values(this.layers)) {
      layer.width = Math.max(1, Math.round(width * ratio));
      layer.height = Math.max(1, Math.round(height * ratio));
    }
    this.last = null;
    // Something came or went above the image: what is under the pointer stays there.
    if (slid && width === before && Math.abs(height + slid - earlier) < 1) this.pan(0, -slid);
    else if (atFit || !before) this.fit();
    else this.pan((width - before) / 2, (height - earlier) / 2);
  }

  #frame() {
    const waiting = new Set(this.waiting);
    this.waiting.clear();
    const { base, top } = this.contexts;
    this.inScreen(base);
    this.inScreen(top);
    if (waiting.has("base")) this.#paintBase(base);
    else if (waiting.has("view")) this.#moveBase(base);
    if (waiting.has("top")) {
      top.clearRect(0, 0, this.screenWidth, this.screenHeight);
      this.paint.top(top, this);
    }
    this.frames += 1;
  }

  #paintBase(context) {
    clearTimeout(this.resting);
    this.#paintImage(context);
    const many = this.paint.base(context, this) > MANY;
    this.last = many ? { canvas: this.#copyOfBase(), scale: this.scale, x: this.x, y: this.y } : null;
  }

  #copyOfBase() {
    const { base } = this.layers;
    const copy = this.last?.canvas ?? document.createElement("canvas");
    if (copy.width !== base.width || copy.height !== base.height) {
      [copy.width, copy.height] = [base.width, base.height];
    }
    copy.getContext("2d", { alpha: false }).drawImage(base, 0, 0);
    return copy;
  }

  #moveBase(context) {
    const { canvas, scale, x, y } = this.last;
    const share = this.scale / scale;
    this.#paintImage(context);
    context.imageSmoothingEnabled = true;
    context.drawImage(canvas, this.x - x * share, this.y - y * share,
      this.screenWidth * share, this.screenHeight * share);
    clearTimeout(this.resting);
    this.resting = setTimeout(() => this.refresh("base"), REST);
  }

  #paintImage(context) {
    context.fillStyle = "#0c0e12";
    context.fillRect(0, 0, this.screenWidth, this.screenHeight);
    if (!this.levels.length) return;
    const wanted = Math.floor(Math.log2(1 / (this.scale * this.ratio)));
    const level = this.levels[Math.min(Math.max(wanted, 0), this.levels.length - 1)];
    const share = level.width / this.width;
    const [left, top, right, bottom] = this.seen;
    const [x0, y0] = [Math.max(Math.floor(left), 0), Math.max(Math.floor(top), 0)];
    const [x1, y1] = [Math.min(Math.ceil(right), this.width), Math.min(Math.ceil(bottom), this.height)];
    if (x1 <= x0 || y1 <= y0) return;
    context.imageSmoothingEnabled = this.scale * this.ratio < SHARP_SCALE;
    const [sx, sy] = this.toScreen([x0, y0]);
    context.drawImage(
      level, x0 * share, y0 * share, (x1 - x0) * share, (y1 - y0) * share,
      sx, sy, (x1 - x0) * this.scale, (y1 - y0) * this.scale,
    );
  }

  /** Let a context draw in pixels of the image; lengths of the screen are divided by `scale`. */
  inImage(context) {
    const s = this.scale * this.ratio;
    context.setTransform(s, 0, 0, s, this.x * this.ratio, this.y * this.ratio);
  }

  inScreen(context) {
    context.setTransform(this.ratio, 0, 0, this.ratio, 0, 0);
  }
}
