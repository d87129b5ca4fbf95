// Draw the plots, in the colours that the page has.

const plots = JSON.parse(byId("data").textContent);
const probe = byId("probe");

function draw() {
  // What a colour of the page is in light or dark.
  const colour = (name) => {
    probe.style.color = `var(--${name})`;
    return getComputedStyle(probe).color;
  };
  const tokens = {"@shades": [[0, colour("raised")], [1, colour("shade")]]};
  for (const name of ["accent", "faint", "surface", "text"]) tokens["@" + name] = colour(name);
  const themed = (value) => {
    if (Array.isArray(value)) return value.map(themed);
    if (value && typeof value === "object")
      return Object.fromEntries(Object.entries(value).map(([key, v]) => [key, themed(v)]));
    return Object.hasOwn(tokens, value) ? tokens[value] : value;
  };
  for (const [id, plot] of Object.entries(plots)) {
    const box = document.getElementById(id);
    const narrow = box.clientWidth < 520;
    const height = plot.aspect ? Math.min(plot.height, 40 + plot.aspect * box.clientWidth) : plot.height;
    // The legend stands under a narrow plot and needs its own room there.
    const legendHeight = plot.legend ? (narrow ? 24 * Math.ceil(plot.legend / 2) + 20 : 0) : 0;
    const axis = {gridcolor: colour("line"), linecolor: colour("line"), automargin: true, fixedrange: true,
      title: {font: {color: colour("quiet"), size: 12}}};
    const layout = themed(plot.layout);
    for (const name of ["xaxis", "yaxis", "yaxis2"])
      if (layout[name]) layout[name] = {...axis, ...layout[name], title: {...axis.title, ...layout[name].title}};
    Plotly.react(box, themed(plot.data), {
      ...layout,
      height: height + legendHeight,
      margin: {l: 8, r: 12, t: 12, b: 8},
      paper_bgcolor: "transparent",
      plot_bgcolor: "transparent",
      font: {family: "system-ui, sans-serif", size: narrow ? 11 : 12, color: colour("text")},
      showlegend: Boolean(plot.legend),
      legend: narrow ? {orientation: "h", y: -0.18, yanchor: "top", x: 0} : {x: 1.02, y: 1},
      hoverlabel: {align: "left"},
    }, {displayModeBar: false, responsive: true});
  }
}
draw();
onTheme.push(draw);
let width = innerWidth;
addEventListener("resize", () => { if (innerWidth !== width) { width = innerWidth; draw(); } });
