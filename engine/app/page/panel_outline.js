// Step 2: classes, proposals, and what is outlined so far.
import { attempt, button, el, notice } from "./dom.js";
import { chosenBox, classList } from "./chosen.js";
import { desk } from "./desk.js";
import { cropButtons } from "./panel_images.js";
import { state, tell } from "./state.js";
import { say } from "./words.js";

/** What is in the panel. */
export function outlinePanel() {
  if (!state.file) return [el("h2", { text: say("outline") }), el("p", { text: say("chooseImage") })];
  const { outlines } = desk;
  if (state.file.folder === "images" && outlines.source !== "yours") {
    return [el("h2", { text: say("outline") }), el("p", { text: say("onlyPieces") }), cropButtons()];
  }
  const partial = el("label.tick", {},
    el("input", {
      type: "checkbox", id: "partial", checked: Boolean(outlines.flags.partial),
      onchange: (event) => outlines.setFlag("partial", event.target.checked),
    }),
    el("span", { text: say("partial") }));
  return [
    el("h2", { text: say("outline") }),
    el("p", { text: say("outlinedSoFar", { n: outlines.shapes.length }) }),
    el("h3", { text: say("classes") }), classList(),
    el("h3", { text: say("findTheOthers") }), ...alikeSection(),
    el("h3", { text: say("chosen") }), chosenBox(),
    partial, el("p.soft", { text: say("partialHint") }),
    outlines.path ? el("p.soft.path", { text: say("savedIn", { file: outlines.path }) }) : null,
    el("div.next", {}, button("toTrain", () => tell("step", "train"), { class: "main" })),
  ];
}

function alikeSection() {
  const { alike } = desk.tools;
  if (desk.toolName === "alike" && alike.proposals.length) {
    return [
      el("p", { id: "proposed", text: say("proposed", { n: alike.proposals.length }) }),
      el("div.buttons", {},
        button("acceptAll", () => alike.acceptAll(), { class: "main", id: "acceptAll" }),
        button("refuseAll", () => alike.refuseAll(), { id: "refuseAll" })),
    ];
  }
  return [
    el("p.soft", { text: say("alikeHint") }),
    el("div.buttons", {}, button("findAlike", findAlike, {
      id: "findAlike", disabled: !desk.outlines.shapes.length, "aria-keyshortcuts": "F",
    })),
  ];
}

let searching = false;

/** Ask for all molecules that look like those outlined. */
export async function findAlike() {
  if (searching || !desk.outlines.shapes.length) return;
  searching = true;
  document.body.classList.add("waiting");
  const found = await attempt(() => desk.tools.alike.find());
  document.body.classList.remove("waiting");
  searching = false;
  if (found === 0) notice(say("noneAlike"));
  if (!found) return;
  desk.outlines.choose(null);
  desk.take("alike");
  desk.viewer.layers.top.focus();
}
