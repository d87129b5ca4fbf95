const ROWS_PER_PAGE = 25;
// The columns to sort by: first the chosen one, then those that decide between equals.
const SORTS = {
  title: ["title"],
  artist: ["artist", "album", "title"],
  before: ["before"],
  after: ["after"],
  confidence: ["confidence"],
  status: ["status"],
};

const data = JSON.parse(byId("data").textContent);
const columns = { ...data.columns, confidence: { numbers: data.confidence } };
const state = { query: "", status: "", only: {}, sort: "confidence", descending: false, page: 0 };
let order = sorted();
let found = order;
let folded = null;

function valueOf(name, row) {
  const { values, numbers } = columns[name];
  return numbers[row] < 0 ? null : values[numbers[row]];
}

function textOf(name, row) {
  const value = valueOf(name, row);
  return Array.isArray(value) ? value.join(", ") : (value ?? "");
}

// The data is in the order "least certain first", which decides between equals.
function sorted() {
  const keys = SORTS[state.sort].map((name) => columns[name].numbers);
  const sign = state.descending ? -1 : 1;
  return Uint32Array.from({ length: data.rows }, (_, row) => row).sort((a, b) => {
    for (const numbers of keys) {
      const x = numbers[a];
      const y = numbers[b];
      if (x !== y) {
        if (x < 0) return 1;
        if (y < 0) return -1;
        return sign * (x - y);
      }
    }
    return a - b;
  });
}

// The text to search: one for each row, made once.
function haystack() {
  if (folded) return folded;
  const names = ["title", "artist", "album", "folder", "file", "before", "after", "reason"];
  const parts = names.map((name) => {
    const { values, numbers } = columns[name];
    const texts = values.map((value) => fold(String(value)));
    return (row) => (numbers[row] < 0 ? "" : texts[numbers[row]]);
  });
  folded = Array.from({ length: data.rows }, (_, row) => parts.map((part) => part(row)).join("\n"));
  return folded;
}

// A test for rows whose column is this text, or whose list of genres has it.
function allowed(name, wanted) {
  const { values, numbers } = columns[name];
  const good = values.map((v) => (Array.isArray(v) ? v.includes(wanted) : v === wanted));
  return (row) => good[numbers[row]] === true;
}

function search() {
  const tests = Object.entries(state.only).map(([name, wanted]) => allowed(name, wanted));
  if (state.status) tests.push(allowed("status", state.status));
  const words = fold(state.query).split(/\s+/).filter(Boolean);
  if (words.length) {
    const texts = haystack();
    tests.push((row) => words.every((word) => texts[row].includes(word)));
  }
  found = tests.length ? order.filter((row) => tests.every((test) => test(row))) : order;
  state.page = 0;
  show();
}

function fill(piece, texts) {
  for (const [name, text] of Object.entries(texts)) {
    piece.querySelector(`[data-text=${name}]`).textContent = text;
  }
}

function percent(permille) {
  return permille < 0 ? "" : `${Math.round(permille / 10)}\u00a0%`;
}

function rowOf(row) {
  const piece = byId("row").content.cloneNode(true).firstChild;
  const names = ["title", "artist", "album", "before", "after"];
  const [title, file] = [textOf("title", row), textOf("file", row)];
  const status = textOf("status", row);
  fill(piece, {
    ...Object.fromEntries(names.map((name) => [name, textOf(name, row)])),
    file: file === title ? textOf("folder", row) : file,
    confidence: percent(data.confidence[row]),
    status: status.replace("_", " "),
  });
  piece.classList.add(status);
  piece.querySelector("span.status").classList.add(status);
  const same = textOf("before", row) === textOf("after", row);
  piece.classList.toggle("same", same);
  piece.querySelector(".meter i").style.width = `${Math.max(data.confidence[row], 0) / 10}%`;
  piece.querySelector(".confidence").classList.toggle("none", data.confidence[row] < 0);
  const best = data.best[row];
  for (let i = 0; i < best.length; i += 2) {
    const chip = document.createElement("span");
    chip.style.setProperty("--share", `${best[i + 1] / 10}%`);
    const genre = document.createElement("bdi");
    genre.textContent = data.genres[best[i]];
    chip.append(genre, ` ${Math.round(best[i + 1] / 10)}`);
    piece.querySelector(".best").append(chip, " ");
  }
  piece.dataset.row = row;
  mark(piece, row);
  piece.querySelector("button").addEventListener("click", () => {
    if (isOpen(piece)) close(piece);
    else open(piece, row);
  });
  return piece;
}

