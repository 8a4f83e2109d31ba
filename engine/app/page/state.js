// What all parts of the page know, and who wants to hear that it changed.

export const STEPS = ["images", "outline", "train", "look", "results"];

export const state = {
  project: "",
  images: [], // as /api/state has them
  classes: [], // [{name, colour}]
  palette: [],
  weights: null,
  job: null,
  file: null, // {folder, name} of the image that is open
  info: null, // its /api/info
  unreadable: new Set(), // of `keyOf`: files that were opened here and could not be read
  broken: null, // why the open image or its outlines cannot be read
  step: "images",
  className: null, // the class of the next outline
};

const listeners = new Map();

/** Call a function whenever `name` is told. */
export function on(name, listener) {
  if (!listeners.has(name)) listeners.set(name, []);
  listeners.get(name).push(listener);
}

/** Tell all who listen; see `on`. */
export function tell(name, ...values) {
  for (const listener of listeners.get(name) ?? []) listener(...values);
}

export const keyOf = ({ folder, name }) => `${folder}/${name}`;
export const sameFile = (a, b) => a?.folder === b?.folder && a?.name === b?.name;

/** The entry of the open image in the list. */
export const openEntry = () => state.images.find((entry) => sameFile(entry, state.file));
