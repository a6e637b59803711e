import { Problem } from './api'
import { router } from './router.svelte'

/** Whether the daemon answers; the dot in the top bar, and the banner when it does not. */
class Connection {
  ok = $state(true)
  /** When it answered last, in milliseconds. */
  seen = Date.now()
  /** Counted up when everything on the page is to be asked for anew. */
  asked = $state(0)
  there() {
    this.seen = Date.now()
    if (this.ok) return
    this.ok = true
    this.asked++
  }
  lost() {
    this.ok = false
  }
  again() {
    this.asked++
  }
}
export const connection = new Connection()

/** What the reader is told about an action. */
class Teller {
  text = $state('')
  problem = $state.raw<Problem>()
  private timer = 0
  say(text: string) {
    this.text = text
    this.problem = undefined
    clearTimeout(this.timer)
    this.timer = window.setTimeout(() => (this.text = ''), 6000)
  }
  fail(e: unknown) {
    this.text = ''
    this.problem = asProblem(e)
  }
  clear() {
    this.text = ''
    this.problem = undefined
  }
}
export const teller = new Teller()

export const asProblem = (e: unknown) => (e instanceof Problem ? e : new Problem(0, 'This page has a mistake', String(e)))

/** Does something, says so, or says why not; true when it was done. */
export async function attempt(what: () => Promise<unknown>, done: string): Promise<boolean> {
  try {
    await what()
    teller.say(done)
    return true
  } catch (e) {
    toLogin(e)
    teller.fail(e)
    return false
  }
}

function toLogin(e: unknown) {
  if (e instanceof Problem && e.status === 401 && router.path !== '/login')
    router.go('/login?next=' + encodeURIComponent(router.url.pathname + router.url.search + router.url.hash), true)
}

/**
 * Live is an answer of the API that is asked for again and again while the page
 * is seen. What `get` reads before its first await is watched: a change asks
 * at once. Made while a component is set up; it ends with the component.
 */
export class Live<T> {
  value = $state.raw<T>()
  problem = $state.raw<Problem>()
  private now = () => {}

  constructor(get: (signal: AbortSignal) => Promise<T>, every: number | ((v: T | undefined) => number) = 5000) {
    $effect(() => {
      let timer = 0
      let ended = false
      let asking = 0
      const abort = new AbortController()
      void connection.asked
      const once = async () => {
        const n = ++asking
        clearTimeout(timer)
        try {
          const v = await get(abort.signal)
          if (ended || n !== asking) return
          this.value = v
          this.problem = undefined
        } catch (e) {
          if (ended || n !== asking) return
          toLogin(e)
          this.problem = asProblem(e)
        }
        const wait = typeof every === 'number' ? every : every(this.value)
        if (wait && this.problem?.status !== 401) timer = window.setTimeout(() => document.hidden || once(), this.problem ? Math.min(wait, 2000) : wait)
      }
      const seen = () => document.hidden || (every && once())
      this.now = () => void once()
      document.addEventListener('visibilitychange', seen)
      void once()
      return () => {
        ended = true
        clearTimeout(timer)
        abort.abort()
        document.removeEventListener('visibilitychange', seen)
      }
    })
  }

  /** again asks at once. */
  again() {
    this.now()
  }
}
