// Runs before the page is painted, so that a remembered choice does not flash.
"use strict";

{
  const chosen = localStorage.getItem("theme");
  if (chosen === "dark" || chosen === "light") document.documentElement.dataset.theme = chosen;
}
