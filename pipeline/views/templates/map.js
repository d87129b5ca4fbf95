const LISTED = 200;
const NEAREST = 25;
const CLOSEST = 400;
// How far from a point a mouse or a finger may be, in CSS pixels.
const REACH = { mouse: 10, pen: 14, touch: 24 };

const hidden = new Uint8Array(data.groups.length);
// The rows that the legend and the search leave, and those selected of them.
let found = [];
let selected = null;
let query = "";
let haystack = null;

const tracks = (number) => `${count(number)} track${number === 1 ? "" : "s"}`;

// --- where one is ----------------------------------------------------------------------------

function resize() {
  const { width, height } = canvas.getBoundingClientRect();
  if (!width || !height) return;
  const ratio = Math.min(devicePixelRatio, 2);
  Object.assign(view, { width, height, ratio });
  canvas.width = Math.round(width * ratio);
  canvas.height = Math.round(height * ratio);
  paint();
}

function zoomBy(factor, x = view.width / 2, y = view.height / 2) {
  const [atX, atY] = [mapX(x), mapY(y)];
  view.zoom = Math.min(Math.max(view.zoom * factor, 0.5), CLOSEST);
  view.x = atX - (x - view.width / 2) / scale();
  view.y = atY - (y - view.height / 2) / scale();
  moved();
}

function moveBy(x, y) {
  view.x = Math.min(Math.max(view.x - x / scale(), 0), 1);
  view.y = Math.min(Math.max(view.y - y / scale(), 0), 1);
  moved();
}

function showWhole() {
  Object.assign(view, { x: 0.5, y: 0.5, zoom: 1 });
  moved();
}

function moved() {
  point(-1);
  repaint();
}

// --- which tracks ----------------------------------------------------------------------------

// The text to search: one for each row, made once.
function texts() {
  haystack ??= Array.from({ length: data.rows }, (_, row) => {
    const names = ["artist", "album", "genre"].map((name) => textOf(name, row));
    return fold([data.title[row], ...names, pathOf(row)].join("\n"));
  });
  return haystack;
}

function find() {
  const words = fold(query).split(/\s+/).filter(Boolean);
  const lines = words.length ? texts() : [];
  found = [];
  for (let row = 0; row < data.rows; row++) {
    const isShown = !hidden[group[row]];
    const isFound = isShown && words.every((word) => lines[row].includes(word));
    level[row] = isShown + isFound;
    if (isFound) found.push(row);
  }
  if (selected) {
    const among = new Set(selected);
    for (const row of found) level[row] = among.has(row) ? 2 : 1;
  }
  const all = found.length === data.rows ? "" : ` of ${count(data.rows)}`;
  byId("found").textContent = `${count(found.length)}${all} track${data.rows === 1 ? "" : "s"}`;
  tellSelection();
  repaint();
}

// Rows that are shown, by their distance from a place in the map, at most so far.
function near(x, y, most) {
  const some = [];
  for (const row of found) {
    const square = (places[2 * row] - x) ** 2 + (places[2 * row + 1] - y) ** 2;
    if (square <= most * most) some.push([square, row]);
  }
  return some.sort((a, b) => a[0] - b[0]).map(([, row]) => row);
}

function nearestTo(x, y, reach) {
  return near(mapX(x), mapY(y), reach / scale())[0] ?? -1;
}

function around(row, number) {
  for (let most = 0.01; ; most *= 2) {
    const some = near(places[2 * row], places[2 * row + 1], most);
    if (some.length > number || most > 2) return some.filter((other) => other !== row).slice(0, number);
  }
}

// Rows inside a line around them, by how often a ray from each crosses it.
function inside(corners) {
  const xs = corners.map(([x]) => mapX(x));
  const ys = corners.map(([, y]) => mapY(y));
  const [left, right, top, bottom] = [Math.min(...xs), Math.max(...xs), Math.min(...ys), Math.max(...ys)];
  return found.filter((row) => {
    const [x, y] = [places[2 * row], places[2 * row + 1]];
    if (x < left || x > right || y < top || y > bottom) return false;
    let isIn = false;
    for (let i = 0, j = xs.length - 1; i < xs.length; j = i++) {
      if (ys[i] > y !== ys[j] > y && x < ((xs[j] - xs[i]) * (y - ys[i])) / (ys[j] - ys[i]) + xs[i]) isIn = !isIn;
    }
    return isIn;
  });
}

// --- what is shown ----------------------------------------------------------------------------

function rowOf(row) {
  const item = document.createElement("li");
  const button = document.createElement("button");
  const title = document.createElement("bdi");
  const more = document.createElement("span");
  title.textContent = data.title[row];
  more.textContent = [textOf("artist", row), textOf("genre", row)].filter(Boolean).join(" · ");
  button.type = "button";
  button.append(title, more);
  button.addEventListener("click", () => keep(row, true));
  item.append(button);
  return item;
}

function select(rows) {
  selected = rows;
  find();
}

