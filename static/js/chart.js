// The live chart of a copy: what remains, how fast it goes, how fast the guest writes again.
import { bytesize, rate } from "./format.js";

const POWERS = Array.from({ length: 50 }, (_, power) => 2 ** power);
const LONGEST = 2_400; // ten minutes at four samples a second

const colour = (name) => getComputedStyle(document.body).getPropertyValue(name).trim();

function options(width, height, expectedEnd) {
  const line = { stroke: colour("--tblr-border-color"), width: 1 };
  const axis = (more) => ({ stroke: colour("--tblr-secondary-color"), grid: line, ticks: line, font: "11px system-ui", ...more });
  const series = (label, name, scale, words, more) => ({
    label, scale, stroke: colour(name), width: 1.75, points: { show: false }, value: (_, value) => words(value), ...more,
  });
  return {
    width, height,
    cursor: { points: { size: 6 } },
    scales: { x: { time: false, range: (_, low, high) => [low, Math.max(high, expectedEnd() ?? 0)] }, bytes: { range: (_, low, high) => [0, high || 1] }, rate: { range: (_, low, high) => [0, (high || 2 ** 20) * 1.1] } },
    axes: [
      axis({ values: (_, ticks) => ticks.map((tick) => `${tick} s`) }),
      axis({ scale: "bytes", size: 72, incrs: POWERS, values: (_, ticks) => ticks.map((tick) => bytesize(tick)) }),
      axis({ scale: "rate", side: 1, size: 84, incrs: POWERS, grid: { show: false }, values: (_, ticks) => ticks.map((tick) => rate(tick)) }),
    ],
    series: [
      { label: "after", value: (_, value) => (value === null || value === undefined ? "–" : `${value.toFixed(1)} s`) },
      series("remaining", "--d-off", "bytes", bytesize, { fill: `${colour("--d-off")}22` }),
      series("transfer", "--d-busy", "rate", rate),
      series("guest writes", "--d-warn", "rate", rate, { dash: [5, 3] }),
    ],
  };
}

// Draws into `box` as samples come; the card stays hidden until there are two.
export function drawChart(box) {
  const data = [[], [], [], []];
  let plot = null;
  let expected = null;

  function draw() {
    plot?.destroy();
    plot = new window.uPlot(options(box.clientWidth, 200, () => expected), data, box);
  }

  function add(progress) {
    if (!box || !window.uPlot || progress.rate_bytes_s === undefined) return;
    const at = (progress.elapsed_ms ?? 0) / 1000;
    if (data[0].length && at <= data[0].at(-1)) return;
    const parts = [progress.memory, progress.disks].filter((part) => part?.total);
    if (!parts.length) return;
    const left = parts.reduce((sum, part) => sum + part.remaining, 0);
    expect(progress.outlook, at);
    // What the guest writes again is known from the first pass on; a line at zero before would be a lie.
    const rates = [progress.rate_bytes_s || null, progress.iteration ? (progress.dirty_rate_bytes_s ?? null) : null];
    push([at, left, ...rates]);
    show();
  }

  // The axis reaches to the expected end, so that the line is seen to run towards it.
  function expect(outlook, at) {
    expected = outlook?.converges !== false && outlook?.eta_s ? at + outlook.eta_s : null;
  }

  function push(row) {
    row.forEach((value, index) => data[index].push(value));
    if (data[0].length > LONGEST) data.forEach((column) => column.shift());
  }

  function show() {
    if (data[0].length < 2) return;
    box.closest("[data-chart-card]").hidden = false;
    if (plot) plot.setData(data);
    else draw();
    // Without a pointer on it the legend tells the newest values.
    if ((plot.cursor.left ?? -1) < 0) plot.setLegend({ idx: data[0].length - 1 });
  }

  if (box) {
    for (const [elapsed, ...row] of JSON.parse(box.dataset.samples || "[]")) push([elapsed / 1000, ...row]);
    if (window.uPlot) show();
    new ResizeObserver(() => plot?.setSize({ width: box.clientWidth, height: 200 })).observe(box);
    document.addEventListener("drover:theme", () => plot && draw());
  }
  return { add };
}