function isOpen(piece) {
  return piece.querySelector("button").getAttribute("aria-expanded") === "true";
}

function close(piece) {
  piece.querySelector("button").setAttribute("aria-expanded", "false");
  piece.nextSibling.remove();
}

// Show all about a row below it; in a review of one row at a time.
function open(piece, row) {
  review.current = row;
  if (review.on) rowsShown().filter(isOpen).forEach(close);
  if (isOpen(piece)) return;
  piece.querySelector("button").setAttribute("aria-expanded", "true");
  piece.after(detailOf(row));
}

function detailOf(row) {
  const piece = byId("detail").content.cloneNode(true).firstChild;
  piece.dataset.row = row;
  if (review.on && canChoose(row)) piece.firstElementChild.prepend(chooserOf(row));
  const seconds = data.seconds[row];
  const minutes = `${Math.floor(seconds / 60)}:${String(seconds % 60).padStart(2, "0")}`;
  fill(piece, {
    path: uriOf(row),
    reason: textOf("reason", row),
    stage: textOf("stage", row).replace("_", " "),
    length: seconds < 0 ? "not known" : minutes,
    run: data.runs[data.run[row]],
  });
  return piece;
}

function show() {
  const first = state.page * ROWS_PER_PAGE;
  const rows = found.slice(first, first + ROWS_PER_PAGE);
  byId("table").tBodies[0].replaceChildren(...Array.from(rows, rowOf));
  const all = found.length === data.rows ? "" : ` of ${count(data.rows)}`;
  byId("found").textContent = `${count(found.length)}${all} track${data.rows === 1 ? "" : "s"}`;
  byId("shown").textContent = `${count(first + 1)} to ${count(first + rows.length)} of ${count(found.length)}`;
  byId("table").hidden = byId("shown").parentNode.hidden = !found.length;
  byId("nothing").hidden = found.length > 0;
  byId("previous").disabled = first === 0;
  byId("next").disabled = first + ROWS_PER_PAGE >= found.length;
}

function turn(pages) {
  state.page += pages;
  show();
  if (byId("table").getBoundingClientRect().top < 0) byId("browser").scrollIntoView();
}

function sortBy(name) {
  state.descending = state.sort === name && !state.descending;
  state.sort = name;
  for (const head of document.querySelectorAll("[data-sort]")) {
    const direction = state.descending ? "descending" : "ascending";
    head.setAttribute("aria-sort", head.dataset.sort === name ? direction : "none");
  }
  order = sorted();
  search();
}

// Show only the tracks of one genre, artist or album, after a click in a chart or a list.
function showOnly(wanted) {
  const { genre, ...others } = wanted;
  state.only = genre === undefined ? others : { after: genre };
  const name = Object.values(wanted)[0];
  byId("only").hidden = name === undefined;
  byId("only").textContent = name ?? "";
  byId("only").setAttribute("aria-label", `Only ${name}: show all again`);
  search();
}

byId("browser").hidden = byId("theme").hidden = false;
columns.status.values.forEach((status, number) => {
  const tracks = columns.status.numbers.filter((other) => other === number).length;
  byId("status").append(new Option(`${status.replace("_", " ")} (${count(tracks)})`, status));
});
byId("search").addEventListener("input", (event) => {
  state.query = event.target.value;
  search();
});
byId("status").addEventListener("change", (event) => {
  state.status = event.target.value;
  search();
});
byId("only").addEventListener("click", () => {
  showOnly({});
  byId("search").focus();
});
byId("previous").addEventListener("click", () => turn(-1));
byId("next").addEventListener("click", () => turn(1));
for (const head of document.querySelectorAll("[data-sort]")) {
  head.firstElementChild.addEventListener("click", () => sortBy(head.dataset.sort));
}
for (const button of document.querySelectorAll("[data-genre], [data-artist], [data-album]")) {
  button.addEventListener("click", () => {
    showOnly({ ...button.dataset });
    byId("tracks").scrollIntoView();
    byId("only").focus({ preventScroll: true });
  });
}
for (const button of document.querySelectorAll("button.more")) {
  button.addEventListener("click", () => {
    button.previousElementSibling.classList.remove("short");
    button.remove();
  });
}

