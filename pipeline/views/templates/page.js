"use strict";
// What the scripts of all pages begin with: texts, and light or dark colours.

const byId = (id) => document.getElementById(id);

function fold(text) {
  return text.normalize("NFKD").replace(/\p{M}/gu, "").toLowerCase();
}

function count(number) {
  return number.toLocaleString("en");
}

const root = document.documentElement;
const prefersDark = matchMedia("(prefers-color-scheme: dark)");
const isDark = () => (root.style.colorScheme || (prefersDark.matches ? "dark" : "light")) === "dark";
const tellTheme = () => byId("theme").setAttribute("aria-pressed", String(isDark()));
byId("theme").addEventListener("click", () => {
  root.style.colorScheme = isDark() ? "light" : "dark";
  tellTheme();
});
prefersDark.addEventListener("change", tellTheme);
tellTheme();
