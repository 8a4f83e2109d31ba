// Hands on the image: the mouse, and a cross that the arrow keys move in the mouse's place.
// What a press means says the tool in hand:
//   down(point, event) -> whether the tool drags; drag(point, event); up(point, event); click(point)
//   move(point); key(event) -> whether it was meant for it; paint(context, viewer); enter(); leave()
import { drawCross } from "./drawing.js";

const CLICK = 4; // screen pixels that a hand may tremble
const STRIDE = 8; // screen pixels of an arrow key
const NONE = { hint: "", cursor: "default" };

export class Stage {
  constructor(viewer) {
    this.viewer = viewer;
    this.canvas = viewer.layers.top;
    this.tool = NONE;
    this.press = null; // {tool: bool, from: [x, y], moved: bool}
    this.cross = null; // screen place of the keyboard's cross
    this.space = false;
    this.mouse = null; // in the image
    const { canvas } = this;
    canvas.addEventListener("pointerdown", (event) => this.#down(event));
    canvas.addEventListener("pointermove", (event) => this.#move(event));
    canvas.addEventListener("pointerup", (event) => this.#up(event));
    canvas.addEventListener("pointercancel", () => (this.press = null));
    canvas.addEventListener("pointerleave", () => this.#left());
    canvas.addEventListener("contextmenu", (event) => event.preventDefault());
    canvas.addEventListener("wheel", (event) => this.#wheel(event), { passive: false });
    canvas.addEventListener("dblclick", (event) => this.tool.double?.(this.#point(event)));
    canvas.addEventListener("keydown", (event) => this.#key(event));
    canvas.addEventListener("keyup", (event) => this.#keyUp(event));
    canvas.addEventListener("blur", () => this.#blur());
  }

  /** Take a tool in hand; the one before puts away what it had begun. */
  take(tool) {
    if (tool === this.tool) return;
    this.tool.leave?.();
    this.tool = tool ?? NONE;
    this.press = null;
    this.tool.enter?.();
    this.canvas.style.cursor = this.tool.cursor;
    this.viewer.refresh();
  }

  paint(context) {
    this.tool.paint?.(context, this.viewer);
    if (this.cross) drawCross(context, this.cross);
  }

  #point(event) {
    return this.viewer.toImage(event.offsetX, event.offsetY);
  }

  #down(event) {
    if (!this.viewer.width) return;
    this.canvas.focus();
    this.canvas.setPointerCapture(event.pointerId);
    this.#hideCross();
    const from = [event.offsetX, event.offsetY];
    const pans = event.button !== 0 || this.space;
    const tool = !pans && Boolean(this.tool.down?.(this.#point(event), event));
    this.press = { tool, pans, from, last: from, moved: false };
  }

  #move(event) {
    if (!this.viewer.width) return;
    const point = this.#point(event);
    this.mouse = point;
    this.onplace?.(point);
    const press = this.press;
    if (!press) {
      this.tool.move?.(point, event);
      return;
    }
    const place = [event.offsetX, event.offsetY];
    const far = Math.hypot(place[0] - press.from[0], place[1] - press.from[1]) > CLICK;
    if (!press.moved && !far) return;
    press.moved = true;
    if (press.tool) this.tool.drag?.(point, event);
    else if (press.pans || this.tool.pans) {
      this.canvas.style.cursor = "grabbing";
      this.viewer.pan(place[0] - press.last[0], place[1] - press.last[1]);
    }
    press.last = place;
  }

  #up(event) {
    const press = this.press;
    this.press = null;
    this.canvas.style.cursor = this.tool.cursor;
    if (!press) return;
    const point = this.#point(event);
    if (press.tool) this.tool.up?.(point, press.moved);
    // Whoever clicks fast moves a little: a tool that does not pan takes that for a click.
    if (!press.pans && !press.tool && !(press.moved && this.tool.pans)) this.tool.click?.(point, event);
  }

  #left() {
    this.mouse = null;
    this.onplace?.(null);
    this.tool.move?.(null);
  }

  #wheel(event) {
    event.preventDefault();
    if (!this.viewer.width) return;
    const step = event.deltaMode === 1 ? 30 : 1; // lines, not pixels
    this.viewer.zoom(Math.exp(-event.deltaY * step * 0.0016), event.offsetX, event.offsetY);
    this.tool.move?.(this.#point(event), event);
  }

  #key(event) {
    if (event.ctrlKey || event.metaKey || !this.viewer.width) return;
    if (event.key === " ") {
      this.space = true;
      event.preventDefault();
      return;
    }
    if (this.tool.key?.(event)) {
      event.preventDefault();
      event.stopPropagation();
      return;
    }
    const way = ARROWS[event.key];
    if (!way) return;
    event.preventDefault();
    if (this.tool.crossed) this.#moveCross(way, event.shiftKey ? 1 : STRIDE);
    else this.viewer.pan(-way[0] * 40, -way[1] * 40);
  }

  #keyUp(event) {
    if (event.key !== " ") return;
    this.space = false;
    if (!this.cross || this.press) return;
    const point = this.viewer.toImage(...this.cross);
    if (!this.tool.down?.(point, event)) this.tool.click?.(point, event);
    else this.tool.up?.(point, false);
  }

  #moveCross([dx, dy], step) {
    const { screenWidth, screenHeight } = this.viewer;
    const [x, y] = this.cross ?? [screenWidth / 2, screenHeight / 2];
    this.cross = [
      Math.min(Math.max(x + dx * step, 0), screenWidth),
      Math.min(Math.max(y + dy * step, 0), screenHeight),
    ];
    const point = this.viewer.toImage(...this.cross);
    this.onplace?.(point);
    this.tool.move?.(point);
    this.viewer.refresh("top");
  }

  #hideCross() {
    if (!this.cross) return;
    this.cross = null;
    this.viewer.refresh("top");
  }

  #blur() {
    this.space = false;
    this.#hideCross();
  }
}

export const ARROWS = {
  ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1],
};
