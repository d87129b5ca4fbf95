// Review: a person accepts or corrects the genres of rows and saves that as a small file.
// Continues report.js, in the same script.

const FORMAT = 1;
const MOST_GENRES = 20;
const LONGEST_GENRE = 200;
// Row to {kind: "accepted" | "corrected", genres}.
const choices = new Map();
// What each step replaced: lists of [row, choice before].
const steps = [];
const place = `genrebeam-review ${data.runs.length} ${data.runs.at(-1)}`;
const review = { on: false, current: null, keeps: true, unsaved: false, timer: 0 };

const genresIn = (name, row) => valueOf(name, row) ?? [];
const proposed = (row) => genresIn("after", row);
const inFile = (row) => genresIn(textOf("status", row) === "would_tag" ? "before" : "after", row);
// The walk did not take it for a file of the library, such as a link that leads out of it.
const canChoose = (row) => textOf("stage", row) !== "walk";
const isToReview = (row) => canChoose(row) && !choices.has(row);
const mostToReview = columns.stage.numbers.filter((_, row) => canChoose(row)).length;
// Rows whose proposal is what their confidence is of.
const isGiven = Array.from({ length: data.rows }, (_, row) => {
  const tone = data.tones[textOf("status", row)];
  const genres = proposed(row);
  if (data.confidence[row] < 0 || !genres.length || !canChoose(row)) return false;
  return tone === "given" || (tone !== "asked" && genres.includes(decided(row)));
});
const isSame = (some, others) => some.join("\n") === others.join("\n");

const tracks = (number) => `${count(number)} track${number === 1 ? "" : "s"}`;

function uriOf(row) {
  const [folder, file] = [textOf("folder", row), textOf("file", row)];
  return folder === file ? folder : `${folder}/${file}`;
}

// --- choices -------------------------------------------------------------------------------

function choiceOf(row, genres) {
  return { kind: isSame(genres, proposed(row)) ? "accepted" : "corrected", genres };
}

function decide(changes, message) {
  steps.push(changes.map(([row]) => [row, choices.get(row)]));
  put(changes);
  tell(message);
}

function put(changes) {
  for (const [row, choice] of changes) {
    if (choice) choices.set(row, choice);
    else choices.delete(row);
  }
  review.unsaved = true;
  clearTimeout(review.timer);
  review.timer = setTimeout(keep, 200);
  refresh();
}

function choose(row, genres) {
  if (!canChoose(row)) return tell("This is no file of the library: nothing can be written.");
  if (!genres.length) return tell("There is no genre to accept: choose one.");
  const choice = choiceOf(row, genres);
  decide([[row, choice]], `${textOf("title", row)}: ${choice.kind} ${genres.join(", ")}.`);
  move(1);
}

function albumOf(row) {
  const { numbers } = columns.album;
  const folders = columns.folder.numbers;
  if (numbers[row] < 0) return [];
  return Array.from({ length: data.rows }, (_, other) => other).filter(
    (other) => numbers[other] === numbers[row] && folders[other] === folders[row],
  );
}

function acceptAlbum(row) {
  const album = albumOf(row).filter(
    (other) => !choices.has(other) && canChoose(other) && proposed(other).length,
  );
  if (columns.album.numbers[row] < 0) return tell("This track has no album.");
  if (!album.length) return tell("Nothing is left to accept on this album.");
  const changes = album.map((other) => [other, choiceOf(other, proposed(other))]);
  decide(changes, `${textOf("album", row)}: accepted ${tracks(album.length)}.`);
  nextOpen();
}

// Rows that are listed, have no choice yet, and whose genre is at least so sure.
function sureRows() {
  const least = 10 * Number(byId("least").value);
  const rows = [];
  for (const row of found) {
    if (isGiven[row] && data.confidence[row] >= least && !choices.has(row)) rows.push(row);
  }
  return rows;
}

function acceptAll() {
  const rows = sureRows();
  const least = `${byId("least").value}\u00a0%`;
  if (!rows.length) return tell(`No track that is listed has ${least} and no choice yet.`);
  const changes = rows.map((row) => [row, choiceOf(row, proposed(row))]);
  decide(changes, `Accepted ${tracks(rows.length)} of ${least} and above. Undo takes all back.`);
  nextOpen();
}

