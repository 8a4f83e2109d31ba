// Step 3: what a check finds, one button, and how the run goes.
import * as api from "./api.js";
import { lossChart, lossLegend } from "./chart.js";
import { attempt, button, el, notice } from "./dom.js";
import { desk } from "./desk.js";
import { state, tell } from "./state.js";
import { follow, refreshState } from "./refresh.js";
import { say } from "./words.js";
import { said } from "./words_server.js";

let findings = null; // of the last check
// Ways of training with few outlines, named as the settings of workflow.py are.
const ways = { examples: false, self_training: false };
let logOpen = false;
let logTop = null; // null: at its end, and follows it

/** What is in the panel. */
export function trainPanel() {
  const { job } = state;
  return [
    el("h2", { text: say("train") }),
    el("p", { text: state.weights ? say("trained", { name: state.weights.split(/[\\/]/).at(-1) }) : say("notTrained") }),
    ...(job ? jobSection(job) : []),
    ...(job?.running ? [] : startSection(job)),
    ...checkSection(),
  ];
}

function startSection(job) {
  const goesOn = job && (job.stopped || job.status === null) && job.kind !== "predict";
  return [
    el("div.buttons", {}, button(goesOn ? "goOn" : "trainNow", train, { class: "main big", id: "train" })),
    ...wayTick("examples", "examples"), ...wayTick("self_training", "selfTraining"),
  ];
}

function wayTick(way, word) {
  const tick = el("input", {
    type: "checkbox", id: word, checked: ways[way],
    onchange: (event) => (ways[way] = event.target.checked),
  });
  return [
    el("label.tick", {}, tick, el("span", { text: say(word) })),
    el("p.soft", { text: say(`${word}Hint`) }),
  ];
}

async function train() {
  await desk.saver.save();
  await attempt(refreshState);
  const outlined = state.images.some(({ folder, outlines, damaged }) =>
    folder === "aug_test_in" && (outlines || damaged)); // of a damaged file the run says what is wrong
  if (!outlined) notice(say("nothingOutlined"), "error");
  else await start("workflow", { ...ways });
}

/** Start a job and follow it. */
export async function start(kind, options) {
  await desk.saver.save();
  if (desk.saver.dirty) {
    notice(say("saveFirst"), "error");
    return;
  }
  const job = await attempt(() => api.startJob(kind, options));
  if (!job) return;
  state.job = job;
  tell("job");
  follow();
}

function jobSection(job) {
  const percent = job.phase === "training" && job.epochs ? Math.round((100 * (job.epoch ?? 0)) / job.epochs) : null;
  const words = job.running ? jobWords(job) : ending(job);
  const bar = el("progress", { max: "100", "aria-label": words });
  if (percent !== null || !job.running) bar.value = job.running ? percent : 100;
  return [
    el("div.job", { "data-running": String(job.running) },
      el("p.stage", { text: words }),
      ...reasons(job).slice(0, 3).map((text) => el("p.reason", { text })),
      job.running ? bar : null,
      job.running && isOfNow(job) ? el("p.soft", { id: "stage-now", text: said(job.stage) }) : null,
      job.running && job.minutes_left !== null && job.minutes_left !== undefined
        ? el("p.soft", { text: say("minutesLeft", { n: Math.max(1, Math.round(job.minutes_left)) }) }) : null,
      job.losses?.length ? lossChart(job.losses, job.epochs, say) : null,
      job.losses?.length ? lossLegend(say) : null,
      job.running
        ? el("div.buttons", {}, button("stop", async (event) => {
          event.target.disabled = true; // the panel is drawn anew with the answer
          state.job = (await attempt(() => api.stopJob())) ?? state.job;
          tell("job");
        }, { id: "stop", disabled: Boolean(job.stopping) }))
        : null,
      job.running ? el("p.soft", { text: say("closeHint") }) : null,
      logBox(job)),
  ];
}

