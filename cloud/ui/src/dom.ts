// Small helpers over the page; nothing here knows what the page is about.

export function byId<T extends Element = HTMLElement>(id: string): T | null {
  return document.getElementById(id) as T | null;
}

export function colour(name: string): string {
  return getComputedStyle(document.documentElement).getPropertyValue(name).trim();
}

/** Sets text only where it differs, so that screen readers and layout stay quiet. */
export function setText(element: Element | null, text: string): void {
  if (element && element.textContent !== text) element.textContent = text;
}

const PROBLEM_MS = 8000;
let problemEnds = 0;
let saidMeanwhile = "";

/** One announcement per event, spoken once; a problem is readable for a while, and what else is said waits for its end. */
export function say(text: string, isProblem = false): void {
  const place = byId("say");
  if (!place) return;
  if (problemEnds && !isProblem) {
    saidMeanwhile = text;
    return;
  }
  place.textContent = text;
  place.classList.toggle("toast", isProblem);
  place.classList.toggle("vh", !isProblem);
  if (!isProblem) return;
  clearTimeout(problemEnds);
  problemEnds = setTimeout(() => {
    problemEnds = 0;
    place.classList.replace("toast", "vh");
    if (saidMeanwhile) say(saidMeanwhile);
    saidMeanwhile = "";
  }, PROBLEM_MS);
}

export function isTyping(target: EventTarget | null): boolean {
  return target instanceof Element && target.matches("input, textarea, select, [contenteditable]");
}
