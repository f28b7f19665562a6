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

/** One announcement per event, spoken once and readable for a while. */
export function say(text: string, isProblem = false): void {
  const place = byId("say");
  if (!place) return;
  place.textContent = text;
  place.classList.toggle("toast", isProblem);
  place.classList.toggle("vh", !isProblem);
  if (isProblem) setTimeout(() => place.classList.replace("toast", "vh"), 8000);
}

export function isTyping(target: EventTarget | null): boolean {
  return target instanceof Element && target.matches("input, textarea, select, [contenteditable]");
}
