// Step 3: what a check finds, one button, and how the run goes.
import * as api from "./api.js";
import { lossChart, lossLegend } from "./chart.js";
import { attempt, button, el } from "./dom.js";
import { desk } from "./desk.js";
import { follow } from "./refresh.js";
import { state, tell } from "./state.js";
import { say } from "./words.js";

let findings = null; // of the last check
let selfTraining = false;
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
  const goesOn = job?.stopped && job.kind !== "predict";
  const tick = el("label.tick", {},
    el("input", {
      type: "checkbox", id: "selfTraining", checked: selfTraining,
      onchange: (event) => (selfTraining = event.target.checked),
    }),
    el("span", { text: say("selfTraining") }));
  const begin = () => start("workflow", { self_training: selfTraining });
  return [
    el("div.buttons", {}, button(goesOn ? "goOn" : "trainNow", begin, { class: "main big", id: "train" })),
    tick, el("p.soft", { text: say("selfTrainingHint") }),
  ];
}

/** Start a job and follow it. */
export async function start(kind, options) {
  await desk.saver.save();
  if (desk.saver.dirty) return;
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
      job.running ? bar : null,
      job.running && job.stage ? el("p.soft", { id: "stage-now", text: job.stage }) : null,
      job.running && job.minutes_left !== null && job.minutes_left !== undefined
        ? el("p.soft", { text: say("minutesLeft", { n: Math.max(1, Math.round(job.minutes_left)) }) }) : null,
      job.losses?.length ? lossChart(job.losses, job.epochs, say) : null,
      job.losses?.length ? lossLegend(say) : null,
      job.running
        ? el("div.buttons", {}, button("stop", async () => {
          const now = await attempt(() => api.stopJob());
          if (now) state.job = now;
          tell("job");
        }, { id: "stop" }))
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

/** What a job does, in a few words. */
export function jobWords(job) {
  const kind = say(`job_${job.kind}`);
  if (job.phase === "training" && job.epochs) {
    const now = Math.min((job.epoch ?? 0) + 1, job.epochs); // `epoch` is the last that is done
    return `${kind}: ${say("epochOf", { n: now, of: job.epochs })}`;
  }
  return job.phase && job.phase !== "ended" ? `${kind}: ${say(`phase_${job.phase}`)}` : kind;
}

function ending(job) {
  if (job.stopped) return say("jobStopped");
  return say(job.status === 0 ? "jobDone" : "jobFailed");
}

function checkSection() {
  const again = button(findings ? "checkAgain" : "checkNow", runCheck, { id: "check" });
  const head = el("h3", { text: say("check") });
  if (!findings) return [head, el("p.soft", { text: say("checkHint") }), el("div.buttons", {}, again)];
  const { ok, lines, problems } = findings;
  const list = problems.map((problem) =>
    el("li", {}, el("button.finding", { type: "button", onclick: () => goTo(problem) },
      el("b", { text: problem.name }), el("span", { text: problem.text }))));
  return [
    head,
    el("p", { class: ok ? "good" : "bad", text: say(ok ? (problems.length ? "checkRemarks" : "checkGood") : "checkBad") }),
    problems.length ? el("ul.findings", {}, ...list) : null,
    lines.length ? el("details.lines", { open: true }, el("summary", { text: say("checkLines") }),
      ...lines.map((line) => el("p.soft", { text: line }))) : null,
    el("div.buttons", {}, again),
  ];
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
