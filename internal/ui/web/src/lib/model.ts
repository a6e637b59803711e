// What pages know of runs, pipelines and states, and how they ask for it.
import { ask, askExact, askText, part, query } from './api'
import { parse, print } from './exact'
import { duration } from './format'
import { Live } from './live.svelte'
import type { components } from './openapi'

type Page<T> = { items: T[]; next_cursor?: string }

type Schemas = components['schemas']
export type Run = Schemas['Run']
export type Step = Schemas['Step']
export type RunDetail = Schemas['RunDetail']
export type Token = Schemas['Token']
export type Deed = Schemas['Deed']
export type Slot = Schemas['Slot']
export type Schedule = Schemas['Schedule']
export type Pipeline = Schemas['Pipeline']
export type Plugin = Schemas['Plugin']
export type Setting = Schemas['Setting']
export type Chunk = Schemas['Chunk']
export type Backfill = Schemas['Backfill']
export type BackfillPlan = Schemas['BackfillPlan']
type Bookmark = Schemas['Bookmark']
export type BookmarkEntry = Schemas['BookmarkEntry']
export type StateNow = Bookmark & { etag: string }
export type Revision = Schemas['Revision']
export type Stream = Schemas['StreamStatus']
export type SchemaVersion = Schemas['SchemaVersion']
export type Daemon = Schemas['DaemonStatus']
export type Queue = Schemas['QueueStatus']
export type Alert = Schemas['Alert']
export type BackfillRequest = { from: string; to: string; chunk?: string; select: string[]; parallel?: number }
export type RunRequest = { full_refresh?: boolean; select?: string[]; from?: string; to?: string }
export type RunPlan = Schemas['RunPlan']
/** What may be run: a pipeline, or what a run was. */
export type Work = { name: string; blocks: string[]; request: { job?: string; schedule?: string; blocks?: string[] }; taps: string[]; runs: string[]; options?: RunRequest }

export const statuses: Run['status'][] = ['queued', 'running', 'succeeded', 'failed', 'cancelled', 'lost']

/** How long a run took or has taken so far, in milliseconds. */
export function tookOf(r: Run, now: number): number | undefined {
  if (!r.started_at) return undefined
  return Math.max(0, (r.ended_at ? Date.parse(r.ended_at) : now) - Date.parse(r.started_at))
}

export const sum = <T>(list: T[], of: (x: T) => number | undefined) => list.reduce((n, x) => n + (of(x) ?? 0), 0)
/** The pipeline whose run it is. */
export const pipelineOf = (r: Run) => r.blocks.join(' ')
export const paused = (p: Pipeline) => p.schedules.length > 0 && p.schedules.every((s) => s.paused)

