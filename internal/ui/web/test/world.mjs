// A project in a folder of its own, the daemon on it, and a browser.
import { spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { chmodSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as pause } from 'node:timers/promises'
import { chromium } from 'playwright-core'

const elt = process.env.ELT
if (!elt) throw new Error('ELT names no elt: run make test-ui')

// A Singer tap. Each setting is a behaviour: rows, pace, fail, wide (one column more).
const tap = `#!/usr/bin/env node
const { readFileSync } = require('node:fs')
const args = process.argv
const config = JSON.parse(readFileSync(args[args.indexOf('--config') + 1], 'utf8'))
const say = (m) => process.stdout.write(JSON.stringify(m, (_, v) => typeof v === 'bigint' ? '!' + v : v).replace(/"!(\\d+)"/g, '$1') + '\\n')
const log = (level, text) => process.stderr.write(level + ' ' + text + '\\n')
const text = { type: ['null', 'string'] }, time = { type: 'string', format: 'date-time' }
const streams = { orders: { id: { type: 'integer' }, created_at: time, amount: { type: ['null', 'number'] }, ...(config.wide && { coupon: text }) }, customers: { id: { type: 'integer' }, created_at: time, name: text } }
if (args.includes('--discover')) {
  console.log(JSON.stringify({ streams: Object.entries(streams).map(([s, properties]) => ({ tap_stream_id: s, stream: s, key_properties: ['id'],
    replication_method: 'INCREMENTAL', replication_key: 'created_at', schema: { type: 'object', properties }, metadata: [{ breadcrumb: [], metadata: { selected: true } }] })) }))
  process.exit(0)
}
const catalog = args.includes('--catalog') ? JSON.parse(readFileSync(args[args.indexOf('--catalog') + 1], 'utf8')).streams
  .filter((s) => s.metadata.some((m) => !m.breadcrumb.length && m.metadata.selected)).map((s) => s.stream) : Object.keys(streams)
const from = Date.parse(config.start_date || '2026-01-01'), to = Date.parse(config.end_date || '2026-03-01')
const wait = (ms) => new Promise((r) => setTimeout(r, ms))
async function main() {
  const bookmarks = {}
  for (const s of catalog) {
    log('INFO', 'reading ' + s)
    say({ type: 'SCHEMA', stream: s, schema: { type: 'object', properties: streams[s] }, key_properties: ['id'], bookmark_properties: ['created_at'] })
    for (let i = 0; i < (config.rows || 100); i++) {
      const at = new Date(from + ((to - from) * i) / (config.rows || 100)).toISOString()
      say({ type: 'RECORD', stream: s, record: s === 'orders' ? { id: i, created_at: at, amount: i * 1.25 } : { id: i, created_at: at, name: 'customer ' + i } })
      if (config.pace) { log(i % 7 === 3 ? 'WARNING' : 'INFO', 'row ' + i + ' of ' + s); await wait(config.pace) }
      if (config.fail && i === 20) {
        log('ERROR', '401 Unauthorized: the API key has expired')
        process.exit(1)
      }
    }
    bookmarks[s] = { replication_key: 'created_at', replication_key_value: new Date().toISOString(), id: 9007199254740993n }
    say({ type: 'STATE', value: { bookmarks } })
  }
}
main()
`

// No schedule fires while a test goes on: each has two times, and takes the one that is far away.
const at = (timeZone) => new Intl.DateTimeFormat('en-GB', { timeZone, hour: 'numeric', minute: 'numeric', hourCycle: 'h23' }).format().split(':').map(Number)
const minute = at('Europe/Berlin')[1]
const [hour] = at('America/New_York')
const hourly = minute > 15 && minute < 50 ? 15 : 45
const daily = hour > 5 && hour < 19 ? 5 : 17

const project = `default_environment: prod
environments: [{name: prod}]
plugins:
  extractors:
  - name: tap-shop
    namespace: tap_shop
    executable: ./tap.js
    capabilities: [catalog, discover, state]
    settings:
    - {name: start_date, description: The first day that is read}
    - {name: end_date}
    - {name: rows, kind: integer}
    - {name: pace, kind: integer}
    - {name: fail, kind: boolean}
    - {name: wide, kind: boolean}
    - {name: api_key, sensitive: true, description: Key of the shop}
    backfill: {start: start_date, end: end_date}
    config: {api_key: 'hunter2-very-secret', rows: 500}
  - {name: tap-crm, inherit_from: tap-shop, config: {rows: 200, fail: true}}
  - {name: tap-slow, inherit_from: tap-shop, config: {rows: 100000, pace: 120}}
  loaders:
  - {name: target-sqlite, config: {database: out.db}}
jobs:
- {name: shop, tasks: [tap-shop target-sqlite]}
- {name: crm, tasks: [tap-crm target-sqlite]}
- {name: events, tasks: [tap-slow target-sqlite]}
- {name: archive, tasks: [tap-shop target-sqlite]}
schedules:
- {name: shop-hourly, job: shop, interval: '${hourly} * * * *', timezone: Europe/Berlin}
- {name: crm-daily, job: crm, interval: '30 ${daily} * * *', timezone: America/New_York, retries: 0}
- {name: events-weekly, job: events, interval: '@weekly'}
`

const free = async () => {
  const s = createServer().listen(0, '127.0.0.1')
  await once(s, 'listening')
  const { port } = s.address()
  s.close()
  await once(s, 'close')
  return port
}

export class World {
  static async make() {
    const w = new World()
    w.requests = new Set() // what pages asked for: "GET /api/v1/runs"
    w.root = mkdtempSync(join(tmpdir(), 'elt-ui-'))
    w.dir = join(w.root, 'warehouse')
    mkdirSync(w.dir)
    writeFileSync(join(w.dir, 'tap.js'), tap)
    chmodSync(join(w.dir, 'tap.js'), 0o755)
    writeFileSync(join(w.dir, 'elt.yml'), project)
    w.port = await free()
    w.url = `http://127.0.0.1:${w.port}`
    w.token = w.elt('token', 'create', 'browser', '--scope', 'admin').trim().split('\n').at(-1).trim()
    await w.start()
    return w
  }

  elt(...args) {
    const out = spawnSync(elt, ['--cwd', this.dir, ...args], { encoding: 'utf8' })
    if (out.status !== 0) throw new Error(`elt ${args.join(' ')}: ${out.status}\n${out.stderr}`)
    return out.stdout
  }

  async start() {
    this.said = ''
    this.daemon = spawn(elt, ['--cwd', this.dir, 'daemon', '--listen', `127.0.0.1:${this.port}`, '--workers', '4'], { stdio: ['ignore', 'ignore', 'pipe'], env: { ...process.env, ELT_WORKER_TTL: '30s', ELT_STOP_GRACE: '2s' } })
    this.daemon.stderr.on('data', (d) => (this.said += d))
    await this.until('the daemon answers', async () => (await fetch(this.url + '/readyz').catch(() => undefined))?.ok)
  }

  async stop() {
    const gone = once(this.daemon, 'exit')
    this.daemon.kill('SIGTERM')
    await gone
  }

  async close() {
    await this.browser?.close()
    await this.stop()
    rmSync(this.root, { recursive: true, force: true })
  }

  async until(what, ok) {
    let last
    for (const end = Date.now() + 180_000; Date.now() < end; await pause(100)) {
      last = await ok()
      if (last) return last
      if (this.daemon.exitCode !== null) break
    }
    throw new Error(`in vain waited until ${what}; the daemon said:\n${this.said}`)
  }

  async api(path, body) {
    const r = await fetch(this.url + '/api/v1' + path, { method: body ? 'POST' : 'GET', headers: { Authorization: `Bearer ${this.token}`, 'Content-Type': 'application/json' }, body: body && JSON.stringify(body) })
    const text = await r.text()
    if (!r.ok) throw new Error(`${path}: ${r.status} ${text}`)
    return JSON.parse(text)
  }

  /** Runs something to its end, or until it runs. */
  async run(request, status) {
    const { id } = await this.api('/runs', request)
    return this.until(`${JSON.stringify(request)} is ${status}`, async () => {
      const r = await this.api('/runs/' + id)
      if (r.ended_at && r.status !== status) throw new Error(`${JSON.stringify(request)}: ${JSON.stringify(r)}`)
      return r.status === status && r
    })
  }

  async page(options = {}) {
    this.browser ??= await chromium.launch({ executablePath: process.env.CHROMIUM ?? '/usr/bin/chromium', args: ['--no-sandbox', '--disable-gpu', '--disable-dev-shm-usage'] })
    const context = await this.browser.newContext({ viewport: { width: 1280, height: 800 }, locale: 'en-GB', timezoneId: 'Europe/Berlin', reducedMotion: 'reduce', ...options })
    const page = await context.newPage()
    page.setDefaultTimeout(60_000)
    page.problems = []
    page.on('request', (r) => this.requests.add(`${r.method()} ${new URL(r.url()).pathname}`))
    page.asked = new Set() // what has not been answered, but for logs that are followed
    page.on('request', (r) => new URL(r.url()).pathname.startsWith('/api/') && !/event-stream/.test(r.headers().accept) && page.asked.add(r))
    for (const event of ['requestfinished', 'requestfailed']) page.on(event, (r) => page.asked.delete(r))
    page.on('pageerror', (e) => page.problems.push(String(e)))
    page.on('console', (m) => /Content Security Policy/.test(m.text()) && page.problems.push(m.text()))
    page.on('request', (r) => new URL(r.url()).origin === this.url || /^(blob|data):/.test(r.url()) || page.problems.push('asked ' + r.url()))
    return page
  }

  async login(page, path = '/') {
    await page.goto(this.url + path)
    await page.getByLabel('Token', { exact: true }).fill(this.token)
    await page.getByRole('button', { name: 'Log in' }).click()
    await page.waitForSelector('.rail')
  }
}
