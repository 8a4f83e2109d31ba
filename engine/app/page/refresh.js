// Asks the server how things stand: now and then, and more often while something runs.
import * as api from "./api.js";
import { desk } from "./desk.js";
import { state, tell } from "./state.js";

const OFTEN = 1500; // milliseconds, while a job runs
const SELDOM = 8000;
const SOON = 600; // while the server still reads: others ask it something too
let timer = null;
let rest = null; // timer
let lost = false;

/** Take /api/state anew. */
export async function refreshState() {
  const answer = await api.getState();
  for (const key of ["project", "images", "classes", "weights", "job"]) state[key] = answer[key];
  state.palette = answer.palette ?? [];
  desk.renewClasses();
  tell("state");
  tell("job");
  tell("classes");
  clearTimeout(rest);
  // Of hundreds of images the server first says what it has read by then.
  if (answer.complete === false) rest = setTimeout(() => refreshState().catch(() => null), SOON);
  return answer;
}

/** Follow the job, and see whether the server is there. */
export function follow() {
  clearTimeout(timer);
  timer = setTimeout(look, state.job?.running ? OFTEN : SELDOM);
}

async function look() {
  const before = state.job;
  try {
    state.job = await api.getJob();
    if (before?.running && !state.job?.running) await finished();
    else if (lost) await refreshState();
    lost = false;
    if (JSON.stringify(before) !== JSON.stringify(state.job)) tell("job");
    tell("server", true);
  } catch (error) {
    lost = true;
    tell("server", false, error.message);
  }
  follow();
}

async function finished() {
  await refreshState();
  await desk.reload();
  tell("finished");
}
