// Everything that the page says, in English and Chinese. Both have the same keys.
import { english } from "./words_en.js";
import { chinese } from "./words_zh.js";

export const WORDS = { en: english, zh: chinese };
let language = "en";

/** Choose the language: "en" or "zh". */
export function speak(name) {
  language = name in WORDS ? name : "en";
  document.documentElement.lang = language;
}

export const spoken = () => language;

/**
 * A word of the language in use.
 * @param {string} key
 * @param {Object} values - stand in the text as {name}; where n is 1, the key with "One" is taken.
 */
export function say(key, values = {}) {
  const words = WORDS[language];
  const text = (values.n === 1 && words[`${key}One`]) || words[key];
  return text.replace(/\{(\w+)\}/g, (_, name) => values[name] ?? "");
}
