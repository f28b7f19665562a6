// What every page has: htmx with our session token, refusals said aloud, the theme, and the keyboard.
import htmx from "htmx.org";
import { byId, isTyping, say } from "./dom";

document.documentElement.dataset.js = "on";

interface Ctx {
  request: { headers: Record<string, string> };
  response?: { raw: Response; status: number };
  sourceElement: Element;
}
const ctxOf = (event: Event): Ctx => (event as CustomEvent<{ ctx: Ctx }>).detail.ctx;

document.addEventListener("htmx:config:request", (event) => {
  const token = document.querySelector<HTMLMetaElement>('meta[name="csrf"]')?.content;
  if (token) ctxOf(event).request.headers["X-CSRF-Token"] = token;
});

// A refusal is never swapped into the page (htmx 4 would): it is said, and the page stays as it was.
document.addEventListener("htmx:before:response", (event) => {
  const answer = ctxOf(event).response;
  if (!answer || answer.status < 400) return;
  event.preventDefault();
  answer.raw.json().then(
    (problem: { detail: string; next_step: string }) => say(`${problem.detail}. ${problem.next_step}`, true),
    () => say(`The server answered ${answer.status}. Load the page again.`, true),
  );
});
document.addEventListener("htmx:error", () => say("The server does not answer. Try again in a moment.", true));

// Focus stays on what was acted upon, also when it is replaced.
let kept = "";
document.addEventListener("htmx:before:swap", () => {
  kept = document.activeElement?.closest("li[id]")?.id ?? "";
});
document.addEventListener("htmx:after:swap", () => {
  if (!kept) return;
  const item = byId(kept);
  kept = "";
  if (!item || item.contains(document.activeElement)) return;
  item.focus({ preventScroll: true });
  const who = item.querySelector(".who")?.textContent;
  if (who) say(`${item.querySelector("h3")?.textContent ?? ""}, ${who}`);
});

// The theme changes without leaving the page; the form does the same without script.
const ORDER: Record<string, string> = { auto: "light", light: "dark", dark: "auto" };
document.querySelector<HTMLFormElement>("form.theme")?.addEventListener("submit", (event) => {
  event.preventDefault();
  const root = document.documentElement;
  const next = ORDER[root.dataset.theme ?? "auto"] ?? "auto";
  root.dataset.theme = next;
  document.cookie = `tallystick_theme=${next};path=/;max-age=31536000;samesite=lax`;
  const button = (event.target as HTMLElement).querySelector("button");
  button?.setAttribute("value", ORDER[next] ?? "auto");
  button?.setAttribute("title", next);
  dispatchEvent(new CustomEvent("theme"));
});
for (const query of ["(prefers-color-scheme: light)", "(prefers-contrast: more)", "print"]) {
  matchMedia(query).addEventListener("change", () => dispatchEvent(new CustomEvent("theme")));
}

// Search results close when focus leaves them.
const search = byId<HTMLInputElement>("search");
const found = byId("found");
const form = search?.closest("form");
form?.addEventListener("keydown", (event) => {
  const results = [...(found?.querySelectorAll<HTMLElement>("a") ?? [])];
  const at = results.indexOf(document.activeElement as HTMLElement);
  if (event.key === "Escape") {
    found?.replaceChildren();
    search?.focus();
  } else if (event.key === "ArrowDown" && results.length) {
    event.preventDefault();
    results[Math.min(at + 1, results.length - 1)]?.focus();
  } else if (event.key === "ArrowUp" && at >= 0) {
    event.preventDefault();
    (at === 0 ? search : results[at - 1])?.focus();
  }
});
form?.addEventListener("focusout", (event) => {
  if (!form.contains(event.relatedTarget as Node | null)) found?.replaceChildren();
});

// Keyboard.
let wentG = Number.NEGATIVE_INFINITY; // a page just loaded has not seen a g
const alarms = (): HTMLElement[] => [...document.querySelectorAll<HTMLElement>("#alarms > li")];

function step(by: number): void {
  const rows = alarms();
  const at = rows.findIndex((row) => row.contains(document.activeElement));
  const next = rows[Math.max(0, Math.min(rows.length - 1, at < 0 ? 0 : at + by))];
  next?.focus();
  next?.scrollIntoView({ block: "nearest" });
}

function go(key: string): boolean {
  const link = document.querySelector<HTMLAnchorElement>(`.rail a[data-key="${CSS.escape(key)}"]`);
  link?.click();
  return link !== null;
}

addEventListener("keydown", (event) => {
  if (isTyping(event.target) || event.ctrlKey || event.metaKey || event.altKey) return;
  const dialog = byId<HTMLDialogElement>("keys");
  if (dialog?.open) return;
  if (performance.now() - wentG < 1000 && go(event.key)) return;
  switch (event.key) {
    case "/":
      event.preventDefault();
      search?.focus();
      break;
    case "j":
      step(1);
      break;
    case "k":
      step(-1);
      break;
    case "t":
      document.activeElement?.closest("#alarms > li")?.querySelector<HTMLButtonElement>("form button")?.click();
      break;
    case "g":
      wentG = performance.now();
      break;
    case "?":
      dialog?.showModal();
      break;
  }
});
byId("help")?.addEventListener("click", () => byId<HTMLDialogElement>("keys")?.showModal());

export { htmx };
