// The public API of the daemon: nothing else is asked, and nothing else exists for this UI.
import { parse } from './exact'
import { connection } from './live.svelte'

/** An error of the API, problem+json as it came. */
export class Problem extends Error {
  constructor(
    readonly status: number,
    readonly title: string,
    readonly detail = '',
    readonly hint = '',
    readonly trace = '',
    readonly more: string[] = [],
  ) {
    super(detail || title)
  }
}

export const base = '/api/v1'

async function problemOf(r: Response): Promise<Problem> {
  const text = await r.text()
  try {
    const p = JSON.parse(text)
    const more = (p.errors ?? []).map((e: { message?: string; where?: string }) => [e.where, e.message].filter(Boolean).join(': '))
    return new Problem(r.status, p.title ?? r.statusText, p.detail, p.hint, p.trace_id, more)
  } catch {
    return new Problem(r.status, r.statusText || `HTTP ${r.status}`, text.slice(0, 500))
  }
}

export const away = (e: unknown) => new Problem(0, 'The daemon does not answer', String((e as Error).message ?? e), 'Is elt daemon still running? This page asks again by itself.')

type Ask = { method?: string; body?: unknown; headers?: Record<string, string>; signal?: AbortSignal }

async function send(path: string, { method = 'GET', body, headers, signal }: Ask): Promise<Response> {
  let r: Response
  try {
    r = await fetch(base + path, {
      method,
      signal,
      headers: { Accept: 'application/json', ...(body === undefined ? {} : { 'Content-Type': 'application/json' }), ...headers },
      body: body === undefined ? undefined : typeof body === 'string' ? body : JSON.stringify(body),
    })
  } catch (e) {
    if ((e as Error).name === 'AbortError') throw e
    connection.lost()
    throw away(e)
  }
  if (r.status >= 502 && r.status <= 504) connection.lost()
  else connection.there()
  if (!r.ok && r.status !== 304) throw await problemOf(r)
  return r
}

// The newest answers that have an ETag. What has not changed is not sent again,
// and is the same object again, so that nothing on the page is made anew.
const known = new Map<string, { etag: string; value: unknown }>()

export async function ask<T>(path: string, a: Ask = {}): Promise<T> {
  const mine = a.method ? undefined : known.get(path)
  const r = await send(path, mine ? { ...a, headers: { ...a.headers, 'If-None-Match': mine.etag } } : a)
  if (mine && r.status === 304) return mine.value as T
  const value = r.status === 204 ? undefined : await r.json()
  const etag = r.headers.get('ETag')
  if (!a.method && etag) {
    known.delete(path)
    known.set(path, { etag, value })
    if (known.size > 20) known.delete(known.keys().next().value!)
  }
  return value as T
}

export const askText = async (path: string, a: Ask = {}): Promise<string> => (await send(path, a)).text()

/** The answer with its numbers as they are, and its ETag, for a later write of what was seen. */
export async function askExact<T>(path: string, signal?: AbortSignal): Promise<{ value: T; etag: string }> {
  const r = await send(path, { signal })
  return { value: parse(await r.text()) as T, etag: r.headers.get('ETag') ?? '' }
}

export const query = (values: Record<string, string | number | undefined>) => {
  const q = new URLSearchParams()
  for (const [k, v] of Object.entries(values)) if (v !== undefined && v !== '') q.set(k, String(v))
  const s = q.toString()
  return s && '?' + s
}

/** part quotes one segment of a path. */
export const part = encodeURIComponent

export type ServerEvent = { event: string; id: string; data: string }

/**
 * follow reads server-sent events until the server ends them or the signal
 * comes. EventSource cannot be told where to go on after an error; this can.
 */
export async function follow(path: string, lastID: string, signal: AbortSignal, got: (e: ServerEvent) => void): Promise<void> {
  const r = await send(path, { signal, headers: { Accept: 'text/event-stream', ...(lastID ? { 'Last-Event-ID': lastID } : {}) } })
  const reader = r.body!.pipeThrough(new TextDecoderStream()).getReader()
  let rest = ''
  let e: ServerEvent = { event: 'message', id: '', data: '' }
  let data: string[] = []
  for (;;) {
    const { done, value } = await reader.read()
    if (done) return
    const lines = (rest + value).split(/\r\n|\n|\r(?!$)/)
    rest = lines.pop()!
    for (const line of lines) {
      if (line === '') {
        if (data.length) got({ ...e, data: data.join('\n') })
        e = { event: 'message', id: e.id, data: '' }
        data = []
        continue
      }
      const colon = line.indexOf(':')
      if (colon === 0) continue // a heartbeat
      const name = colon < 0 ? line : line.slice(0, colon)
      const v = colon < 0 ? '' : line.slice(colon + 1).replace(/^ /, '')
      if (name === 'data') data.push(v)
      else if (name === 'event') e.event = v
      else if (name === 'id') e.id = v
    }
  }
}
