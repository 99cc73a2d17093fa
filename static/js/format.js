// Numbers as words, the same as fleet/templatetags/units.py writes them.
export const NOTHING = "–";
const CLOSE = 0.95;
const UNITS = ["B", "KiB", "MiB", "GiB", "TiB", "PiB"];
const STATE_WORDS = { shutoff: "shut off", powered_off: "powered off" };

const missing = (value) => value === null || value === undefined || value === "";
const short = (number) => (number < 10 ? number.toFixed(1).replace(/\.0$/, "") : number.toFixed(0));

export function bytesize(value) {
  if (missing(value)) return NOTHING;
  let size = Number(value);
  let unit = 0;
  while (size >= 1024 && unit < UNITS.length - 1) [size, unit] = [size / 1024, unit + 1];
  return `${short(size)} ${UNITS[unit]}`;
}

export const mib = (value) => (missing(value) ? NOTHING : bytesize(value * 1024 * 1024));
export const rate = (value) => (missing(value) ? NOTHING : `${bytesize(value)}/s`);
export const percent = (value) => (missing(value) ? NOTHING : `${Math.round(value)} %`);
export const text = (value) => (missing(value) ? NOTHING : String(value));
export const guests = (value) => (missing(value) ? NOTHING : `${value} guest${value === 1 ? "" : "s"}`);
export const words = (values) => (values ?? []).join(", ");
export const state = (value) => STATE_WORDS[value] ?? String(value);

export function seconds(value) {
  if (missing(value)) return NOTHING;
  if (value < 10) return `${short(Number(value))} s`;
  const whole = Math.round(value);
  if (whole < 60) return `${whole} s`;
  if (whole < 3600) return `${Math.floor(whole / 60)} min ${whole % 60} s`;
  return `${Math.floor(whole / 3600)} h ${Math.floor((whole % 3600) / 60)} min`;
}

export function millis(value) {
  if (missing(value)) return NOTHING;
  return value < 1000 ? `${Math.round(value)} ms` : seconds(value / 1000);
}

export function range_s(progress) {
  const low = progress?.eta_s_low;
  const high = progress?.eta_s_high;
  if (missing(low)) return NOTHING;
  if (missing(high)) return `at least ${seconds(low)}`;
  const [size, unit] = high < 90 ? [1, "s"] : high < 5400 ? [60, "min"] : [3600, "h"];
  const [least, most] = [Math.floor(low / size), Math.ceil(high / size)];
  return least === most ? `about ${most} ${unit}` : `${least} to ${most} ${unit}`;
}

export function struggle(progress) {
  const carried = progress?.rate_bytes_s ?? 0;
  const written = progress?.dirty_rate_bytes_s ?? 0;
  if ((progress?.iteration ?? 0) < 2 || !carried || written < CLOSE * carried) return "";
  const slowed = progress.throttle_percent;
  const more = slowed ? `Its CPUs are slowed down by ${slowed} % so that it can.` : "It may never finish like this.";
  const how = written < carried ? "Hardly" : "Not";
  return `${how} converging: the guest writes ${rate(written)}, the link carries ${rate(carried)}. ${more}`;
}

export function ago(milliseconds) {
  const passed = Math.max(0, Math.floor(milliseconds / 1000));
  if (passed >= 86_400) return `${Math.floor(passed / 86_400)} day${passed < 172_800 ? "" : "s"} ago`;
  if (passed >= 3600) return `${Math.floor(passed / 3600)} h ago`;
  if (passed >= 60) return `${Math.floor(passed / 60)} min ago`;
  return passed >= 5 ? `${passed} s ago` : "just now";
}