// A genre that the page suggests in a row.
function suggest(row, genre) {
  if (!review.on) begin();
  go(row);
  choose(row, [genre]);
}

function clear(row) {
  if (choices.has(row)) decide([[row, null]], `${textOf("title", row)}: no choice.`);
}

function undo() {
  const step = steps.pop();
  if (!step) return tell("Nothing to undo.");
  put(step);
  go(step[0][0]);
  tell("Undone.");
}

// What a person typed as a list of genres, or why that cannot be written.
function genresFrom(text) {
  const known = new Map(data.vocabulary.map((genre) => [genre.toLowerCase(), genre]));
  const typed = text.split(";").map((part) => part.trim().replace(/\s+/g, " ")).filter(Boolean);
  const genres = [...new Set(typed.map((genre) => known.get(genre.toLowerCase()) ?? genre))];
  if (!genres.length) return "Type a genre.";
  if (genres.length > MOST_GENRES) return `At most ${MOST_GENRES} genres.`;
  for (const genre of genres) {
    if (genre.length > LONGEST_GENRE) return `At most ${LONGEST_GENRE} characters.`;
    if (/\p{C}/u.test(genre)) return "It has a character that cannot be seen.";
    if (/^(\(.*|\d+|RX|CR)$/.test(genre)) return `ID3 reads ${genre} as another genre's number.`;
  }
  return genres;
}

// --- keeping, saving, loading --------------------------------------------------------------

function keep() {
  clearTimeout(review.timer);
  const rows = Array.from(choices, ([row, { kind, genres }]) =>
    kind === "accepted" ? [row] : [row, ...genres],
  );
  try {
    if (rows.length) localStorage.setItem(place, JSON.stringify({ rows: data.rows, choices: rows }));
    else localStorage.removeItem(place);
    review.keeps = true;
  } catch {
    review.keeps = false;
  }
  byId("lost").hidden = review.keeps;
}

function restore() {
  try {
    const kept = JSON.parse(localStorage.getItem(place));
    if (kept?.rows !== data.rows) return;
    for (const [row, ...genres] of kept.choices) {
      if (row in columns.status.numbers) {
        choices.set(row, choiceOf(row, genres.length ? genres : proposed(row)));
      }
    }
  } catch {
    // Nothing that could be read: `keep` finds out whether anything can be kept.
  }
}

function corrections() {
  const rows = [...choices.keys()].sort((a, b) => a - b);
  const last = Math.max(...rows.map((row) => data.run[row]));
  const lines = rows.map((row) => {
    const { kind, genres } = choices.get(row);
    const run = data.runs[data.run[row]];
    return JSON.stringify({ uri: uriOf(row), run, choice: kind, genres, in_file: inFile(row) });
  });
  const head = `"genrebeam_corrections":${FORMAT},\n"report":${JSON.stringify(data.homes[last])}`;
  return `{${head},\n"choices":[\n${lines.join(",\n")}\n]}\n`;
}

function save() {
  if (!choices.size) return tell("There is no choice to save yet.");
  const link = document.createElement("a");
  link.href = URL.createObjectURL(new Blob([corrections()], { type: "application/json" }));
  link.download = "corrections.json";
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 60_000);
  review.unsaved = false;
  tell(
    "Saved: your browser put corrections.json into its folder for downloads, usually Downloads in " +
      "your home. Now run: genrebeam apply",
  );
}

function load(text) {
  let saved;
  try {
    saved = JSON.parse(text);
  } catch {
    return tell("That file is not JSON.");
  }
  if (saved?.genrebeam_corrections !== FORMAT || !Array.isArray(saved.choices)) {
    return tell("That file has no corrections that this page can read.");
  }
  const rows = new Map(Array.from({ length: data.rows }, (_, row) => [uriOf(row), row]));
  const changes = [];
  for (const entry of saved.choices) {
    const row = rows.get(entry?.uri);
    const genres = Array.isArray(entry?.genres) ? genresFrom(entry.genres.join(";")) : "";
    if (row !== undefined && Array.isArray(genres) && canChoose(row)) {
      changes.push([row, choiceOf(row, genres)]);
    }
  }
  const others = saved.choices.length - changes.length;
  const left = others ? ` ${count(others)} are of files that are not on this page.` : "";
  decide(changes, `Loaded ${count(changes.length)} choices.${left}`);
}

