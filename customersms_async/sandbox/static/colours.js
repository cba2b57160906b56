// Dark or light: the system's preference until the reader chooses; theme.js remembers the choice.

import { byId } from "./dom.js";

const dark = window.matchMedia("(prefers-color-scheme: dark)");

/** Whether colours are dark, by choice or by preference. */
export function isDark() {
  const { theme } = document.documentElement.dataset;
  return theme ? theme === "dark" : dark.matches;
}

export function turnColours() {
  const theme = isDark() ? "light" : "dark";
  document.documentElement.dataset.theme = theme;
  localStorage.setItem("theme", theme);
  name();
}

/** Label the button with what it switches to, whenever that changes. */
export function followColours() {
  dark.addEventListener("change", name);
  name();
}

function name() {
  const words = isDark() ? "Light" : "Dark";
  byId("theme-button").textContent = words;
  byId("theme-button").title = `${words} colours (t)`;
}
