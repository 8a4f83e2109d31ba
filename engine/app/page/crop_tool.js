// Drag a rectangle: the piece that is cut out of an image.
import { clamped } from "./geometry.js";
import { drawRectangle } from "./drawing.js";

export class CropTool {
  hint = "hintCrop";
  cursor = "crosshair";
  pans = false;

  constructor(desk) {
    this.desk = desk;
    this.rectangle = null; // {left, top, width, height} in whole pixels
    this.from = null;
    this.onchange = () => {};
    this.oncut = () => {};
    this.ondone = () => {};
  }

  /** Begin with the middle of the image, as spm.crop does. */
  enter() {
    const { width, height } = this.desk.viewer;
    const side = Math.round(0.45 * Math.min(width, height));
    this.set({
      left: Math.round((width - side) / 2), top: Math.round((height - side) / 2),
      width: side, height: side,
    });
  }

  set(rectangle) {
    const { width, height } = this.desk.viewer;
    const whole = (value, low, high) => Math.min(Math.max(Math.round(value) || 0, low), high);
    const left = whole(rectangle.left, 0, width - 1);
    const top = whole(rectangle.top, 0, height - 1);
    this.rectangle = {
      left, top,
      width: whole(rectangle.width, 1, width - left),
      height: whole(rectangle.height, 1, height - top),
    };
    this.onchange();
    this.desk.viewer.refresh("top");
  }

  down(place) {
    const { left, top, width, height } = this.rectangle;
    const within = place[0] > left && place[0] < left + width && place[1] > top && place[1] < top + height;
    this.from = { place, rectangle: within ? this.rectangle : null };
    return true;
  }

  drag(place) {
    const { place: from, rectangle } = this.from;
    const { viewer } = this.desk;
    if (rectangle) {
      const bound = (value, room) => Math.min(Math.max(value, 0), room);
      this.set({
        ...rectangle,
        left: bound(rectangle.left + place[0] - from[0], viewer.width - rectangle.width),
        top: bound(rectangle.top + place[1] - from[1], viewer.height - rectangle.height),
      });
      return;
    }
    const [a, b] = [from, place].map((point) => clamped(point, viewer.width, viewer.height));
    this.set({
      left: Math.min(a[0], b[0]), top: Math.min(a[1], b[1]),
      width: Math.abs(a[0] - b[0]), height: Math.abs(a[1] - b[1]),
    });
  }

  key(event) {
    if (event.key === "Enter") this.oncut();
    else if (event.key === "Escape") this.ondone();
    else return false;
    return true;
  }

  paint(context, viewer) {
    if (this.rectangle) drawRectangle(context, viewer, this.rectangle);
  }

  leave() {
    this.rectangle = null;
    this.onchange();
  }
}
