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

const columns = { ...data.columns, confidence: { numbers: data.confidence } };
const state = {
  query: "",
  status: "",
  only: {},
  isOpen: false,
  sort: "confidence",
  descending: false,
  page: 0,
};
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
  if (state.isOpen) tests.push((row) => isToReview(row));
  const words = fold(state.query).split(/\s+/).filter(Boolean);
  if (words.length) {
    const texts = haystack();
    tests.push((row) => words.every((word) => texts[row].includes(word)));
  }
  found = tests.length ? order.filter((row) => tests.every((test) => test(row))) : order;
  state.page = 0;
  show();
  if (review.on) refresh();
}

function fill(piece, texts) {
  for (const [name, text] of Object.entries(texts)) {
    piece.querySelector(`[data-text=${name}]`).textContent = text;
  }
}

function percent(permille) {
  return permille < 0 ? "" : `${Math.round(permille / 10)}\u00a0%`;
}

// Levels of what was decided, as report_levels.py numbers them.
const STYLE = 2;
const genreAt = (pairs, i) => data.genres[pairs[2 * i]];
const shareAt = (pairs, i) => pairs[2 * i + 1];
const decided = (row) => data.genres[data.decided[row]] ?? null;

// A style that has its family's name is music of no narrower style.
function nameOf(genre, level) {
  return level === STYLE && data.families.includes(genre) ? `plain ${genre}` : genre;
}

// What was decided, and how sure that is; then the same of the other level.
function saidOf(row) {
  const [other, level] = [data.other[row], data.level[row]];
  const number = percent(data.confidence[row]);
  const genre = decided(row);
  const own = genre && number ? `${nameOf(genre, level)} ${number}` : number;
  const kind = level === STYLE ? "family" : "style";
  const beside = other.length ? [`${kind} ${genreAt(other, 0)} ${percent(shareAt(other, 0))}`] : [];
  if (data.together[row]) beside.push(`${data.together[row]} tracks together`);
  return [own, beside.join(", ")];
}

function paint(piece, genre) {
  piece.style.setProperty("--dot", data.colours[genre] ?? "#808080");
}

// The likeliest genres, all of one level; buttons where a person is asked.
function chipsOf(row) {
  const best = data.best[row];
  const isAsked = data.tones[textOf("status", row)] === "asked";
  const isButton = isAsked && canChoose(row);
  return Array.from({ length: isAsked ? Math.min(best.length / 2, 2) : best.length / 2 }, (_, i) => {
    const chip = document.createElement(isButton ? "button" : "span");
    const [dot, name] = [document.createElement("i"), document.createElement("bdi")];
    const genre = genreAt(best, i);
    chip.style.setProperty("--share", `${shareAt(best, i) / 10}%`);
    dot.className = "dot";
    paint(dot, genre);
    name.textContent = nameOf(genre, data.level[row]);
    chip.append(dot, name, ` ${Math.round(shareAt(best, i) / 10)}`);
    if (isButton) {
      chip.type = "button";
      chip.title = `Choose ${genre}`;
      chip.addEventListener("click", () => suggest(row, genre));
    }
    return chip;
  });
}

const trackOf = (row) => ({
  path: uriOf(row),
  title: textOf("title", row),
  seconds: data.seconds[row],
});

// The row that has the focus; in a review the one that is open.
function trackAtHand(target) {
  const piece = target.closest("tr[data-row]");
  if (piece) return trackOf(Number(piece.dataset.row));
  if (review.on && review.current !== null) return trackOf(review.current);
  return player.track;
}

function rowOf(row) {
  const piece = byId("row").content.cloneNode(true).firstChild;
  const names = ["title", "artist", "album", "before", "after"];
  const [title, file] = [textOf("title", row), textOf("file", row)];
  const status = textOf("status", row);
  const [confidence, other] = saidOf(row);
  fill(piece, {
    ...Object.fromEntries(names.map((name) => [name, textOf(name, row)])),
    file: file === title ? textOf("folder", row) : file,
    confidence,
    other,
    status: status.replace("_", " "),
  });
  const tone = data.tones[status];
  piece.classList.add(tone);
  piece.querySelector(".tone").classList.add(tone);
  const same = textOf("before", row) === textOf("after", row);
  piece.classList.toggle("same", same);
  piece.querySelector(".best").append(...chipsOf(row).flatMap((chip) => [chip, " "]));
  listenWith(piece.querySelector(".listen"), trackOf(row));
  piece.dataset.row = row;
  mark(piece, row);
  opener(piece).addEventListener("click", () => {
    if (isOpen(piece)) close(piece);
    else open(piece, row);
  });
  return piece;
}

const opener = (piece) => piece.querySelector(".title button");

function isOpen(piece) {
  return opener(piece).getAttribute("aria-expanded") === "true";
}

function close(piece) {
  opener(piece).setAttribute("aria-expanded", "false");
  piece.nextSibling.remove();
}

// Show all about a row below it; in a review of one row at a time.
function open(piece, row) {
  review.current = row;
  if (review.on) rowsShown().filter(isOpen).forEach(close);
  if (isOpen(piece)) return;
  opener(piece).setAttribute("aria-expanded", "true");
  piece.after(detailOf(row));
}

function detailOf(row) {
  const piece = byId("detail").content.cloneNode(true).firstChild;
  piece.dataset.row = row;
  if (review.on && canChoose(row)) piece.firstElementChild.prepend(chooserOf(row));
  const seconds = data.seconds[row];
  fill(piece, {
    path: uriOf(row),
    reason: textOf("reason", row),
    stage: textOf("stage", row).replace("_", " "),
    length: seconds < 0 ? "not known" : clock(seconds),
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

// One chip for each status, and one for what a review has left.
function statusChip(status, text, tracks) {
  const chip = document.createElement("button");
  const number = document.createElement("span");
  [chip.type, chip.textContent, number.textContent] = ["button", text, count(tracks)];
  chip.append(number);
  chip.classList.add(status ? data.tones[status] : "all");
  chip.dataset.status = status;
  chip.setAttribute("aria-pressed", String(status === state.status));
  chip.addEventListener("click", () => showStatus(status));
  return chip;
}

function showStatus(status) {
  state.status = status;
  for (const chip of document.querySelectorAll("[data-status]")) {
    chip.setAttribute("aria-pressed", String(chip.dataset.status === status));
  }
  search();
}

byId("browser").hidden = false;
byId("statuses").append(
  statusChip("", "All", data.rows),
  ...Object.keys(data.tones).map((status) => {
    const number = columns.status.values.indexOf(status);
    const tracks = columns.status.numbers.filter((other) => other === number).length;
    return statusChip(status, status.replace("_", " "), tracks);
  }),
);
byId("search").addEventListener("input", (event) => {
  state.query = event.target.value;
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