// --- the page ------------------------------------------------------------------------------

function tell(message) {
  byId("said").textContent = message;
}

function rowsShown() {
  return [...byId("table").tBodies[0].querySelectorAll("tr[data-row]:not(.detail)")];
}

function mark(piece, row) {
  const choice = review.on ? choices.get(row) : undefined;
  const kind = choice?.kind ?? "";
  piece.classList.toggle("chosen", Boolean(kind));
  const genres = choice ? choice.genres : proposed(row);
  fill(piece, { mark: kind, after: genres.join(", ") });
  const dot = piece.querySelector(".after .dot");
  dot.hidden = !genres.length;
  paint(dot, genres[0]);
}

function refresh() {
  for (const piece of rowsShown()) mark(piece, Number(piece.dataset.row));
  const counts = { corrected: 0, accepted: 0 };
  for (const { kind } of choices.values()) counts[kind] += 1;
  const { corrected, accepted } = counts;
  byId("chosen").textContent =
    `${count(corrected)} corrected, ${count(accepted)} accepted, of ${count(data.rows)}`;
  const some = choices.size ? ` (${count(choices.size)})` : "";
  byId("reviewing").textContent = review.on ? "End review" : `Review${some}`;
  if (!review.on) return;
  byId("accept-all").textContent = `Accept all ${count(sureRows().length)} above`;
  byId("open-only").lastChild.textContent = count(mostToReview - choices.size);
}

function chooserOf(row) {
  const piece = byId("choose").content.cloneNode(true).firstElementChild;
  const [input] = piece.getElementsByTagName("input");
  const does = (name) => piece.querySelector(`[data-do=${name}]`);
  const genres = proposed(row);
  piece.setAttribute("aria-label", `Genre of ${textOf("title", row)}`);
  fill(piece, { proposed: genres.join(", ") });
  does("accept").hidden = !genres.length;
  does("accept").addEventListener("click", () => choose(row, genres));
  bestOf(row).forEach((genre, number) => {
    const button = document.createElement("button");
    const [name, key] = [document.createElement("bdi"), document.createElement("kbd")];
    [button.type, name.textContent, key.textContent] = ["button", genre, number + 1];
    button.append(name, " ", key);
    button.addEventListener("click", () => choose(row, [genre]));
    does("best").append(button, " ");
  });
  const take = () => {
    const typed = genresFrom(input.value);
    input.setCustomValidity(Array.isArray(typed) ? "" : typed);
    if (input.reportValidity()) choose(row, typed);
  };
  input.value = choices.get(row)?.genres.join("; ") ?? "";
  input.addEventListener("input", () => input.setCustomValidity(""));
  input.addEventListener("keydown", (event) => {
    if (event.key === "Enter") take();
    else if (event.key === "Escape") go(row);
    else return;
    event.preventDefault();
  });
  does("other").addEventListener("click", take);
  does("album").hidden = columns.album.numbers[row] < 0;
  does("album").addEventListener("click", () => acceptAlbum(row));
  does("clear").addEventListener("click", () => {
    clear(row);
    go(row);
  });
  return piece;
}

function bestOf(row) {
  return data.best[row].filter((_, i) => i % 2 === 0).map((number) => data.genres[number]);
}

// Go to a row, wherever it is in the table: turn to its page, open it, focus it.
function go(row) {
  const at = found.indexOf(row);
  if (at < 0) return;
  const page = Math.floor(at / ROWS_PER_PAGE);
  if (page !== state.page) {
    state.page = page;
    show();
  }
  const piece = rowsShown()[at % ROWS_PER_PAGE];
  open(piece, row);
  piece.nextSibling.querySelector(".choose")?.scrollIntoView({ block: "nearest" });
  opener(piece).focus();
}

function move(by) {
  const at = found.indexOf(currentRow()) + by;
  go(found[Math.min(Math.max(at, 0), found.length - 1)]);
}

