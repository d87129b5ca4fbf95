// Play files of the same recording, one after the other from the same place.

function trackIn(row) {
  const path = row.dataset.file;
  return { path, title: path.split("/").at(-1), seconds: Number(row.dataset.seconds) };
}

for (const row of document.querySelectorAll("[data-file]")) {
  listenWith(row.querySelector(".listen"), trackIn(row));
}

function trackAtHand(target) {
  const row = target.closest("[data-file]");
  return row ? trackIn(row) : player.track;
}
