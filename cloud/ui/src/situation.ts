// The situation room's live part: applies what changed, keeps the clock, and says when nothing arrives.
import htmx from "htmx.org";
import { Chart, type Point } from "./chart";
import { byId, say, setText } from "./dom";

interface Boot {
  zone: string;
  unit: string;
  now: number;
  factor: number;
  measure: "state" | "use" | "value";
  filter: "unowned" | "all";
  points: Point[];
  length: number;
  words: Record<"live" | "silent" | "lost" | "again", string>;
}
type Shape = [shape: string, percent: number];
interface Mark {
  state: Shape;
  use: Shape;
  value: Shape;
  note: string;
}
interface AlarmLine {
  r: string;
  by: string | null;
  say: string;
  h: string;
}
interface Tick {
  t: number;
  k?: Record<string, string>;
  c?: Record<string, string>;
  g?: Record<string, Mark>;
  p?: Record<string, [number, number] | null>;
  a?: Record<string, AlarmLine>;
  s?: { html: string };
  "-"?: Record<string, string[]>;
}

const OFFLINE_MS = 4500; // two signs of life missed; said before five seconds are over
const boot = JSON.parse(byId("boot")?.textContent ?? "{}") as Boot;
const locale = document.documentElement.dataset["numbers"] ?? document.documentElement.lang;
const place = byId("chart");
const chart = place ? new Chart(place, boot.points, boot.length, boot.zone, locale) : undefined;
const list = byId("alarms");
let heard = performance.now();
let anchor = { city: boot.now, here: performance.now() };
let known = new Set([...(list?.children ?? [])].map((item) => item.id));

function applyMark(id: string, mark: Mark): void {
  const group = byId<SVGGElement>(`m-${id}`);
  if (!group) return;
  const [shape, percent] = mark[boot.measure];
  const use = group.querySelector("use");
  use?.setAttribute("href", `#m-${shape}`);
  use?.setAttribute("class", shape);
  use?.setAttribute("transform", `scale(${percent / 100})`);
  setText(group.querySelector("title"), mark.note);
}

function applyAlarm(id: string, line: AlarmLine, isFirst: boolean): void {
  if (!list) return;
  const old = byId(`al-${id}`);
  if (!old && boot.filter === "unowned" && line.by) return;
  const holder = document.createElement("ul");
  holder.innerHTML = line.h;
  const item = holder.firstElementChild as HTMLElement | null;
  if (!item) return;
  if (old) {
    if (old.isEqualNode(item)) return;
    const hadFocus = old.contains(document.activeElement);
    old.replaceWith(item);
    if (hadFocus) item.focus({ preventScroll: true });
  } else {
    const after = [...list.children].find((one) => ((one as HTMLElement).dataset.rank ?? "") < line.r);
    list.insertBefore(item, after ?? null);
    if (!isFirst && !known.has(item.id)) {
      item.classList.add("new");
      say(line.say);
    }
  }
  known.add(item.id);
  htmx.process(item);
}

function removeAlarms(ids: string[]): void {
  for (const id of ids) {
    const item = byId(`al-${id}`);
    if (!item) continue;
    const next = (item.nextElementSibling ?? item.previousElementSibling) as HTMLElement | null;
    const hadFocus = item.contains(document.activeElement);
    item.remove();
    if (hadFocus) (next ?? byId("main"))?.focus({ preventScroll: true });
  }
}

function apply(tick: Tick, isWhole: boolean): void {
  heard = performance.now();
  anchor = { city: tick.t, here: heard };
  for (const [key, text] of Object.entries(tick.k ?? {})) setText(document.querySelector(`[data-k="${key}"]`), text);
  for (const [key, text] of Object.entries(tick.c ?? {})) setText(document.querySelector(`[data-c="${key}"]`), text);
  for (const [id, mark] of Object.entries(tick.g ?? {})) applyMark(id, mark);
  if (tick.p) chart?.update(tick.p);
  if (tick.s) {
    const split = byId("split");
    if (split && split.innerHTML !== tick.s.html) split.innerHTML = tick.s.html;
  }
  if (isWhole && list) {
    removeAlarms([...list.children].map((one) => one.id.slice(3)).filter((id) => !(id in (tick.a ?? {}))));
  }
  removeAlarms(tick["-"]?.["a"] ?? []);
  for (const [id, line] of Object.entries(tick.a ?? {})) applyAlarm(id, line, false);
  if (gatewaysChanged(tick)) location.reload();
}

/** A gateway that enrolled or left is not on this map yet; the server draws it. */
function gatewaysChanged(tick: Tick): boolean {
  const hasNew = Object.keys(tick.g ?? {}).some((id) => !gateways.has(id));
  return hasNew || (tick["-"]?.["g"] ?? []).length > 0;
}
const gateways = new Set((byId("boot")?.dataset["gateways"] ?? "").split(" ").filter(Boolean));

const pending: [Tick, boolean][] = [];
function flush(): void {
  for (const [tick, isWhole] of pending.splice(0)) apply(tick, isWhole);
}
function take(event: MessageEvent<string>, isWhole: boolean): void {
  heard = performance.now();
  if (pending.push([JSON.parse(event.data) as Tick, isWhole]) > 1) return;
  if (document.hidden) setTimeout(flush, 250);
  else requestAnimationFrame(flush);
}

const source = new EventSource("/situation/live");
source.addEventListener("full", (event) => take(event as MessageEvent<string>, true));
source.addEventListener("tick", (event) => take(event as MessageEvent<string>, false));

const clock = new Intl.DateTimeFormat("en-GB", {
  timeZone: boot.zone,
  hour: "2-digit",
  minute: "2-digit",
  second: "2-digit",
});
function beat(): void {
  const silent = performance.now() - heard;
  const isOffline = silent > OFFLINE_MS;
  document.documentElement.dataset["conn"] = isOffline ? "off" : "on";
  setText(byId("conn"), isOffline ? boot.words.silent.replace("{n}", String(Math.round(silent / 1000))) : boot.words.live);
  if (isOffline) return; // a clock that runs on would say that the numbers are of now
  const now = anchor.city + (performance.now() - anchor.here) * boot.factor;
  setText(byId("clock-time"), clock.format(now));
}
setInterval(beat, 250);
beat();

let wasOffline = false;
setInterval(() => {
  const isOffline = document.documentElement.dataset["conn"] === "off";
  if (isOffline !== wasOffline) say(isOffline ? boot.words.lost : boot.words.again);
  wasOffline = isOffline;
}, 1000);
