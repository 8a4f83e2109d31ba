// The page: steps at the top, images on the left, the open one in the middle, and on the right what
// the step is about. The server does all the work; see api.js.
import { desk } from "./desk.js";
import { $, attempt, el } from "./dom.js";
import { setUpKeys } from "./keys.js";
import { drawStates, setUpList } from "./list.js";
import { imagesPanel, setUpCrop } from "./panel_images.js";
import { lookPanel, setUpLook } from "./panel_look.js";
import { outlinePanel } from "./panel_outline.js";
import { loadResults, resultsPanel } from "./panel_results.js";
import { enterTrain, jobWords, phaseWords, trainPanel } from "./panel_train.js";
import { follow, refreshState } from "./refresh.js";
import { on, openEntry, state, STEPS, tell } from "./state.js";
import { setUpToolbar } from "./toolbar.js";
import { say, speak, spoken } from "./words.js";

const PANELS = {
  images: imagesPanel, outline: outlinePanel, train: trainPanel, look: lookPanel,
  results: resultsPanel,
};

function drawSteps() {
  const tabs = STEPS.map((step, i) =>
    el("button.step", {
      type: "button", role: "tab", id: `step-${step}`, "aria-controls": "panel",
      "aria-selected": String(step === state.step), tabindex: step === state.step ? "0" : "-1",
      "aria-keyshortcuts": `Alt+${i + 1}`, onclick: () => tell("step", step),
      onkeydown: (event) => {
        const way = { ArrowRight: 1, ArrowLeft: -1 }[event.key];
        if (!way) return;
        event.preventDefault();
        tell("step", STEPS[(i + way + STEPS.length) % STEPS.length]);
        $(`step-${state.step}`).focus();
      },
    }, el("b", { text: String(i + 1), "aria-hidden": "true" }), say(step)));
  const focused = $("steps").contains(document.activeElement);
  $("steps").replaceChildren(...tabs);
  if (focused) $(`step-${state.step}`).focus();
  $("panel").setAttribute("aria-labelledby", `step-${state.step}`);
}

let waiting = false;

/** Draw the panel anew before the next frame; focus and place stay. */
function drawPanel() {
  if (waiting) return;
  waiting = true;
  requestAnimationFrame(() => {
    waiting = false;
    const panel = $("panel");
    const held = panel.contains(document.activeElement) ? placeOf(document.activeElement) : null;
    const typed = $("newClass")?.value;
    const { scrollTop } = panel;
    panel.replaceChildren(...PANELS[state.step]().filter(Boolean));
    panel.scrollTop = scrollTop;
    if (typed && $("newClass") && !desk.classes().some(({ name }) => name === typed.trim())) {
      $("newClass").value = typed;
    }
    if (held) again(panel, held)?.focus({ preventScroll: true });
  });
}

const FOCUSABLE = "button, input, select, summary, a, [tabindex]";

// What has the focus is found again by its id, its class, or its number among its kind.
function placeOf(element) {
  const kin = [...$("panel").querySelectorAll(FOCUSABLE)];
  return { id: element.id, name: element.dataset.class, text: element.textContent, at: kin.indexOf(element) };
}

function again(panel, { id, name, text, at }) {
  if (id) return $(id);
  if (name) return panel.querySelector(`[data-class="${CSS.escape(name)}"]`);
  const kin = [...panel.querySelectorAll(FOCUSABLE)];
  return kin.find((each, i) => i === at && each.textContent === text) ?? kin.find((each) => each.textContent === text) ?? null;
}

function drawFrame() {
  document.title = say("title", { project: state.project });
  $("project").textContent = state.project;
  for (const marked of document.querySelectorAll("[data-label]")) {
    marked.setAttribute("aria-label", say(marked.dataset.label));
    if (marked.tagName === "BUTTON") marked.title = say(marked.dataset.label);
  }
  $("language").textContent = spoken() === "zh" ? "English" : "中文";
  $("language").lang = spoken() === "zh" ? "en" : "zh";
  drawSteps();
}