function logBox(job) {
  if (!job.log?.length) return null;
  const text = el("pre", {
    tabindex: "0", text: job.log.join("\n"), "aria-label": say("log"),
    onscroll: () => (logTop = text.scrollTop + text.clientHeight > text.scrollHeight - 8 ? null : text.scrollTop),
  });
  const box = el("details", { open: logOpen, ontoggle: () => (logOpen = box.open) },
    el("summary", { text: say("log") }), text);
  requestAnimationFrame(() => (text.scrollTop = logTop ?? text.scrollHeight));
  return box;
}

/** Whether the last line of a job is about what it does now, not about an epoch that is done. */
function isOfNow({ stage, epoch }) {
  const [, of] = /^epoch (\d+): \d+ of /.exec(stage) ?? [];
  return Boolean(stage) && (of === undefined || Number(of) > (epoch ?? 0));
}

/** What a job does, in a few words. */
export function jobWords(job) {
  const kind = say(`job_${job.kind}`);
  const phase = phaseWords(job);
  return phase ? say("jobPhase", { kind, phase }) : kind;
}

/** How far a job is, in two or three words. */
export function phaseWords(job) {
  if (job.stopping) return say("phase_stopping");
  if (job.phase === "training" && job.epochs) {
    const now = Math.min((job.epoch ?? 0) + 1, job.epochs); // `epoch` is the last that is done
    return say("epochOf", { n: now, of: job.epochs });
  }
  return job.phase && job.phase !== "ended" ? say(`phase_${job.phase}`) : "";
}

function ending(job) {
  if (job.stopped) return say("jobStopped");
  if (job.status === null) return say("jobKilled");
  return say(job.status === 0 ? "jobDone" : "jobFailed");
}

const ERROR = "error: ";

/** The sentences with which a run has ended. */
function reasons(job) {
  if (job.running || job.stopped || !job.status) return [];
  return (job.log ?? []).filter((line) => line.startsWith(ERROR)).map((line) => said(line.slice(ERROR.length)));
}

function checkSection() {
  const again = button(findings ? "checkAgain" : "checkNow", runCheck, { id: "check" });
  const head = el("h3", { text: say("check") });
  if (!findings) return [head, el("p.soft", { text: say("checkHint") }), el("div.buttons", {}, again)];
  const { ok, lines, problems } = findings;
  const list = problems.map((problem) => el("li", {}, finding(problem)));
  return [
    head,
    el("p", { class: ok ? "good" : "bad", text: say(ok ? (problems.length ? "checkRemarks" : "checkGood") : "checkBad") }),
    problems.length ? el("ul.findings", {}, ...list) : null,
    lines.length ? el("details.lines", { open: !problems.length }, el("summary", { text: say("checkLines") }),
      ...lines.map((line) => el("p.soft", { text: said(line) }))) : null,
    el("div.buttons", {}, again),
  ];
}

/** What the check has found; a button, where there is something to look at. */
function finding(problem) {
  const { name, kind, text } = problem;
  const about = [name, kind && said(kind)].filter(Boolean).join(" · ");
  const words = [about ? el("b", { text: about }) : null, el("span", { text: said(text) })];
  if (!name) return el("div.finding", {}, ...words);
  return el("button.finding", { type: "button", onclick: () => goTo(problem) }, ...words);
}

const AROUND = 40; // pixels around a place to look at

async function goTo({ folder, name, shape, x, y }) {
  if (!folder || !name) return;
  await desk.open({ folder, name });
  if (shape !== null && shape !== undefined) desk.goTo(shape);
  else if (Number.isFinite(x)) desk.viewer.reveal([x - AROUND, y - AROUND, x + AROUND, y + AROUND]);
}

/** Check all outlines as the run will. */
export async function runCheck() {
  await desk.saver.save();
  document.body.classList.add("waiting");
  findings = await attempt(() => api.check());
  document.body.classList.remove("waiting");
  tell("check");
}

/** The step was chosen. */
export function enterTrain() {
  if (!findings && !state.job?.running) runCheck();
}
