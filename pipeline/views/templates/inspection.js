// The time under the mouse and its genres; the track, and where it is played.

const timeline = document.querySelector(".timeline"), here = document.querySelector(".here");
const plot = document.querySelector(".plot"), readout = document.querySelector("output");

function tell(event) {
  const box = plot.getBoundingClientRect();
  const share = (event.clientX - box.left) / box.width;
  here.hidden = share < 0 || share > 1;
  if (here.hidden) { readout.textContent = ""; return; }
  here.style.setProperty("--share", share);
  const time = share * data.duration;
  const segment = data.ends.findIndex((end) => time < end);
  const best = segment < 0 ? [] : data.probabilities[segment]
    .map((p, genre) => [p, data.names[genre]]).sort((a, b) => b[0] - a[0]).slice(0, 3);
  const said = best.map(([p, name]) => `${name} ${Math.round(100 * p)} %`).join(", ");
  readout.textContent = `${clock(time)}: ${said || "no segment"}`;
}
const track = { path: data.path, title: data.title, seconds: data.duration };
const trackAtHand = () => track;
listenWith(byId("listen"), track);

// While the track is played the line is where the sound is, and a click moves both.
audio.addEventListener("timeupdate", () => {
  const box = plot.getBoundingClientRect();
  if (!audio.paused) tell({ clientX: box.left + (audio.currentTime / data.duration) * box.width });
});
timeline.addEventListener("click", (event) => {
  const box = plot.getBoundingClientRect();
  const share = (event.clientX - box.left) / box.width;
  if (player.track && !player.failed && share >= 0 && share <= 1) {
    audio.currentTime = share * data.duration;
  }
});
timeline.addEventListener("pointermove", tell);
timeline.addEventListener("pointerdown", tell);
timeline.addEventListener("pointerleave", (event) => {
  if (event.pointerType === "mouse") { here.hidden = true; readout.textContent = ""; }
});
