// Play a track from the disk, one at a time, from its middle. A page says which track is at hand.

// As formats are called by browsers; those that are not here are tried.
const MEDIA_TYPES = {
  mp3: "audio/mpeg",
  flac: "audio/flac",
  wav: "audio/wav",
  ogg: "audio/ogg",
  oga: "audio/ogg",
  opus: "audio/ogg; codecs=opus",
  m4a: "audio/mp4",
  mp4: "audio/mp4",
  aac: "audio/aac",
  aif: "audio/aiff",
  aiff: "audio/aiff",
  wma: "audio/x-ms-wma",
  wv: "audio/x-wavpack",
  ape: "audio/x-ape",
  mpc: "audio/x-musepack",
};
const data = JSON.parse(byId("data").textContent);
const audio = byId("audio");
// What is played: path, title, length in s; and the addresses that are left to try.
const player = { track: null, addresses: [], failed: false };

// Music in a bucket cannot be played, nor can a page from a server read the disk.
const canPlay = (path) => path.startsWith("/") && location.protocol === "file:";

// Bytes of a name that are no text are \udcxx in reports.
function encoded(name) {
  const parts = name.split(/\\udc([89a-f][0-9a-f])/);
  return parts.map((part, i) => (i % 2 ? `%${part}` : encodeURIComponent(part))).join("");
}

const absolute = (path) => `file://${path.split("/").map(encoded).join("/")}`;

// Where a file is if it was moved together with this page, which was made in `folder`.
function beside(path, folder) {
  const [from, to] = [folder.split("/"), path.split("/")];
  let same = 0;
  while (same < from.length && same < to.length - 1 && from[same] === to[same]) same += 1;
  const steps = [...from.slice(same).map(() => ".."), ...to.slice(same).map(encoded)];
  return new URL(steps.join("/"), location.href).href;
}

function play(track) {
  if (player.track?.path === track.path && !player.failed) {
    if (audio.paused) audio.play().catch(() => {});
    else audio.pause();
    return;
  }
  const addresses = [absolute(track.path), beside(track.path, data.made_in)];
  Object.assign(player, { track, addresses: [...new Set(addresses)], failed: false });
  byId("player").hidden = false;
  const extension = track.path.split(".").at(-1).toLowerCase();
  const type = MEDIA_TYPES[extension];
  if (type && !audio.canPlayType(type)) {
    silence();
    return tellPlayed(`This browser cannot play ${extension} files`, true);
  }
  tellPlayed("Playing", false);
  attempt();
}

function attempt() {
  audio.src = player.addresses.shift();
  audio.play().catch(() => {});
}

function silence() {
  audio.pause();
  audio.removeAttribute("src");
  audio.load();
}

function tellPlayed(what, failed) {
  player.failed = failed;
  audio.hidden = failed;
  byId("playing").textContent = `${what}: ${player.track.title}`;
  tellButtons();
}

function tellButtons() {
  const path = player.failed || audio.paused ? null : player.track?.path;
  for (const button of document.querySelectorAll("[data-path]")) {
    button.setAttribute("aria-pressed", String(button.dataset.path === path));
  }
}

// Make a button play a track.
function listenWith(button, track) {
  button.hidden = !canPlay(track.path);
  button.dataset.path = track.path;
  button.setAttribute("aria-label", `Play ${track.title}`);
  button.setAttribute("aria-pressed", String(track.path === player.track?.path && !audio.paused));
  button.addEventListener("click", () => play(track));
}

audio.addEventListener("loadedmetadata", () => {
  const seconds = Number.isFinite(audio.duration) ? audio.duration : player.track.seconds;
  if (seconds > 0) audio.currentTime = seconds / 2;
});
audio.addEventListener("error", () => {
  if (!audio.hasAttribute("src")) return;
  if (player.addresses.length) return attempt();
  tellPlayed("The file has moved, or this browser cannot play it", true);
});
for (const event of ["play", "pause", "ended"]) audio.addEventListener(event, tellButtons);
byId("stop").addEventListener("click", () => {
  player.track = null;
  silence();
  byId("player").hidden = true;
  tellButtons();
});

// Space plays what is at hand, unless what has the focus needs it itself.
function trackForSpace({ key, target, ctrlKey, metaKey, altKey }) {
  if (key !== " " || ctrlKey || metaKey || altKey) return null;
  if (target.matches("input, select, audio, summary, a") || target.closest("dialog")) return null;
  if (target.closest("button:not([data-space])")) return null;
  const track = trackAtHand(target);
  return track && canPlay(track.path) ? track : null;
}
document.addEventListener("keydown", (event) => {
  const track = trackForSpace(event);
  if (!track) return;
  event.preventDefault();
  if (!event.repeat) play(track);
});
// Some browsers press a button when the key goes up.
document.addEventListener("keyup", (event) => {
  if (trackForSpace(event)) event.preventDefault();
});
