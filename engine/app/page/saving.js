// Saves the outlines by itself after each change. Nothing drawn is lost in silence: until the server
// has it, a copy lies in the browser, and when another page has changed the file, the user decides.
import * as api from "./api.js";
import { mergeFlags, mergeShapes } from "./merge.js";
import { debounced } from "./dom.js";

const PAUSE = 350; // milliseconds after the last change
const AGAIN = 3000; // milliseconds until the next attempt without a server

/** Saves the outlines of one open file at a time; listeners hear "mark". */
export class Saver extends EventTarget {
  constructor(outlines, project) {
    super();
    this.outlines = outlines;
    this.project = project;
    this.file = null;
    this.mark = "none"; // none, saved, unsaved, saving, failed, conflict
    this.#soon = debounced(() => this.save(), PAUSE);
    outlines.addEventListener("change", () => this.#changed());
    addEventListener("beforeunload", (event) => {
      if (this.dirty) event.preventDefault();
    });
  }

  #soon;
  #running = null;

  get dirty() {
    return this.file !== null && this.outlines.version !== this.savedVersion;
  }

  /** The outlines of another file were loaded. */
  open(file, answer) {
    this.file = null;
    this.outlines.load(answer);
    this.file = file;
    this.#isSaved(answer ? answer.revision : null);
    this.#show(file ? "saved" : "none");
  }

  /** A copy that an earlier page could not save, as {shapes, flags, base, baseFlags}, or null. */
  leftOver() {
    try {
      return JSON.parse(localStorage.getItem(this.#place()));
    } catch {
      return null; // not ours
    }
  }

  throwAway() {
    localStorage.removeItem(this.#place());
  }

  /** Bring back what an earlier page could not save. */
  bringBack(copy) {
    this.#merge(copy.base, copy.baseFlags, copy.shapes, copy.flags);
  }

  /** Save now; returns when the server has what was drawn until now, or has refused it. */
  async save() {
    while (this.#running) await this.#running;
    if (!this.dirty) return;
    if (this.mark === "conflict") {
      this.#keepCopy(); // what is drawn while the user has not decided
      return;
    }
    this.#running = this.#put();
    try {
      await this.#running;
    } finally {
      this.#running = null;
    }
  }

  /** After a refusal: take the file's state; ours can be brought back with undo. */
  async loadTheirs() {
    const answer = await api.getAnnotation(this.file);
    this.outlines.change(answer.shapes, { flags: answer.flags, chosen: null });
    this.#isSaved(answer.revision);
    this.throwAway();
    this.#show("saved");
  }

  /** After a refusal: do what was done here to the file's state, and save it. */
  async merge() {
    const { shapes, flags } = this.outlines;
    const [base, baseFlags] = [this.base, this.baseFlags];
    const answer = await api.getAnnotation(this.file);
    this.outlines.revision = answer.revision;
    this.#show("unsaved");
    const now = { shapes: answer.shapes, flags: answer.flags };
    this.#merge(base, baseFlags, shapes, flags, now);
    await this.save();
  }

  #merge(base, baseFlags, shapes, flags, now = this.outlines) {
    const [theirs, theirFlags] = [now.shapes, now.flags];
    const merged = mergeShapes(base, shapes, theirs);
    [this.base, this.baseFlags] = [theirs, theirFlags];
    this.outlines.change(merged, { flags: mergeFlags(baseFlags, flags, theirFlags), chosen: null });
  }

  #changed() {
    if (!this.file || !this.dirty) return;
    if (this.mark !== "conflict") this.#show("unsaved");
    this.#soon();
  }

  async #put() {
    const { outlines, file } = this;
    const { version, shapes, flags } = outlines;
    this.#keepCopy();
    this.#show("saving");
    const sent = shapes.map(({ id, class_name, parts, holes }) =>
      id.startsWith("new-") ? { class_name, parts, holes } : { id, class_name, parts, holes },
    );
    try {
      const answer = await api.putAnnotation(file, { revision: outlines.revision, flags, shapes: sent });
      outlines.path = answer.file ?? outlines.path;
      this.#isSaved(answer.revision, version, shapes, flags, answer.ids);
      this.throwAway();
      this.#show(this.dirty ? "unsaved" : "saved");
      if (this.dirty) this.#soon();
    } catch (error) {
      this.reason = error.message;
      this.#show(error.status === 409 ? "conflict" : "failed");
      if (error.status === 0) setTimeout(() => this.save(), AGAIN);
    }
  }

  #isSaved(revision, version = this.outlines.version, shapes = this.outlines.shapes,
    flags = this.outlines.flags, ids = null) {
    this.outlines.revision = revision;
    this.savedVersion = version;
    const named = new Map();
    shapes.forEach((shape, i) => {
      if (ids && ids[i] !== undefined && ids[i] !== shape.id) named.set(shape.id, ids[i]);
    });
    this.base = shapes.map((shape) =>
      named.has(shape.id) ? { ...shape, id: named.get(shape.id) } : shape,
    );
    this.baseFlags = flags;
    if (named.size) this.outlines.rename(named);
  }

  #keepCopy() {
    const { shapes, flags } = this.outlines;
    const copy = { shapes, flags, base: this.base, baseFlags: this.baseFlags };
    try {
      localStorage.setItem(this.#place(), JSON.stringify(copy));
    } catch {
      // The browser's store is full: the page asks before it is closed, as always.
    }
  }

  #place() {
    return `unsaved:${this.project()}:${this.file.folder}/${this.file.name}`;
  }

  #show(mark) {
    this.mark = mark;
    this.dispatchEvent(new Event("mark"));
  }
}