/** The command that does what a run did. */
export function command(r: RunDetail): string {
  const o = r.options as { from?: string; to?: string; chunk?: string; full_refresh?: boolean; state_of?: string; select?: string[]; exclude?: string[] }
  const quoted = (s: string) => (/^[\w@%+=:,./-]+$/.test(s) ? s : `'${s.replaceAll("'", `'\\''`)}'`)
  return [
    'elt', ...(r.environment ? ['--environment', r.environment] : []), 'run', ...r.blocks,
    ...(o.from ? ['--from', o.from] : []), ...(o.to ? ['--to', o.to] : []), ...(o.chunk ? ['--chunk', o.chunk] : []), ...(o.full_refresh ? ['--full-refresh'] : []), ...(o.state_of ? ['--state-of', o.state_of] : []),
    ...(o.select ?? []).flatMap((s) => ['--select', s]), ...(o.exclude ?? []).flatMap((s) => ['--exclude', s]),
  ].map(quoted).join(' ')
}

/**
 * What a failed run said last: the hint that elt gave, else its last line.
 */
export function lastWords(r: RunDetail): string {
  const lines = r.last_lines ?? []
  const said = lines.map((l) => {
    try {
      const v = JSON.parse(l)
      return { text: String(v.event ?? v.message ?? ''), error: v.level === 'error' && v.plugin }
    } catch {
      return { text: l, error: false }
    }
  })
  const error = said.find((s) => s.error && s.text)
  if (error) return error.text
  const hint = said.findIndex((s) => s.text.startsWith('hint: '))
  return hint < 0 ? '' : said.slice(hint, hint + 4).filter((s, i) => !i || /^ {2,}\S/.test(s.text)).map((s) => s.text.replace(/^hint: /, '').trim()).join('\n')
}

/** The median duration of the runs that succeeded, where there are three or more. */
export function usualOf(p: Pipeline): number | undefined {
  const done = p.last_runs.filter((r) => r.status === 'succeeded').map((r) => tookOf(r, 0)!).sort((a, b) => a - b)
  return done.length < 3 ? undefined : done[Math.floor(done.length / 2)]
}

export type Need = { pipeline: Pipeline; status: string; word: string; cause: string; at?: string; run?: string; action: 'retry' | 'resume' | 'run'; schedule?: string; label: string }

const kinds: Record<string, [status: string, word: string]> = {
  failure: ['failed', 'failed'], long_run: ['late', 'long'], odd_volume: ['late', 'odd volume'], missed_slot: ['late', 'missed'], silent: ['late', 'silent'], stale: ['late', 'stale'], late_start: ['late', 'waits'], replication_lag: ['late', 'log kept'],
}

/** What the daemon judged to be wrong and is not known from the pipelines themselves. */
export function alerted(list: Alert[], all: Pipeline[], known: Need[]): Need[] {
  return list.flatMap((a) => {
    const pipeline = all.find((p) => p.name === a.pipeline || p.schedules.some((s) => s.name === a.pipeline))
    const [status, word] = kinds[a.kind] ?? ['late', a.kind.replaceAll('_', ' ')]
    if (!pipeline || a.kind === 'failure' || known.some((n) => n.pipeline.name === pipeline.name && n.word === word)) return []
    return [{ pipeline, status, word, cause: a.summary, at: a.opened_at, run: a.run_id, action: 'run' as const, label: 'Run now' }]
  })
}

/** What is wrong with a pipeline, each with the button that helps. */
export function attention(p: Pipeline, now: number): Need[] {
  const out: Need[] = []
  const last = p.last_runs.find((r) => r.ended_at)
  const going = p.last_runs.find((r) => !r.ended_at)
  if (last && (last.status === 'failed' || last.status === 'lost') && !going)
    out.push({ pipeline: p, status: last.status, word: last.status, cause: last.cause || 'Its last run did not succeed.', at: last.ended_at, run: last.id, action: last.kind === 'local' ? 'run' : 'retry', label: last.kind === 'local' ? 'Run now' : 'Retry' })
  if (p.problem) out.push({ pipeline: p, status: 'failed', word: 'cannot run', cause: p.problem, action: 'run', label: 'Run now' })
  for (const s of p.schedules) {
    if (s.problem) out.push({ pipeline: p, status: 'late', word: 'never fires', cause: `${s.name}: ${s.problem}`, action: 'run', label: 'Run now' })
    else if (s.paused) out.push({ pipeline: p, status: 'queued', word: 'paused', cause: `${s.name} was paused by ${s.paused.by}.`, at: s.paused.since, action: s.paused.since ? 'resume' : 'run', schedule: s.name, label: s.paused.since ? 'Resume' : 'Run now' })
    else if (s.last_slot?.outcome === 'missed' && Date.parse(s.last_slot.slot) > Date.parse(p.last_success_at ?? '1970-01-01'))
      out.push({ pipeline: p, status: 'late', word: 'missed', cause: `${s.name} missed its time${s.last_slot.why ? ': ' + s.last_slot.why : ''}.`, at: s.last_slot.slot, action: 'run', label: 'Run now' })
  }
  const usual = going?.status === 'running' ? usualOf(p) : undefined
  if (going && usual && tookOf(going, now)! > Math.max(60_000, 3 * usual))
    out.push({ pipeline: p, status: 'late', word: 'long', cause: `It has run for ${duration(tookOf(going, now))}; half of its runs took less than ${duration(usual)}.`, at: going.started_at, run: going.id, action: 'run', label: 'Run again' })
  return out
}

const get = <T>(path: string, signal?: AbortSignal) => ask<T>(path, { signal })
const post = <T>(path: string, body?: unknown, headers?: Record<string, string>) => ask<T>(path, { method: 'POST', body, headers })

type Project = Schemas['Project']
let place: { value?: Project; again(): void } | undefined
/** The project and environment that this daemon serves. Called first by the shell. */
export const where = (): { value?: Project; again(): void } => (place ??= new Live(async (signal) => (await get<Page<Project>>('/projects', signal)).items[0], 60_000))

export const loginMethods = (signal?: AbortSignal) => get<Schemas['LoginMethods']>('/session/methods', signal)
export const login = (token: string) => post('/session', { token })
export const logout = () => ask('/session', { method: 'DELETE' })

export async function runs(q: { status?: string; pipeline?: string; since?: string; limit?: number; cursor?: string }, signal?: AbortSignal) {
  const page = await get<Page<Run>>('/runs' + query(q), signal)
  return { items: page.items, next: page.next_cursor ?? '' }
}
export const run = async (id: string, signal?: AbortSignal) => (await askExact<RunDetail>(`/runs/${part(id)}`, signal)).value
export const cancel = (id: string) => post(`/runs/${part(id)}/cancel`)
/** Repeats a run; fromState: from the bookmarks as they were before it. */
export const retry = (id: string, fromState = false) => post<Run>(`/runs/${part(id)}/retry` + (fromState ? '?from_state=true' : ''))
/** A name of a request of its own, by which the server knows it again. */
export const newKey = () => crypto.randomUUID?.() ?? String(Math.random()).slice(2)
/** The pair of a schedule has a bookmark of its own: it is run by the schedule's name. */
export const workOf = (p: Pipeline): Work => ({
  name: p.name, blocks: p.blocks, request: p.kind === 'job' ? { job: p.name } : p.schedules.length ? { schedule: p.schedules[0].name } : { blocks: p.blocks },
  taps: [...new Set(p.sets.map((s) => s.tap))], runs: p.last_runs.filter((r) => r.ended_at).map((r) => r.id),
})
export const workOfRun = (r: RunDetail): Work => ({
  name: r.name, blocks: r.blocks, request: r.schedule ? { schedule: r.schedule } : { blocks: r.blocks },
  taps: [...new Set(r.steps.flatMap((s) => s.detail?.plugins.filter((p) => p.type === 'extractor').map((p) => p.name) ?? []))], runs: [r.id], options: r.options,
})
export const runNow = (w: Work, r: RunRequest, key?: string) => post<Run>('/runs', { ...w.request, ...r }, key ? { 'Idempotency-Key': key } : undefined)
export async function planRun(w: Work, r: RunRequest): Promise<RunPlan> {
  return parse(await askText('/runs/plan', { method: 'POST', body: { ...w.request, ...r } })) as RunPlan
}
export type Catalog = Schemas['Catalog']
export const catalog = (kind: string, name: string) => post<Catalog>(`/plugins/${part(kind)}/${part(name)}/catalog`)
export const pipelines = async (signal?: AbortSignal, n = 30) => (await get<Page<Pipeline>>(`/pipelines?runs=${n}`, signal)).items
export const pipeline = (name: string, signal?: AbortSignal) => get<Pipeline>(`/pipelines/${part(name)}?runs=60&fires=10`, signal)
export const pause = (s: string) => post(`/schedules/${part(s)}/pause`)
export const resume = (s: string) => post(`/schedules/${part(s)}/resume`)
export const slots = async (s: string, signal?: AbortSignal) => (await get<Page<Slot>>(`/schedules/${part(s)}/slots?limit=200`, signal)).items

export const states = (signal?: AbortSignal) => every<BookmarkEntry>('/bookmarks', signal)
export async function bookmark(id: string, signal?: AbortSignal): Promise<StateNow> {
  const { value, etag } = await askExact<StateNow>(`/bookmarks/${part(id)}`, signal)
  return { ...value, etag }
}
export const stateHistory = async (id: string, signal?: AbortSignal) => (await askExact<Page<Revision>>(`/bookmarks/${part(id)}/history?limit=100`, signal)).value.items
export const rollback = (id: string, revision: number, etag: string) => post<{ warning?: string }>(`/bookmarks/${part(id)}/rollback`, { to: revision }, { 'If-Match': etag })
export const clearState = (id: string, etag: string) => post<{ warning?: string }>(`/bookmarks/${part(id)}/clear`, undefined, { 'If-Match': etag })
export const setState = (id: string, text: string, etag: string) =>
  ask<{ warning?: string }>(`/bookmarks/${part(id)}`, { method: 'PUT', body: `{"state": ${print(parse(text))}}`, headers: { 'If-Match': etag } })
/** The state before and after a step; nothing where it stored none. */
export async function changes(s: Step, signal?: AbortSignal): Promise<{ before?: unknown; after?: unknown }> {
  const list = await stateHistory(s.state_id!, signal)
  const mine = list.filter((r) => r.run_id === s.run_id)
  if (!mine.length) return {}
  return { before: list[list.indexOf(mine.at(-1)!) + 1]?.state ?? null, after: mine[0].state }
}

// Runs that have ended do not change: each is asked for once.
const ended = new Map<string, RunDetail>()
export async function endedRun(id: string, signal?: AbortSignal): Promise<RunDetail> {
  const r = ended.get(id) ?? (await run(id, signal))
  if (r.ended_at) ended.set(id, r)
  return r
}
/** All items of a list that comes in pages, up to so many. */
async function every<T>(path: string, signal?: AbortSignal, only: Record<string, string | undefined> = {}, most = 20_000): Promise<T[]> {
  const all: T[] = []
  for (let cursor = ''; ; ) {
    const page = await get<Page<T>>(path + query({ ...only, limit: 500, cursor }), signal)
    if (!cursor && !page.next_cursor) return page.items
    all.push(...page.items)
    if (!page.next_cursor || all.length >= most) return all
    cursor = page.next_cursor
  }
}
export const streams = (signal?: AbortSignal, pipeline?: string) => every<Stream>('/streams', signal, { pipeline })
export const stream = (stateID: string, name: string, signal?: AbortSignal) => get<Schemas['StreamDetail']>(`/streams/${part(stateID)}/${part(name)}`, signal)
export const streamPath = (s: { state_id: string; stream: string }) => `/streams/${part(s.state_id)}/${part(s.stream)}`
export const sourceOf = (s: Stream) => s.set.split(' ')[0]
export const targetOf = (s: Stream) => s.set.split(' ').at(-1)!
/** How it stands: as its last run left it, or stale. */
export const standing = (s: Stream): [status: string, word: string] => (s.status === 'succeeded' && s.stale ? ['late', 'stale'] : [s.status, s.status])
export const workers = (signal?: AbortSignal) => get<Schemas['Workers']>('/workers', signal)
export const alerts = async (signal?: AbortSignal, open = true) => (await get<Page<Alert>>('/alerts' + query({ open: open ? 'true' : undefined, limit: 100 }), signal)).items

export const plugins = async (signal?: AbortSignal) => (await get<Page<Plugin>>('/plugins', signal)).items
export const plugin = (kind: string, name: string, signal?: AbortSignal) => get<Schemas['PluginDetail']>(`/plugins/${part(kind)}/${part(name)}`, signal)
export const tokens = async (signal?: AbortSignal) => (await get<Page<Token>>('/tokens', signal)).items
export const createToken = async (r: { name: string; scope: string; expires: string }) =>
  (await post<{ token: string }>('/tokens', { name: r.name, scope: r.scope, expires_at: r.expires ? new Date(Date.now() + parseInt(r.expires) * 86400_000).toISOString() : undefined })).token
export const revokeToken = (id: string) => post(`/tokens/${part(id)}/revoke`)
export const deeds = async (signal?: AbortSignal) => (await get<Page<Deed>>('/audit?limit=100', signal)).items

export const backfills = async (signal?: AbortSignal) => (await get<Page<Backfill>>('/backfills?limit=100', signal)).items
export const backfill = (id: string, signal?: AbortSignal) => get<Backfill>(`/backfills/${part(id)}`, signal)
const windowOf = (p: Pipeline, r: BackfillRequest) => ({ blocks: p.kind === 'job' ? [p.name] : p.blocks, ...r, chunk: r.chunk || undefined })
export const planBackfill = (p: Pipeline, r: BackfillRequest) => post<BackfillPlan>('/backfills/plan', windowOf(p, r))
export const startBackfill = (p: Pipeline, r: BackfillRequest, key: string) => post<Run>('/backfills', windowOf(p, r), { 'Idempotency-Key': key })
export const cancelBackfill = (id: string) => post(`/backfills/${part(id)}/cancel`)
export const resumeBackfill = (id: string) => post<Run>(`/backfills/${part(id)}/resume`)