function tellSelection() {
  const rows = selected ?? (query ? found : []);
  byId("selected").textContent = selected
    ? `${tracks(selected.length)} selected.`
    : "Draw a lasso around points, or search or choose genres, then select what is shown.";
  byId("select").textContent = `Select the ${tracks(found.length)} shown`;
  byId("select").disabled = !found.length;
  byId("clear").hidden = !selected;
  byId("saving").hidden = byId("hint").hidden = !selected?.length;
  byId("rows").replaceChildren(...rows.slice(0, LISTED).map(rowOf));
  byId("others").hidden = rows.length <= LISTED;
  byId("others").textContent = `and ${count(rows.length - LISTED)} more`;
  tellPaths();
}

function tellPaths() {
  if (!selected) return;
  const unnamed = selected.filter((row) => columns.relative.numbers[row] < 0).length;
  const left = unnamed ? ` ${tracks(unnamed)} left out: a playlist cannot hold such a name.` : "";
  const where =
    byId("paths").value === "relative"
      ? "Move the file into the folder of this page: its paths start there."
      : "The file works anywhere on the machine that has the music.";
  byId("hint").textContent = where + left;
}

// As pipeline/by_ear/playlist.py writes it.
function m3u8(rows, isRelative) {
  const lines = ["#EXTM3U"];
  for (const row of rows) {
    const { values, numbers } = columns.relative;
    if (numbers[row] < 0) continue;
    const label = [textOf("artist", row), data.title[row]].filter(Boolean).join(" - ");
    lines.push(`#EXTINF:${seconds[row]},${label.split(/\s+/).filter(Boolean).join(" ")}`);
    lines.push((isRelative ? values[numbers[row]] : textOf("folder", row)) + data.file[row]);
  }
  return `${lines.join("\n")}\n`;
}

function save() {
  const text = m3u8(selected, byId("paths").value === "relative");
  const link = document.createElement("a");
  link.href = URL.createObjectURL(new Blob([text], { type: "audio/x-mpegurl" }));
  link.download = "map.m3u8";
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 60_000);
}

function point(row, x = 0, y = 0) {
  if (row === under) return;
  under = row;
  const tip = byId("tip");
  tip.hidden = row < 0;
  canvas.classList.toggle("near", row >= 0);
  if (row >= 0) {
    const title = document.createElement("strong");
    title.textContent = data.title[row];
    const others = [textOf("artist", row), textOf("genre", row), pathOf(row)].filter(Boolean);
    tip.replaceChildren(
      title,
      ...others.map((text) => {
        const piece = document.createElement("div");
        piece.textContent = text;
        return piece;
      }),
    );
    const left = Math.min(Math.max(x + 14, 4), view.width - tip.offsetWidth - 6);
    const above = y + 18 + tip.offsetHeight > view.height;
    tip.style.transform = `translate(${left}px, ${Math.max(above ? y - tip.offsetHeight - 14 : y + 18, 4)}px)`;
  }
  repaint();
}

const trackOf = (row) => ({ path: pathOf(row), title: data.title[row], seconds: seconds[row] });

function trackAtHand() {
  return kept < 0 ? player.track : trackOf(kept);
}

// Keep a track: its row beside the map; from a list, the map moves to it.
function keep(row, isFar) {
  kept = row;
  byId("kept").hidden = row < 0;
  if (row >= 0) {
    const time = seconds[row];
    const facts = {
      title: data.title[row],
      artist: textOf("artist", row),
      album: textOf("album", row),
      genre: textOf("genre", row),
      length: time < 0 ? "" : clock(time),
      path: pathOf(row),
    };
    for (const [name, text] of Object.entries(facts)) {
      byId("kept").querySelector(`[data-text=${name}]`).textContent = text;
    }
    byId("copy").textContent = "Copy the path";
    const button = byId("listen").cloneNode();
    byId("listen").replaceWith(button);
    listenWith(button, trackOf(row));
    byId("nearest").replaceChildren(...around(row, 5).map(rowOf));
  }
  if (isFar) {
    Object.assign(view, { x: places[2 * row], y: places[2 * row + 1], zoom: Math.max(view.zoom, 3) });
    byId("kept-title").focus();
  }
  repaint();
}

async function copy() {
  const path = byId("kept").querySelector("code");
  try {
    await navigator.clipboard.writeText(path.textContent);
    byId("copy").textContent = "Copied";
  } catch {
    getSelection().selectAllChildren(path);
    byId("copy").textContent = "Marked: copy it now";
  }
}

// --- mouse, fingers, keys --------------------------------------------------------------------

const pointers = new Map();
let start = null;

const isLasso = () => byId("lasso").getAttribute("aria-pressed") === "true";

function setLasso(on) {
  byId("lasso").setAttribute("aria-pressed", String(on));
  canvas.classList.toggle("lasso", on);
}

const at = (event) => {
  const box = canvas.getBoundingClientRect();
  return [event.clientX - box.left, event.clientY - box.top];
};

canvas.addEventListener("pointerdown", (event) => {
  if (event.button) return;
  canvas.setPointerCapture(event.pointerId);
  pointers.set(event.pointerId, at(event));
  const isFirst = pointers.size === 1;
  start = isFirst ? { at: at(event), far: false } : null;
  line = isFirst && (isLasso() || event.shiftKey) ? [at(event)] : [];
  point(-1);
});

