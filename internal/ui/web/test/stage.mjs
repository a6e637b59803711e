// The world that all tests share, and what they do in it.
import { readFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { after, before } from 'node:test'
import { setTimeout as pause } from 'node:timers/promises'
import { World } from './world.mjs'

const axe = readFileSync(createRequire(import.meta.url).resolve('axe-core/axe.min.js'), 'utf8')
export const part = encodeURIComponent
export let w, page, failed, done, slow, fill
export const stateID = 'prod:tap-shop-to-target-sqlite'

before(async () => {
  w = await World.make()
  for (let i = 0; i < 4; i++) done = await w.run({ schedule: 'shop-hourly', full_refresh: i === 2 }, 'succeeded')
  await w.run({ job: 'shop', env: { TAP_SHOP_WIDE: 'true' } }, 'succeeded')
  failed = await w.run({ schedule: 'crm-daily' }, 'failed')
  slow = await w.run({ schedule: 'events-weekly' }, 'running')
  fill = await w.run({ job: 'shop', from: '2026-01-01', to: '2026-02-01', chunk: '7d' }, 'succeeded')
  page = await w.page()
  await w.login(page)
})
after(() => w?.close())

export const loaded = async (p = page) => {
  for (let calm = 0; calm < 3; await pause(40)) {
    const ready = await p.evaluate(() => !!document.querySelector('h1') && !document.querySelector('.skeleton'))
    calm = ready && !p.asked.size ? calm + 1 : 0
  }
}
export const go = async (path, p = page) => {
  await p.goto(w.url + path)
  await loaded(p)
}
export const everyPage = () => ({
  overview: '/', runs: '/runs', failed: `/runs/${failed.id}`, succeeded: `/runs/${done.id}?tab=streams`, state_change: `/runs/${done.id}?tab=state`, details: `/runs/${done.id}?tab=detail`, running: `/runs/${slow.id}?tab=streams`, timeline: '/?view=timeline',
  pipelines: '/pipelines', pipeline: '/pipelines/shop', streams: '/streams', stream: `/streams/${part(stateID)}/orders`, lineage: '/lineage', states: '/state', state: `/state/${part(stateID)}`, backfill: `/backfills/${fill.backfill_id}`,
  workers: '/workers', plugins: '/plugins', plugin: '/plugins?plugin=tap-shop', settings: '/settings', tokens: '/tokens', nowhere: '/no/such/page',
})
export const colours = { type: 'rule', values: ['color-contrast', 'link-in-text-block'] } // what a theme can break
export const everything = ['wcag2a', 'wcag2aa', 'wcag21a', 'wcag21aa', 'wcag22aa', 'best-practice']
export async function violations(p, runOnly = everything) {
  await p.evaluate(axe)
  return p.evaluate(async (runOnly) => {
    const { violations } = await window.axe.run(document, { runOnly })
    return violations.map((v) => `${v.id}: ${v.nodes.map((n) => n.target.join(' ') + ' ' + (n.failureSummary ?? '').split('\n').slice(1, 2)).slice(0, 3).join('; ')}`)
  }, runOnly)
}
