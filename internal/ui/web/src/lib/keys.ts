/** Whether a key belongs to a field, a dialog or the browser, and to no page. */
export function typing(e: KeyboardEvent): boolean {
  const on = e.target as HTMLElement
  return e.ctrlKey || e.metaKey || e.altKey || /^(INPUT|TEXTAREA|SELECT)$/.test(on.tagName) || !!document.querySelector('dialog[open]')
}
