// The data of the map and its picture.

const FARTHEST = 65535;

const unpacked = (text) => Uint8Array.from(atob(text), (byte) => byte.charCodeAt(0)).buffer;
const places = Float32Array.from(new Uint16Array(unpacked(data.places)), (place) => place / FARTHEST);
const group = new Uint16Array(unpacked(data.group));
const seconds = new Int32Array(unpacked(data.seconds));
const columns = Object.fromEntries(
  Object.entries(data.columns).map(([name, { values, numbers }]) => [
    name,
    { values, numbers: new Int32Array(unpacked(numbers)) },
  ]),
);

const canvas = byId("canvas");
// The script makes the pixels: a graphics card could only copy them once more.
const context = canvas.getContext("2d", { alpha: false, willReadFrequently: true });
const view = { x: 0.5, y: 0.5, zoom: 1, width: 0, height: 0, ratio: 1 };
// Of each track: 0 not shown, 1 faint, 2 full.
const level = new Uint8Array(data.rows).fill(2);
// The track that is kept, the one under the mouse, and the lasso's line.
let kept = -1;
let under = -1;
let line = [];

function textOf(name, row) {
  const { values, numbers } = columns[name];
  return numbers[row] < 0 ? "" : values[numbers[row]];
}

const pathOf = (row) => textOf("folder", row) + data.file[row];

// --- the picture -----------------------------------------------------------------------------

const scale = () => view.zoom * 0.94 * Math.min(view.width, view.height);
const screenX = (row) => (places[2 * row] - view.x) * scale() + view.width / 2;
const screenY = (row) => (places[2 * row + 1] - view.y) * scale() + view.height / 2;
const mapX = (x) => (x - view.width / 2) / scale() + view.x;
const mapY = (y) => (y - view.height / 2) / scale() + view.y;

// Few points are large, many are small, and all grow a little as one comes closer.
function radius() {
  const far = Math.min(Math.max(5.2 - 1.6 * Math.log10(data.rows / 300), 1.6), 5.2);
  return Math.min(far * view.zoom ** 0.3, 8);
}

const channels = (colour) => colour.match(/\d+/g).slice(0, 3).map(Number);
const fromHex = (colour) => [1, 3, 5].map((at) => parseInt(colour.slice(at, at + 2), 16));
const packed = ([red, green, blue]) => ((255 << 24) | (blue << 16) | (green << 8) | red) >>> 0;

function colours() {
  const style = getComputedStyle(document.body);
  const surface = channels(style.backgroundColor);
  const full = data.groups.map(({ colour }) => fromHex(colour));
  const faint = full.map((some) => some.map((c, i) => Math.round(0.14 * c + 0.86 * surface[i])));
  return { surface: packed(surface), text: style.color, 1: faint.map(packed), 2: full.map(packed) };
}

let palette = colours();
let sheet = null;
let pixels = null;

// A disc as steps in the picture: those that it covers, and those of its edge with their shares.
function disc(size, width) {
  const inner = [];
  const edge = [];
  const shares = [];
  const reach = Math.ceil(size);
  for (let y = -reach; y <= reach; y++) {
    for (let x = -reach; x <= reach; x++) {
      const share = size + 0.5 - Math.hypot(x, y);
      if (share >= 1) inner.push(y * width + x);
      else if (share > 0.05) {
        edge.push(y * width + x);
        shares.push(Math.round(share * 256));
      }
    }
  }
  return { inner: Int32Array.from(inner), edge: Int32Array.from(edge), shares: Int32Array.from(shares) };
}

function blended(under, over, share) {
  const rest = 256 - share;
  const even = ((over & 0xff00ff) * share + (under & 0xff00ff) * rest) / 256;
  const odd = (((over >> 8) & 0xff) * share + ((under >> 8) & 0xff) * rest) & 0xff00;
  return (0xff000000 | (even & 0xff00ff) | odd) >>> 0;
}

function paintLevel(wanted, size, margin) {
  const { width, height } = sheet;
  const { inner, edge, shares } = disc(size, width);
  const step = scale() * view.ratio;
  const left = (view.width * view.ratio) / 2 + margin - view.x * step;
  const top = (view.height * view.ratio) / 2 + margin - view.y * step;
  const colour = palette[wanted];
  for (let row = 0; row < data.rows; row++) {
    if (level[row] !== wanted) continue;
    const x = Math.round(places[2 * row] * step + left);
    const y = Math.round(places[2 * row + 1] * step + top);
    if (x < margin / 2 || y < margin / 2 || x >= width - margin / 2 || y >= height - margin / 2) continue;
    const at = y * width + x;
    const own = colour[group[row]];
    for (let i = 0; i < inner.length; i++) pixels[at + inner[i]] = own;
    for (let i = 0; i < edge.length; i++) {
      const spot = at + edge[i];
      pixels[spot] = blended(pixels[spot], own, shares[i]);
    }
  }
}

// Around the picture is a margin, so that no disc has to be cut.
function paint() {
  const size = Math.max(radius() * view.ratio - 0.5, 1);
  const margin = 2 * (Math.ceil(16 * view.ratio) + 1);
  const width = canvas.width + 2 * margin;
  const height = canvas.height + 2 * margin;
  if (!sheet || sheet.width !== width || sheet.height !== height) {
    sheet = new ImageData(width, height);
    pixels = new Uint32Array(sheet.data.buffer);
  }
  pixels.fill(palette.surface);
  paintLevel(1, size, margin);
  paintLevel(2, size, margin);
  context.putImageData(sheet, -margin, -margin);
  context.setTransform(view.ratio, 0, 0, view.ratio, 0, 0);
  context.strokeStyle = palette.text;
  for (const row of new Set([kept, under])) {
    if (row < 0) continue;
    context.lineWidth = row === kept ? 2.5 : 1.5;
    context.beginPath();
    context.arc(screenX(row), screenY(row), radius() + 3.5, 0, 2 * Math.PI);
    context.stroke();
  }
  if (line.length) {
    context.lineWidth = 1.5;
    context.setLineDash([5, 4]);
    context.beginPath();
    for (const [x, y] of line) context.lineTo(x, y);
    context.stroke();
    context.setLineDash([]);
  }
}

let isAsked = false;
function repaint() {
  if (isAsked) return;
  isAsked = true;
  requestAnimationFrame(() => {
    isAsked = false;
    paint();
  });
}
