// One click proposes an outline, which is taken at once (undo takes it back); "find alike" proposes
// all others of the classes outlined so far, and each is taken or refused with a click.
import * as api from "./api.js";
import { drawProposals } from "./drawing.js";
import { newShape } from "./draw_tool.js";
import { notice } from "./dom.js";
import { SelectTool } from "./select_tool.js";
import { ARROWS } from "./stage.js";
import { say } from "./words.js";

/** Like the tool that selects, so that what was proposed can be mended at once. */
export class ProposeTool extends SelectTool {
  hint = "hintPropose";
  cursor = "cell";
  pans = false;
  crossed = true;
  #asked = Promise.resolve();

  click(place) {
    const { outlines } = this.desk;
    const under = outlines.at(place, this.desk.shown());
    if (under) {
      outlines.choose(under.id);
      return;
    }
    if (!this.desk.classChosen()) return;
    const [file, className] = [this.desk.file(), this.desk.className()];
    // One after the other: two quick clicks must not overtake one another.
    this.#asked = this.#asked.then(() => this.#propose(place, file, className));
  }

  key(event) {
    return ARROWS[event.key] ? false : super.key(event);
  }

  async #propose(place, file, className) {
    document.body.classList.add("waiting");
    try {
      const { points } = await api.propose(file, place);
      if (this.desk.file() !== file) return; // another image was opened meanwhile
      const shape = newShape(className, points);
      this.desk.outlines.add([shape], shape.id);
    } catch (error) {
      notice(error.message, error.status === 422 ? "note" : "error");
    } finally {
      document.body.classList.remove("waiting");
    }
  }
}

export class AlikeTool {
  hint = "hintAlike";
  cursor = "pointer";
  pans = true;

  constructor(desk) {
    this.desk = desk;
    this.proposals = [];
    this.hot = null;
    this.ondone = () => {};
    this.onchange = () => {};
  }

  /** Show proposals; how many there are. */
  async find() {
    const { outlines } = this.desk;
    const file = this.desk.file();
    const shapes = outlines.shapes.map(({ class_name, parts }) => ({ class_name, parts }));
    const { proposals } = await api.alike(file, shapes);
    if (this.desk.file() !== file) return 0;
    this.proposals = proposals.map(({ class_name, points, likeness }) => ({
      ...newShape(class_name, points), likeness,
    }));
    this.hot = null;
    this.onchange();
    return this.proposals.length;
  }

  /** Left click takes a proposal, with Alt it is refused. */
  click(place, event) {
    const shape = this.desk.outlines.at(place, this.proposals);
    if (!shape) return;
    if (event.altKey) this.refuse(shape);
    else this.accept(shape);
  }

  accept(shape) {
    this.#without(shape);
    this.desk.outlines.add([{ ...shape, likeness: null }]);
    this.#next();
  }

  refuse(shape) {
    this.#without(shape);
    this.#next();
  }

  acceptAll() {
    const { proposals } = this;
    this.proposals = [];
    if (proposals.length) {
      this.desk.outlines.add(proposals.map((shape) => ({ ...shape, likeness: null })));
    }
    this.ondone();
  }

  refuseAll() {
    this.proposals = [];
    this.ondone();
  }

  move(place) {
    const hot = place ? this.desk.outlines.at(place, this.proposals) : null;
    if (hot === this.hot) return;
    this.hot = hot;
    this.desk.viewer.refresh("top");
  }

  key(event) {
    if (event.key === "Enter") this.acceptAll();
    else if (event.key === "Escape") this.refuseAll();
    else if (event.key === "n" || event.key === "p") this.#go(event.key === "n" ? 1 : -1);
    else if (event.key === "y" && this.hot) this.#andGoOn(() => this.accept(this.hot));
    else if (event.key === "x" && this.hot) this.#andGoOn(() => this.refuse(this.hot));
    else return false;
    return true;
  }

  paint(context, viewer) {
    drawProposals(context, viewer, this.proposals, this.desk, this.hot);
  }

  leave() {
    if (this.proposals.length) notice(say("proposalsLeft", { n: this.proposals.length }));
    this.proposals = [];
    this.hot = null;
    this.onchange();
  }

  #without(shape) {
    this.proposals = this.proposals.filter((other) => other !== shape);
    if (this.hot === shape) this.hot = null;
  }

  #next() {
    this.desk.viewer.refresh();
    this.onchange();
    if (!this.proposals.length) this.ondone();
  }

  #go(way) {
    const count = this.proposals.length;
    if (!count) return;
    const now = this.proposals.indexOf(this.hot);
    this.hot = this.proposals[now < 0 ? 0 : (now + way + count) % count];
    this.desk.reveal(this.hot);
    this.desk.viewer.refresh("top");
  }

  #andGoOn(work) {
    const now = this.proposals.indexOf(this.hot);
    work();
    this.hot = this.proposals[Math.min(now, this.proposals.length - 1)] ?? null;
    if (this.hot) this.desk.reveal(this.hot);
    this.desk.viewer.refresh("top");
  }
}
