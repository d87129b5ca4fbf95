"use strict";
// What the scripts of all pages begin with: texts, and light or dark colours.

const byId = (id) => document.getElementById(id);

function fold(text) {
  return text.normalize("NFKD").replace(/\p{M}/gu, "").toLowerCase();
}

function count(number) {
  return number.toLocaleString("en");
}

function clock(seconds) {
  const [minutes, rest] = [Math.floor(seconds / 60), Math.floor(seconds % 60)];
  return `${minutes}:${String(rest).padStart(2, "0")}`;
}

const root = document.documentElement;
const prefersDark = matchMedia("(prefers-color-scheme: dark)");
const isDark = () => (root.style.colorScheme || (prefersDark.matches ? "dark" : "light")) === "dark";
// What else a page does when its colours change.
const onTheme = [];
const tellTheme = () => {
  byId("theme").setAttribute("aria-pressed", String(isDark()));
  for (const does of onTheme) does();
};
byId("theme").hidden = false;
byId("theme").addEventListener("click", () => {
  root.style.colorScheme = isDark() ? "light" : "dark";
  tellTheme();
});
prefersDark.addEventListener("change", tellTheme);
tellTheme();
