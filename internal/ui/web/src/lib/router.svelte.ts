// The URL holds everything a page shows: a link pasted elsewhere opens the same view.
class Router {
  url = $state.raw(new URL(location.href))

  constructor() {
    addEventListener('popstate', () => (this.url = new URL(location.href)))
    addEventListener('click', (e) => {
      const a = (e.target as Element).closest?.('a')
      if (!a || e.defaultPrevented || e.button || e.metaKey || e.ctrlKey || e.shiftKey || a.hasAttribute('download')) return
      const href = a.getAttribute('href')
      if (!href || a.getAttribute('target')) return
      const to = new URL(href, location.href)
      if (to.origin !== location.origin || to.pathname.startsWith('/api/') || (to.pathname === location.pathname && to.hash)) return
      e.preventDefault()
      this.go(to.pathname + to.search + to.hash)
    })
  }

  get path(): string {
    return this.url.pathname
  }

  /** A query parameter, "" when it is absent. */
  ask(name: string): string {
    return this.url.searchParams.get(name) ?? ''
  }

  go(to: string, replace = false) {
    const url = new URL(to, location.href)
    const other = url.pathname !== this.url.pathname
    history[replace ? 'replaceState' : 'pushState'](null, '', url)
    this.url = url
    if (other) scrollTo(0, 0)
  }

  /** Sets query parameters; an empty value takes one away. */
  set(values: Record<string, string>, replace = true) {
    this.go(this.with(values), replace)
  }

  with(values: Record<string, string>): string {
    const url = new URL(this.url)
    url.hash = ''
    for (const [name, v] of Object.entries(values)) v ? url.searchParams.set(name, v) : url.searchParams.delete(name)
    return url.pathname + url.search
  }
}

export const router = new Router()

/** The path of a page about something that is named freely. */
export const pathOf = (page: string, name: string) => `/${page}/${encodeURIComponent(name)}`