// The next row without a choice, from the current one on and then from the first.
function nextOpen() {
  const at = found.indexOf(currentRow());
  for (let by = 1; by <= found.length; by += 1) {
    const row = found[(at + by + found.length) % found.length];
    if (isToReview(row)) return go(row);
  }
  tell("Every track that is listed has a choice.");
}

// The row that has the focus, or had it last.
function currentRow() {
  const piece = document.activeElement.closest("tr[data-row]");
  return piece ? Number(piece.dataset.row) : review.current;
}

const KEYS = {
  j: () => move(1),
  k: () => move(-1),
  n: () => nextOpen(),
  a: (row) => choose(row, proposed(row)),
  A: (row) => acceptAlbum(row),
  1: (row) => pick(row, 0),
  2: (row) => pick(row, 1),
  3: (row) => pick(row, 2),
  x: (row) => clear(row),
  u: () => undo(),
  s: () => save(),
  "?": () => byId("keys").showModal(),
  g: (row) => {
    go(row);
    byId("table").querySelector("tr.detail input").focus();
  },
};
KEYS.ArrowDown = KEYS.j;
KEYS.ArrowUp = KEYS.k;

function pick(row, number) {
  const genre = bestOf(row)[number];
  if (genre !== undefined) choose(row, [genre]);
}

document.addEventListener("keydown", (event) => {
  const { target, key } = event;
  const isElsewhere = target !== document.body && !byId("browser").contains(target);
  const isTyped = target.matches("input, select") || byId("keys").open;
  if (!review.on || isElsewhere || isTyped || event.ctrlKey || event.metaKey || event.altKey) return;
  // The arrows scroll, unless a row has the focus.
  if (key.startsWith("Arrow") && !target.closest("tr[data-row]")) return;
  if (!Object.hasOwn(KEYS, key)) return;
  event.preventDefault();
  const row = currentRow();
  if (row !== null && found.length) KEYS[key](row);
});

const openOnly = document.createElement("button");
openOnly.append("Not yet reviewed", document.createElement("span"));
Object.assign(openOnly, { id: "open-only", type: "button", hidden: true });
openOnly.setAttribute("aria-pressed", "false");
openOnly.addEventListener("click", () => {
  state.isOpen = !state.isOpen;
  openOnly.setAttribute("aria-pressed", String(state.isOpen));
  search();
});
byId("statuses").append(openOnly);

function begin() {
  review.on = true;
  tellMode();
  if (!byId("vocabulary").childElementCount) {
    byId("vocabulary").append(...data.vocabulary.map((genre) => new Option(genre)));
  }
  show();
  refresh();
}

function end() {
  review.on = false;
  state.isOpen = false;
  openOnly.setAttribute("aria-pressed", "false");
  tellMode();
  search();
  refresh();
}

function tellMode() {
  byId("reviewing").setAttribute("aria-expanded", String(review.on));
  byId("review").hidden = openOnly.hidden = !review.on;
}

// Begin at the first row that is listed and has no choice.
function beginAtFirst() {
  begin();
  if (!found.length) return;
  review.current = null;
  go(found[0]);
  if (!isToReview(found[0])) nextOpen();
  tell("Press ? for the keys, Space to play.");
}

byId("reviewing").hidden = false;
byId("reviewing").addEventListener("click", () => (review.on ? end() : beginAtFirst()));
for (const note of document.querySelectorAll("[data-asked]")) {
  const button = note.querySelector("button");
  button.hidden = false;
  button.addEventListener("click", () => {
    showStatus(note.dataset.asked);
    beginAtFirst();
    byId("tracks").scrollIntoView();
  });
}
byId("accept-all").addEventListener("click", acceptAll);
byId("least").addEventListener("change", refresh);
byId("save").addEventListener("click", save);
byId("undo").addEventListener("click", undo);
byId("legend").addEventListener("click", () => byId("keys").showModal());
byId("load").addEventListener("click", () => byId("file").click());
byId("file").addEventListener("change", async ({ target }) => {
  if (target.files.length) load(await target.files[0].text());
  target.value = "";
});
addEventListener("pagehide", keep);
addEventListener("beforeunload", (event) => {
  if (review.unsaved && !review.keeps) event.preventDefault();
});
restore();
refresh();
show();
// Prepare the search, so that the first letter typed does not wait for it.
setTimeout(haystack, 300);
