// Light, dark, or as the system says; remembered.
export const themes = ['system', 'light', 'dark'] as const
type Theme = (typeof themes)[number]

class Look {
  theme = $state<Theme>('system')
  constructor() {
    const kept = localStorage.getItem('theme') as Theme | null
    this.set(kept && themes.includes(kept) ? kept : 'system')
  }
  set(theme: Theme) {
    this.theme = theme
    document.documentElement.dataset.theme = theme
    localStorage.setItem('theme', theme)
  }
  next() {
    this.set(themes[(themes.indexOf(this.theme) + 1) % themes.length])
  }
}
export const look = new Look()
