// What pages know of runs, pipelines and states, and how they ask for it.
import { ask, askTagged, part, query } from './api'
import { duration } from './format'
import { Live } from './live.svelte'

type Page<T> = { items: T[]; next_cursor?: string }

export type Run = {
  id: string; kind: string; status: string; name: string; environment?: string; trigger: string; blocks: string[]; schedule?: string; slot?: string; state_id?: string
  attempt: number; retry_of?: string; queue?: string; priority?: number; created_at: string; due_at?: string; started_at?: string; ended_at?: string; seconds: number
  cancel_requested?: boolean; unconfirmed?: boolean; exit_code: number | null; cause?: string; worker?: string; rows: number; bytes: number
}
export type StreamOfStep = { stream: string; rows: number; bytes: number; seconds: number; rows_per_second: number; bookmark?: unknown; error?: string }
export type Step = {
  run_id: string; name: string; state_id?: string; status: string; exit_code: number | null; cause?: string; started_at: string; ended_at?: string; seconds: number
  rows: number; bytes: number; streams: StreamOfStep[]; detail?: StepDetail
}
export type StepDetail = {
  plugins: { name: string; type: string; native: boolean; command?: string; reason: string }[]; fused: boolean; notes: string[]; version: string
  schema_changes: { stream: string; changes: { kind: string; column?: string; detail?: string }[] }[]
}
export type RunDetail = Run & { last_lines: string[]; options: Record<string, unknown>; steps: Step[]; attempts: { id: string; attempt: number; status: string; started_at?: string; ended_at?: string }[]; backfill_id?: string; hint?: string }
export type Schedule = {
  name: string; interval: string; timezone?: string; paused: boolean; paused_by?: string; paused_since?: string; next?: string; problem?: string; facts: [string, string][]
}
export type Pipeline = { name: string; kind: string; blocks: string[]; schedule?: Schedule; state_ids: string[]; runs: Run[] }
export type Slot = { slot: string; outcome: string; why?: string; execution?: string }
export type Bookmark = { state_id: string; epoch: number; edit: number; updated_at: string; streams?: number }
export type StateNow = Bookmark & { value: unknown; text: string; etag: string }
export type Revision = { revision: number; op: string; run_id?: string; execution?: string; at: string; value: unknown }
export type Stream = { stream: string; source: string; target: string; pipeline: string; run: string; status: string; loaded_at?: string; rows: number; bytes: number }
export type Plugin = { name: string; type: string; runs: string; why: string }
export type Setting = { name: string; value: string; source: string; where?: string; secret?: boolean; help?: string }
export type Token = { id: string; name: string; scope: string; active: boolean; created_at: string; expires_at?: string; revoked_at?: string; last_used_at?: string }
export type Deed = { id: number; at: string; who: string; action: string; object?: string; status: number }
export type Chunk = { chunk: number; from: string; to: string; status: string; run_id?: string; attempts: number; cause?: string; ended_at?: string; rows?: number }
export type Backfill = { id: string; state_id: string; name: string; status: string; cause?: string; from: string; to: string; created_at: string; done: number; alive: boolean; chunks: Chunk[] }
export type BackfillRequest = { from: string; to: string; chunk: string; select: string[] }
export type BackfillPlan = { chunks: { from: string; to: string }[]; streams: { stream: string; load?: string; table?: string; refused?: string }[]; notes: string[] }
export type RunRequest = { full_refresh?: boolean; select?: string[] }

export const statuses = ['queued', 'running', 'succeeded', 'failed', 'cancelled', 'lost']

/** How long a run took or has taken so far, in milliseconds. */
export function tookOf(r: Run, now: number): number | undefined {
  if (!r.started_at) return undefined
  return Math.max(0, (r.ended_at ? Date.parse(r.ended_at) : now) - Date.parse(r.started_at))
}

export const sum = <T>(list: T[], of: (x: T) => number | undefined) => list.reduce((n, x) => n + (of(x) ?? 0), 0)
export const lastSuccess = (p: Pipeline) => p.runs.find((r) => r.status === 'succeeded')?.ended_at