canvas.addEventListener("pointermove", (event) => {
  const [x, y] = at(event);
  const before = pointers.get(event.pointerId);
  if (!before) {
    if (event.pointerType !== "touch") point(nearestTo(x, y, REACH.mouse), x, y);
    return;
  }
  if (start && Math.hypot(x - start.at[0], y - start.at[1]) > 5) start.far = true;
  if (line.length) {
    const [lastX, lastY] = line.at(-1);
    if (Math.hypot(x - lastX, y - lastY) > 3) line.push([x, y]);
    repaint();
  } else if (pointers.size === 2) {
    const [other] = [...pointers].filter(([id]) => id !== event.pointerId).map(([, place]) => place);
    const span = (place) => Math.max(Math.hypot(place[0] - other[0], place[1] - other[1]), 1);
    moveBy((x - before[0]) / 2, (y - before[1]) / 2);
    zoomBy(span([x, y]) / span(before), (x + other[0]) / 2, (y + other[1]) / 2);
  } else if (pointers.size === 1 && (!start || start.far)) {
    canvas.classList.add("moving");
    moveBy(x - before[0], y - before[1]);
  } else return;
  pointers.set(event.pointerId, [x, y]);
});

function lifted(event) {
  if (!pointers.delete(event.pointerId)) return;
  canvas.classList.remove("moving");
  const [x, y] = at(event);
  const corners = line;
  line = [];
  if (event.type === "pointerup" && start && !start.far) {
    const row = nearestTo(x, y, REACH[event.pointerType] ?? REACH.mouse);
    keep(row, false);
    point(row, x, y);
  } else if (event.type === "pointerup" && corners.length > 2) {
    setLasso(false);
    select(inside(corners));
  }
  start = null;
  repaint();
}
canvas.addEventListener("pointerup", lifted);
canvas.addEventListener("pointercancel", lifted);
canvas.addEventListener("pointerleave", () => point(-1));
canvas.addEventListener(
  "wheel",
  (event) => {
    event.preventDefault();
    // In lines, not pixels; or what a touchpad tells of two fingers, which is little.
    const lines = event.deltaMode ? 30 : event.ctrlKey ? 6 : 1;
    zoomBy(Math.exp(-Math.max(Math.min(event.deltaY * lines, 240), -240) / 400), ...at(event));
  },
  { passive: false },
);

const KEYS = {
  ArrowLeft: () => moveBy(60, 0),
  ArrowRight: () => moveBy(-60, 0),
  ArrowUp: () => moveBy(0, 60),
  ArrowDown: () => moveBy(0, -60),
  "+": () => zoomBy(1.4),
  "=": () => zoomBy(1.4),
  "-": () => zoomBy(1 / 1.4),
  0: showWhole,
  Enter: () => keep(nearestTo(view.width / 2, view.height / 2, Infinity), false),
};
canvas.addEventListener("keydown", (event) => {
  if (event.ctrlKey || event.metaKey || event.altKey || !Object.hasOwn(KEYS, event.key)) return;
  event.preventDefault();
  KEYS[event.key]();
});
document.addEventListener("keydown", (event) => {
  if (event.key !== "Escape" || event.target.matches("input, select")) return;
  setLasso(false);
  if (line.length) {
    line = [];
    start = null;
    repaint();
  } else if (selected) select(null);
});

byId("lasso").addEventListener("click", () => setLasso(!isLasso()));
byId("closer").addEventListener("click", () => zoomBy(1.4));
byId("farther").addEventListener("click", () => zoomBy(1 / 1.4));
byId("whole").addEventListener("click", showWhole);
byId("select").addEventListener("click", () => select(found));
byId("clear").addEventListener("click", () => select(null));
byId("save").addEventListener("click", save);
byId("paths").addEventListener("change", tellPaths);
byId("copy").addEventListener("click", copy);
byId("around").addEventListener("click", () => select([kept, ...around(kept, NEAREST)]));
byId("search").addEventListener("input", (event) => {
  query = event.target.value.trim();
  selected = null;
  find();
});

// --- the legend ------------------------------------------------------------------------------

function showGroups(isShown) {
  data.groups.forEach((_, number) => (hidden[number] = !isShown(number)));
  for (const button of document.querySelectorAll("[data-group]")) {
    button.setAttribute("aria-pressed", String(!hidden[button.dataset.group]));
  }
  byId("all").hidden = !hidden.includes(1);
  selected = null;
  find();
}

for (const button of document.querySelectorAll("[data-group]")) {
  const own = Number(button.dataset.group);
  button.addEventListener("click", () => showGroups((number) => !hidden[number] !== (number === own)));
}
for (const button of document.querySelectorAll("[data-only]")) {
  const own = Number(button.dataset.only);
  button.addEventListener("click", () => showGroups((number) => number === own));
}
byId("all").addEventListener("click", () => showGroups(() => true));

byId("browser").hidden = false;
onTheme.push(() => {
  palette = colours();
  repaint();
});
new ResizeObserver(resize).observe(canvas);
find();
resize();
// Prepare the search, so that the first letter typed does not wait for it.
setTimeout(texts, 300);
