// The pages in Chromium, against a real daemon with real runs.
import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { test } from 'node:test'
import './looks.mjs'
import './acts.mjs'
import { colours, go, page, slow, violations, w } from './stage.mjs'

test('a live log goes on after the daemon was restarted', async () => {
  await go(`/runs/${slow.id}`)
  await page.waitForFunction(() => document.querySelectorAll('.log .line').length > 5)
  const links = () => page.locator('.log .line .no').evaluateAll((all) => all.map((a) => Number(new URL(a.href).searchParams.get('line'))))
  const before = Math.max(...(await links()))
  await w.stop()
  await page.getByText('reconnecting').waitFor()
  await page.getByText('The daemon does not answer').waitFor()
  assert.deepEqual(await violations(page, colours), [])
  assert.equal(await page.locator('.notice[role=alert]').count(), 0, 'it is said once')
  await w.start()
  await page.getByText('The daemon does not answer').waitFor({ state: 'detached' })
  await page.waitForFunction((n) => [...document.querySelectorAll('.log .line .no')].some((a) => Number(new URL(a.href).searchParams.get('line')) > n + 2000), before)
  const now = await links()
  assert.deepEqual(now, [...new Set(now)].sort((a, b) => a - b), 'each line once, in order')
  await page.getByRole('button', { name: 'Cancel' }).click()
  await page.locator('.head .cancelled').waitFor()
})

test('nothing was asked of others, no policy was broken, no script failed', () => assert.deepEqual(page.problems, []))

test('pages ask for nothing that the public API does not have', () => {
  const { paths } = JSON.parse(readFileSync(new URL('../../../../docs/openapi.json', import.meta.url)))
  const known = Object.entries(paths).flatMap(([path, methods]) => Object.keys(methods).map((m) => new RegExp(`^${m} ${path.replace(/\{[^}]+\}/g, '[^/]+')}$`, 'i')))
  const asked = [...w.requests].filter((r) => r.includes('/api/'))
  assert.ok(asked.length > 20, `${asked.length} requests were seen`)
  assert.deepEqual(asked.filter((r) => !known.some((k) => k.test(r))), [])
})