/** The command that does what a run did. */
export function command(r: RunDetail): string {
  const o = r.options as { from?: string; to?: string; chunk?: string; full_refresh?: boolean; select?: string[]; exclude?: string[] }
  const quoted = (s: string) => (/^[\w@%+=:,./-]+$/.test(s) ? s : `'${s.replaceAll("'", `'\\''`)}'`)
  return [
    'elt', ...(r.environment ? ['--environment', r.environment] : []), 'run', ...r.blocks,
    ...(o.from ? ['--from', o.from] : []), ...(o.to ? ['--to', o.to] : []), ...(o.chunk ? ['--chunk', o.chunk] : []), ...(o.full_refresh ? ['--full-refresh'] : []),
    ...(o.select ?? []).flatMap((s) => ['--select', s]), ...(o.exclude ?? []).flatMap((s) => ['--exclude', s]),
  ].map(quoted).join(' ')
}

export type Need = { pipeline: Pipeline; status: string; word: string; cause: string; at?: string; run?: Run; action: 'retry' | 'resume' | 'run'; label: string }

/** What is wrong with a pipeline, each with the button that helps. */
export function attention(p: Pipeline, now: number): Need[] {
  const out: Need[] = []
  const [last] = p.runs.filter((r) => r.ended_at)
  const going = p.runs.find((r) => !r.ended_at)
  if (last && (last.status === 'failed' || last.status === 'lost') && !going)
    out.push({ pipeline: p, status: last.status, word: last.status, cause: last.cause || 'Its last run did not succeed.', at: last.ended_at, run: last, action: 'retry', label: 'Retry' })
  if (p.schedule?.problem) out.push({ pipeline: p, status: 'late', word: 'never fires', cause: p.schedule.problem, action: 'run', label: 'Run now' })
  if (p.schedule?.paused) out.push({ pipeline: p, status: 'queued', word: 'paused', cause: p.schedule.paused_by ? `Paused by ${p.schedule.paused_by}.` : 'Paused in the project file.', at: p.schedule.paused_since, action: p.schedule.paused_by ? 'resume' : 'run', label: p.schedule.paused_by ? 'Resume' : 'Run now' })
  const done = p.runs.filter((r) => r.status === 'succeeded').map((r) => tookOf(r, now)!).sort((a, b) => a - b)
  const usual = done[Math.floor(done.length / 2)]
  if (going?.status === 'running' && done.length >= 3 && tookOf(going, now)! > Math.max(60_000, 3 * usual))
    out.push({ pipeline: p, status: 'late', word: 'long', cause: `It has run for ${duration(tookOf(going, now))}; half of its runs took less than ${duration(usual)}.`, at: going.started_at, run: going, action: 'run', label: 'Run again' })
  return out
}

const get = <T>(path: string, signal?: AbortSignal) => ask<T>(path, { signal })
const post = <T>(path: string, body?: unknown, headers?: Record<string, string>) => ask<T>(path, { method: 'POST', body, headers })

type Project = { id: string; environment?: string; version: string; store: string; warnings: string[] }
let place: { value?: Project; again(): void } | undefined
/** The project and environment that this daemon serves. Called first by the shell. */
export const where = (): { value?: Project; again(): void } => (place ??= new Live(async (signal) => (await get<Page<Project>>('/projects', signal)).items[0], 60_000))

export const login = (token: string) => post('/session', { token })
export const logout = () => ask('/session', { method: 'DELETE' })

export async function runs(q: { status?: string; pipeline?: string; since?: string; limit?: number; cursor?: string }, signal?: AbortSignal) {
  const page = await get<Page<Run>>('/runs' + query(q), signal)
  return { items: page.items, next: page.next_cursor ?? '' }
}
export const run = (id: string, signal?: AbortSignal) => get<RunDetail>(`/runs/${part(id)}`, signal)
export const cancel = (id: string) => post(`/runs/${part(id)}/cancel`)
export const retry = (id: string) => post<Run>(`/runs/${part(id)}/retry`)
export const runNow = (p: Pipeline, r: RunRequest, key?: string) => post<Run>('/runs', { blocks: p.blocks, ...r }, key ? { 'Idempotency-Key': key } : undefined)
export const pipelines = async (signal?: AbortSignal) => (await get<Page<Pipeline>>('/pipelines?limit=500', signal)).items
export const pipeline = (name: string, signal?: AbortSignal) => get<Pipeline>(`/pipelines/${part(name)}`, signal)
export const pause = (s: string) => post(`/schedules/${part(s)}/pause`)
export const resume = (s: string) => post(`/schedules/${part(s)}/resume`)
export const fires = async (s: string, n: number, signal?: AbortSignal) => (await get<Page<string>>(`/schedules/${part(s)}/fires?limit=${n}`, signal)).items
export const slots = async (s: string, signal?: AbortSignal) => (await get<Page<Slot>>(`/schedules/${part(s)}/slots?limit=100`, signal)).items
export const states = async (signal?: AbortSignal) => (await get<Page<Bookmark>>('/bookmarks?limit=500', signal)).items
export async function bookmark(id: string, signal?: AbortSignal): Promise<StateNow> {
  void signal
  const { value, etag } = await askTagged<Bookmark & { state: unknown }>(`/bookmarks/${part(id)}`)
  return { ...value, value: value.state, text: JSON.stringify(value.state, null, 2), etag }
}
export const stateHistory = async (id: string, signal?: AbortSignal) => (await get<Page<Revision>>(`/bookmarks/${part(id)}/history?limit=100`, signal)).items
export const rollback = (id: string, revision: number, etag: string) => post(`/bookmarks/${part(id)}/rollback`, { revision }, { 'If-Match': etag })
export const setState = (id: string, text: string, etag: string) => ask(`/bookmarks/${part(id)}`, { method: 'PUT', body: { state: JSON.parse(text) }, headers: { 'If-Match': etag } })
/** The state before and after a step. */
export async function changes(s: Step, signal?: AbortSignal): Promise<{ before?: unknown; after?: unknown }> {
  const list = await stateHistory(s.state_id!, signal)
  const mine = list.filter((r) => r.run_id === s.run_id)
  if (!mine.length) return {}
  return { before: list[list.indexOf(mine.at(-1)!) + 1]?.value, after: mine[0].value }
}
// Runs that have ended do not change: each is asked for once.
const ended = new Map<string, RunDetail>()
/** The streams of every pipeline, as its latest run that loaded any left them. */
export async function streams(signal?: AbortSignal): Promise<Stream[]> {
  const out: Stream[] = []
  for (const p of await pipelines(signal)) {
    for (const r of p.runs.filter((r) => r.started_at).slice(0, 2)) {
      const d = ended.get(r.id) ?? (await run(r.id, signal))
      if (d.ended_at) ended.set(r.id, d)
      for (const s of d.steps)
        for (const t of s.streams) {
          const [source, target] = [s.detail?.plugins[0]?.name ?? s.name, s.detail?.plugins.at(-1)?.name ?? s.name]
          if (!out.some((o) => o.pipeline === p.name && o.stream === t.stream && o.source === source && o.target === target))
            out.push({ stream: t.stream, source, target, pipeline: p.name, run: r.id, status: t.error ? 'failed' : s.status, loaded_at: s.status === 'succeeded' ? s.ended_at : undefined, rows: t.rows, bytes: t.bytes })
        }
    }
  }
  return out
}
export const plugins = async (signal?: AbortSignal) => (await get<Page<Plugin>>('/plugins?limit=500', signal)).items
export const pluginSettings = async (name: string, signal?: AbortSignal) => (await get<Page<Setting>>(`/plugins/${part(name)}/settings`, signal)).items
export const settings = async (signal?: AbortSignal) => (await get<Page<Setting>>('/settings', signal)).items
export const tokens = async (signal?: AbortSignal) => (await get<Page<Token>>('/tokens', signal)).items
export const createToken = async (r: { name: string; scope: string; expires: string }) =>
  (await post<{ token: string }>('/tokens', { name: r.name, scope: r.scope, expires_at: r.expires ? new Date(Date.now() + parseInt(r.expires) * 86400_000).toISOString() : undefined })).token
export const revokeToken = (id: string) => post(`/tokens/${part(id)}/revoke`)
export const deeds = async (signal?: AbortSignal) => (await get<Page<Deed>>('/audit?limit=100', signal)).items
export const backfills = async (signal?: AbortSignal) => (await get<Page<Backfill>>('/backfills?limit=100', signal)).items
export const backfill = (id: string, signal?: AbortSignal) => get<Backfill>(`/backfills/${part(id)}`, signal)
export const planBackfill = (p: Pipeline, r: BackfillRequest) => post<BackfillPlan>('/backfills/plan', { blocks: p.blocks, ...r })
export async function startBackfill(p: Pipeline, r: BackfillRequest): Promise<string> {
  const b = await post<{ id: string }>('/backfills', { blocks: p.blocks, ...r })
  return '/backfills/' + b.id
}
export const cancelBackfill = (id: string) => post(`/backfills/${part(id)}/cancel`)
export const resumeBackfill = (id: string) => post(`/backfills/${part(id)}/resume`)
