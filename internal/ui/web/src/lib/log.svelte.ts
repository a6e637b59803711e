// A window onto a run's log. Lines are known by the place where they end, in
// bytes, so any part of a long log can be read without what is before it; the
// window holds a part, contiguous, and grows where the reader scrolls.
import { ask, follow, part, query, Problem } from './api'
import { asProblem } from './live.svelte'

export type Line = { id: number; at?: string; level: string; plugin?: string; run_id?: string; text: string; fields?: Record<string, unknown>; truncated?: boolean }
type LogPage = { items: Line[]; next_cursor: number; complete: boolean; size: number }
export type Filter = { level: string; text: string; pattern?: RegExp }

/** How many lines the window keeps. */
const most = 20_000
/** How far back it looks at a time, in bytes. */
const back = 256 << 10

export class Log {
  lines = $state.raw<Line[]>([])
  /** All after the last line is known: new lines come by themselves. */
  atEnd = $state(false)
  atStart = $state(true)
  complete = $state(false)
  busy = $state(false)
  lost = $state(false)
  size = $state(0)
  problem = $state.raw<Problem>()
  private start = 0
  private end = 0
  private abort = new AbortController()
  private late: Line[] = []
  private timer = 0

  constructor(
    readonly run: string,
    readonly filter: Filter,
  ) {}

  get filtered(): boolean {
    return !!(this.filter.level || this.filter.text || this.filter.pattern)
  }

  close() {
    this.abort.abort()
    clearTimeout(this.timer)
  }

  private page(values: Record<string, string | number | undefined>) {
    const text = this.filter.pattern ? '' : this.filter.text
    return ask<LogPage>(`/runs/${part(this.run)}/logs` + query({ level: this.filter.level, text, limit: 2000, ...values }), { signal: this.abort.signal })
  }
  private takes = (l: Line) => !this.filter.pattern || this.filter.pattern.test(plain(l))

  private async during(what: () => Promise<void>) {
    if (this.busy) return
    this.busy = true
    try {
      await what()
      this.problem = undefined
    } catch (e) {
      if ((e as Error).name !== 'AbortError') this.problem = asProblem(e)
    } finally {
      this.busy = false
    }
  }

  /** Opens at a line, at the end, or, where lines are filtered, at the first that match. */
  async open(at = 0) {
    await this.during(async () => {
      if (this.filtered) {
        await this.forward(0)
        return
      }
      const from = Math.max(0, at - back)
      const p = await this.page(at ? { cursor: from } : { tail: 2000 })
      this.lines = at && from ? p.items.slice(1) : p.items // the first is cut
      this.start = at ? from + (from ? 1 : 0) : this.lines.length < 2000 ? 0 : this.begin(p.items)
      this.atStart = this.start <= 0
      this.took(p)
      this.atEnd ||= !at
    })
    if (this.atEnd && !this.complete) void this.tail()
  }

  // Where the first line begins is not said: its end is, so that is kept and
  // the line is read again with what is before it.
  private begin(items: Line[]) {
    return items[0]?.id ?? 0
  }

  private took(p: LogPage) {
    this.end = p.next_cursor
    this.size = p.size
    this.complete = p.complete
    this.atEnd = p.complete || p.next_cursor >= p.size || (p.items.length < 2000 && !this.filtered)
  }

  /** Reads on until there is something to show, or so much was looked at that the reader should say whether to go on. */
  private async forward(from: number) {
    let found = 0
    const begun = from
    const far = this.filter.pattern ? 128 << 20 : 2 ** 30
    do {
      const p = await this.page({ cursor: from })
      const more = p.items.filter(this.takes)
      found += more.length
      this.lines = begun || found > more.length ? [...this.lines, ...more] : more
      this.took(p)
      if (p.next_cursor === from) break
      from = p.next_cursor
    } while (!this.atEnd && found < 500 && from - begun < far && !this.abort.signal.aborted)
  }

  async older() {
    if (this.atStart || this.filtered) return
    await this.during(async () => {
      const first = this.lines[0]
      const from = Math.max(0, this.start - back)
      const items: Line[] = []
      for (let cursor = from; ; ) {
        const p = await this.page({ cursor })
        items.push(...p.items)
        if (p.next_cursor === cursor || p.next_cursor >= (first?.id ?? 0)) break
        cursor = p.next_cursor
      }
      const before = items.filter((l) => !first || l.id < first.id)
      if (from) before.shift()
      this.start = from
      this.atStart = from === 0
      this.lines = [...before, ...this.lines]
      if (this.lines.length > most) {
        this.lines = this.lines.slice(0, most)
        this.end = this.lines.at(-1)!.id
        this.atEnd = false
      }
    })
  }

  async newer() {
    if (this.atEnd) return
    await this.during(() => this.forward(this.end))
    this.trim()
    if (this.atEnd && !this.complete) void this.tail()
  }

  private trim() {
    if (this.lines.length <= most || this.filtered) return
    this.lines = this.lines.slice(-most)
    this.start = this.lines[0].id
    this.atStart = false
  }

  /** Follows new lines, over lost connections and new daemons, until the run has ended. */
  private async tail() {
    const signal = this.abort.signal
    const text = this.filter.pattern ? '' : this.filter.text
    const path = `/runs/${part(this.run)}/logs` + query({ level: this.filter.level, text })
    for (let wait = 500; !signal.aborted && this.atEnd && !this.complete; wait = Math.min(5000, wait * 2)) {
      try {
        await follow(path, String(this.end || ''), signal, (e) => {
          wait = 500
          this.lost = false
          if (e.event === 'end') {
            this.complete = true
            this.flush()
          } else if (e.event === 'log') this.add(JSON.parse(e.data))
        })
      } catch (e) {
        if (e instanceof Problem && e.status >= 400 && e.status < 500 && e.status !== 429) {
          this.problem = e
          return
        }
      }
      if (signal.aborted || this.complete) return
      this.lost = true
      await new Promise((r) => setTimeout(r, wait))
    }
  }

  // Lines that come fast are shown ten times a second.
  private add(l: Line) {
    if (l.id <= this.end) return
    this.end = l.id
    this.size = Math.max(this.size, l.id)
    if (this.takes(l)) this.late.push(l)
    if (!this.timer) this.timer = window.setTimeout(() => this.flush(), 100)
  }
  private flush() {
    clearTimeout(this.timer)
    this.timer = 0
    if (!this.late.length) return
    this.lines = [...this.lines, ...this.late]
    this.late = []
    this.trim()
  }

  async firstError(): Promise<number> {
    const p = await ask<LogPage>(`/runs/${part(this.run)}/logs` + query({ level: 'error', limit: 1 }))
    return p.items[0]?.id ?? 0
  }
}

// Colours that a program meant for a terminal.
const colours = /\u001b\[[0-9;]*[A-Za-z]/g

/** The text of a line with what else it says. */
export function plain(l: Line): string {
  const more = l.fields ? Object.entries(l.fields).map(([k, v]) => ` ${k}=${typeof v === 'string' ? v : JSON.stringify(v)}`).join('') : ''
  return l.text.replace(colours, '') + more + (l.truncated ? ' …' : '')
}