function drawJob() {
  const { job } = state;
  $("jobMark").hidden = !job?.running;
  if (!job?.running) return;
  $("jobMark").textContent = phaseWords(job) || jobWords(job);
  $("jobMark").title = jobWords(job);
}

function chooseStep(step) {
  if (desk.toolName !== "select") desk.take("select");
  if (step !== "look") [desk.least, desk.compared] = [0, null];
  state.step = step;
  drawSteps();
  drawPanel();
  desk.viewer.refresh();
  openFor(step);
  if (step === "train") enterTrain();
  if (step === "results") loadResults();
}

/** Outlines are drawn on training pieces, and predictions looked at on images: where the open file
 * is none of these, the one that it belongs to is opened. */
function openFor(step) {
  const entry = openEntry();
  if (!entry) return;
  const stem = entry.name.replace(/(-cut(_\d+)?)?\.[^.]*$/, "");
  const near = (entries) => entries.find(({ name }) => name.startsWith(stem)) ?? entries[0];
  let other = null;
  if (step === "outline" && entry.folder === "images" && desk.outlines.source !== "yours") {
    other = near(state.images.filter(({ folder }) => folder === "aug_test_in"));
  } else if (step === "look" && entry.predicted === null) {
    other = near(state.images.filter(({ predicted }) => predicted !== null));
    if (entry.folder !== "images") other ??= near(state.images.filter(({ folder }) => folder === "images"));
  }
  if (other) desk.open({ folder: other.folder, name: other.name });
}

function setUpFrame() {
  $("language").addEventListener("click", () => {
    speak(spoken() === "zh" ? "en" : "zh");
    drawFrame();
    tell("language");
  });
  $("jobMark").addEventListener("click", () => tell("step", "train"));
  on("step", chooseStep);
  on("job", drawJob);
  on("language", drawJob);
  on("finished", () => state.step === "results" && loadResults());
  for (const name of ["file", "tool", "classes", "language", "check", "results", "state"]) on(name, drawPanel);
  on("job", () => ["train", "look"].includes(state.step) && drawPanel());
  desk.outlines.addEventListener("change", drawPanel);
  desk.outlines.addEventListener("choose", drawPanel);
  desk.saver.addEventListener("mark", () => desk.saver.mark === "saved" && afterSaving());
  desk.tools.alike.onchange = drawPanel;
  on("server", (there, reason) => {
    $("alone").hidden = there;
    $("alone").textContent = there ? "" : reason;
  });
}

/** The list says what was saved without asking the server again. */
function noteSaved() {
  const entry = openEntry();
  const { outlines } = desk;
  if (!entry || !outlines.version) return;
  if (outlines.source === "prediction") outlines.source = "correction";
  if (outlines.source === "none") outlines.source = "yours";
  if (outlines.source === "correction") entry.corrected = true;
  else entry.outlines = outlines.shapes.length;
  entry.partial = Boolean(outlines.flags.partial);
  drawStates();
}

let known = "";

/** A class that was saved for the first time has got its colour from the server. */
async function afterSaving() {
  noteSaved();
  const names = desk.classes().map(({ name }) => name).join("\n");
  if (names === known) return;
  known = names;
  if (desk.outlines.shapes.length) await refreshState().catch(() => null);
}

async function begin() {
  const answer = await attempt(refreshState);
  speak(answer?.language ?? navigator.language.slice(0, 2));
  setUpFrame();
  setUpList();
  setUpLook();
  setUpCrop();
  setUpToolbar();
  setUpKeys();
  drawFrame();
  drawPanel();
  drawJob();
  tell("language");
  follow();
  const first = state.images.find((entry) => entry.folder === "images") ?? state.images[0];
  if (first) await desk.open({ folder: first.folder, name: first.name });
}

await begin();
// For the tests, and for whoever is curious; there when the first image is.
globalThis.page = { desk, state };
