// What keys do: the shell's and those of what is on the page now, for pressing
// and for the sheet that ? opens.
import { untrack } from 'svelte'

export type Key = {
  key: string
  does: string
  press?: () => void
  /** Where several things on a page take the same key, the one that has the focus does. */
  in?: () => HTMLElement | undefined
}

/** Whether a key belongs to a field, a dialog or the browser, and to no page. */
export function typing(e: KeyboardEvent): boolean {
  const on = e.target as HTMLElement
  return e.ctrlKey || e.metaKey || e.altKey || /^(INPUT|TEXTAREA|SELECT)$/.test(on.tagName) || !!document.querySelector('dialog[open]')
}

class Keys {
  groups = $state.raw<{ name: string; keys: Key[] }[]>([])
  private before = ''

  /** For as long as a component is there. */
  use(name: string, keys: Key[]) {
    $effect(() => {
      const group = { name, keys }
      untrack(() => (this.groups = [...this.groups, group]))
      return () => (this.groups = this.groups.filter((g) => g !== group))
    })
  }

  /** Does what the key, or the key after g, is for; false where it is for nothing. */
  pressed(e: KeyboardEvent): boolean {
    if (typing(e) || e.key === 'Shift') return false
    const key = this.before + e.key
    this.before = !this.before && e.key === 'g' ? 'g ' : ''
    const all = this.groups.flatMap((g) => g.keys).filter((k) => k.key === key && k.press)
    const one = all.find((k) => k.in?.()?.contains(e.target as Node)) ?? all[0]
    if (!one) return false
    e.preventDefault()
    one.press!()
    return true
  }
}
export const keys = new Keys()
