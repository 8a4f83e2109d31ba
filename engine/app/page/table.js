// A table of molecules that may have thousands of rows: only those in sight are in the page.
import { el } from "./dom.js";

const texts = new Intl.Collator(undefined, { numeric: true });
const ROW = 28; // pixels; app.css says the same
const SPARE = 8; // rows above and below

/** Sortable, selects and is selected; the arrow keys walk through it. */
export class Table {
  /**
   * @param {{key, label, value: function, text: function, mark?: function}[]} columns
   * @param {string} label - for screen readers.
   * @param {function(Object)} onchoose - a row was chosen by the user.
   */
  constructor(columns, label, onchoose) {
    this.columns = columns;
    this.onchoose = onchoose;
    this.rows = [];
    this.chosen = null;
    this.order = { key: columns[0].key, down: false };
    this.head = el("div.row.head", { role: "row" });
    this.body = el("div.body", { role: "rowgroup" });
    this.scroll = el("div.scroll", { tabindex: "0", onscroll: () => this.#draw(), onkeydown: (e) => this.#key(e) }, this.body);
    this.element = el("div.table", { role: "grid", "aria-label": label }, this.head, this.scroll);
    new ResizeObserver(() => this.#draw()).observe(this.scroll);
    this.#drawHead();
  }

  /** Show other rows; each has an `id`. */
  setRows(rows, chosen) {
    this.rows = rows;
    this.chosen = chosen;
    this.#sort();
  }

  /** Mark the row that is chosen elsewhere, and bring it into sight. */
  choose(id) {
    this.chosen = id;
    const index = this.rows.findIndex((row) => row.id === id);
    if (index >= 0) this.#show(index);
    this.#draw();
  }

  /** The row before or after the chosen one, in the order shown, among those that pass. */
  beside(way, passes) {
    const rows = this.rows.filter((row) => passes(row) || row.id === this.chosen);
    if (!rows.some(passes)) return null;
    const now = rows.findIndex((row) => row.id === this.chosen);
    const next = now < 0 ? (way > 0 ? 0 : rows.length - 1) : now + way;
    return rows[(next + rows.length) % rows.length];
  }

  #sort() {
    const { key, down } = this.order;
    const { value } = this.columns.find((column) => column.key === key);
    const sign = down ? -1 : 1;
    this.rows = [...this.rows].sort((a, b) => {
      const [x, y] = [value(a), value(b)];
      if (x === y) return 0;
      if (x === null || y === null) return x === null ? 1 : -1; // what is not known comes last
      return sign * (typeof x === "string" ? texts.compare(x, y) : x - y);
    });
    this.element.setAttribute("aria-rowcount", this.rows.length + 1);
    this.body.style.height = `${this.rows.length * ROW}px`;
    this.#draw();
  }

  #drawHead() {
    const cells = this.columns.map(({ key, label }) => {
      const here = this.order.key === key;
      const sorted = here ? (this.order.down ? "descending" : "ascending") : "none";
      return el("div.cell", { role: "columnheader", "aria-sort": sorted, "data-key": key },
        el("button", { type: "button", onclick: () => this.#orderBy(key) },
          label, here ? (this.order.down ? " ▾" : " ▴") : ""));
    });
    this.head.replaceChildren(...cells);
  }

  #orderBy(key) {
    this.order = { key, down: this.order.key === key && !this.order.down };
    this.#drawHead();
    this.head.querySelector(`[data-key="${key}"] button`).focus();
    this.#sort();
  }

  #draw() {
    const first = Math.max(0, Math.floor(this.scroll.scrollTop / ROW) - SPARE);
    const count = Math.ceil(this.scroll.clientHeight / ROW) + 2 * SPARE;
    const made = this.rows.slice(first, first + count).map((row, i) => this.#row(row, first + i));
    this.body.replaceChildren(...made);
  }

  #row(row, index) {
    const here = row.id === this.chosen;
    const made = el("div.row", {
      role: "row", "aria-selected": String(here), "aria-rowindex": String(index + 2),
      onclick: () => this.#choose(row),
    });
    made.style.transform = `translateY(${index * ROW}px)`;
    for (const { key, text, mark } of this.columns) {
      const cell = el("div.cell", { role: "gridcell", "data-key": key });
      if (mark) cell.append(mark(row));
      cell.append(text(row));
      made.append(cell);
    }
    return made;
  }

  #choose(row) {
    this.chosen = row.id;
    this.#draw();
    this.onchoose(row);
  }

  #key(event) {
    const steps = { ArrowDown: 1, ArrowUp: -1, PageDown: 10, PageUp: -10, Home: -Infinity, End: Infinity };
    if (!(event.key in steps) || !this.rows.length) return;
    event.preventDefault();
    const now = this.rows.findIndex((row) => row.id === this.chosen);
    const next = Math.min(Math.max(now + steps[event.key], 0), this.rows.length - 1);
    this.#show(next);
    this.#choose(this.rows[next]);
  }

  #show(index) {
    const { scroll } = this;
    const top = index * ROW;
    if (top < scroll.scrollTop) scroll.scrollTop = top;
    else if (top + ROW > scroll.scrollTop + scroll.clientHeight) {
      scroll.scrollTop = top + ROW - scroll.clientHeight;
    }
  }
}
