// What the page asks the server for. The contract stands in engine/app.
import { say } from "./words.js";
import { said } from "./words_server.js";

const token = new URLSearchParams(location.search).get("token") ?? "";

/** What the server refused, as one sentence; `status` 0: there is no server. */
export class ServerError extends Error {
  constructor(message, status, answer = {}) {
    super(message);
    this.status = status;
    this.answer = answer;
  }
}

async function ask(method, path, body) {
  const options = { method, headers: { "X-Token": token } };
  if (body instanceof Blob) options.body = body;
  else if (body !== undefined) {
    options.body = JSON.stringify(body);
    options.headers["Content-Type"] = "application/json";
  }
  let response;
  try {
    response = await fetch(path, options);
  } catch {
    throw new ServerError(say("noServer"), 0);
  }
  if (response.ok) return response;
  const answer = await response.json().catch(() => ({}));
  const sentence = response.status === 403 ? say("newAddress") : answer.error && said(answer.error);
  throw new ServerError(sentence ?? `${response.status} ${response.statusText}`, response.status, answer);
}

const json = async (...values) => (await ask(...values)).json();
const of = ({ folder, name }) => `${folder}/${encodeURIComponent(name)}`;
const query = (values) => {
  const set = Object.entries(values).filter(([, value]) => value !== null && value !== undefined);
  return set.length ? `?${new URLSearchParams(set)}` : "";
};

export const getState = () => json("GET", "api/state");
export const getInfo = (file) => json("GET", `api/info/${of(file)}`);
export const getImage = async (file, view) =>
  (await ask("GET", `api/image/${of(file)}${query(view)}`)).blob();
/** A small picture of a large microscope file, until getImage has it; null where that is as fast. */
export const getSight = async (file) => {
  const response = await ask("GET", `api/sight/${of(file)}`);
  return response.status === 204 ? null : response.blob();
};
export const convert = (file, view) => json("POST", `api/convert/${of(file)}`, view);
export const upload = (file, blob) => json("POST", `api/upload/${of(file)}`, blob);
export const crop = (file, rectangle) => json("POST", `api/crop/${of(file)}`, rectangle);
export const getAnnotation = (file, version = "latest") =>
  json("GET", `api/annotation/${of(file)}${query({ version })}`);
export const putAnnotation = (file, body) => json("PUT", `api/annotation/${of(file)}`, body);
export const propose = (file, [x, y]) => json("POST", `api/propose/${of(file)}`, { x, y });
export const alike = (file, shapes) => json("POST", `api/alike/${of(file)}`, { shapes });
export const check = () => json("POST", "api/check", {});
export const startJob = (kind, options) => json("POST", "api/job", { kind, options });
export const getJob = () => json("GET", "api/job");
export const stopJob = () => json("POST", "api/job/stop", {});
export const getResults = () => json("GET", "api/results");
export const exportAll = (format) => json("POST", "api/export", { format });
export const openFolder = () => json("POST", "api/open_folder", {});

/** The address of a file under the results' folder, for images and links; paths come quoted. */
export const resultAddress = (path) => `results/${path}?token=${encodeURIComponent(token)}`;
