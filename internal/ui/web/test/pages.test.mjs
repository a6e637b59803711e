// The pages in Chromium, against a real daemon with real runs.
import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { after, before, test } from 'node:test'
import { setTimeout as pause } from 'node:timers/promises'
import { World } from './world.mjs'

const axe = readFileSync(createRequire(import.meta.url).resolve('axe-core/axe.min.js'), 'utf8')
const shots = process.env.SHOTS
const part = encodeURIComponent
let w, page, failed, done, slow, fill
const stateID = 'prod:tap-shop-to-target-sqlite'

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

const loaded = async (p = page) => {
  for (let calm = 0; calm < 3; await pause(40)) {
    const ready = await p.evaluate(() => !!document.querySelector('h1') && !document.querySelector('.skeleton'))
    calm = ready && !p.asked.size ? calm + 1 : 0
  }
}
const go = async (path, p = page) => {
  await p.goto(w.url + path)
  await loaded(p)
}
const everyPage = () => ({
  overview: '/', runs: '/runs', failed: `/runs/${failed.id}`, succeeded: `/runs/${done.id}?tab=streams`, state_change: `/runs/${done.id}?tab=state`, details: `/runs/${done.id}?tab=detail`, running: `/runs/${slow.id}?tab=streams`, timeline: '/?view=timeline',
  pipelines: '/pipelines', pipeline: '/pipelines/shop', streams: '/streams', stream: `/streams/${part(stateID)}/orders`, lineage: '/lineage', states: '/state', state: `/state/${part(stateID)}`, backfill: `/backfills/${fill.backfill_id}`,
  workers: '/workers', plugins: '/plugins', plugin: '/plugins?plugin=tap-shop', settings: '/settings', tokens: '/tokens', nowhere: '/no/such/page',
})
const colours = { type: 'rule', values: ['color-contrast', 'link-in-text-block'] } // what a theme can break
const everything = ['wcag2a', 'wcag2aa', 'wcag21a', 'wcag21aa', 'wcag22aa', 'best-practice']
async function violations(p, runOnly = everything) {
  await p.evaluate(axe)
  return p.evaluate(async (runOnly) => {
    const { violations } = await window.axe.run(document, { runOnly })
    return violations.map((v) => `${v.id}: ${v.nodes.map((n) => n.target.join(' ') + ' ' + (n.failureSummary ?? '').split('\n').slice(1, 2)).slice(0, 3).join('; ')}`)
  }, runOnly)
}

test('every page opens in both themes, axe finds nothing, and no error is shown', async () => {
  for (const theme of ['light', 'dark']) {
    await page.evaluate((t) => localStorage.setItem('theme', t), theme)
    for (const [name, path] of Object.entries(everyPage())) {
      await go(path)
      assert.deepEqual(await violations(page, theme === 'dark' ? colours : everything), [], `${name}, ${theme}`)
      assert.deepEqual(await page.locator('.notice[role=alert]').allInnerTexts(), [], name)
    }
  }
  await page.evaluate(() => localStorage.setItem('theme', 'light'))
})

test('every page fits on a phone', async () => {
  const phone = await w.page({ viewport: { width: 360, height: 740 } })
  await w.login(phone)
  for (const [name, path] of Object.entries(everyPage())) {
    await go(path, phone)
    assert.ok((await phone.evaluate(() => document.documentElement.scrollWidth)) <= 360, `${name} is wider than a phone`)
    assert.deepEqual(await violations(phone), [], `${name} on a phone`)
  }
  assert.deepEqual(phone.problems, [])
  if (shots) {
    for (const name of ['lineage', 'state', 'streams', 'backfill', 'details', 'plugin', 'tokens', 'workers', 'settings']) {
      if (!process.env.SHOTS_ALL) break
      await go(everyPage()[name])
      await page.screenshot({ path: `${shots}/x-${name}.png` })
    }
    await go('/', phone)
    await phone.screenshot({ path: `${shots}/overview-phone.png` })
    await go(`/runs/${failed.id}`, phone)
    await phone.screenshot({ path: `${shots}/run-phone.png` })
  }
  await phone.context().close()
})

test('no page is seen without logging in, and scripts do not see the session', async () => {
  const p = await w.page()
  await p.goto(w.url + '/runs?status=failed')
  await p.getByLabel('Token', { exact: true }).fill('elt_wrong')
  await p.getByRole('button', { name: 'Log in' }).click()
  await p.getByText('unknown, expired or revoked').waitFor()
  assert.deepEqual(await violations(p), [])
  await p.getByLabel('Token').fill(w.token)
  await p.getByRole('button', { name: 'Log in' }).click()
  await p.getByRole('link', { name: 'failed, run of crm-daily' }).waitFor()
  assert.equal(new URL(p.url()).search, '?status=failed')
  assert.equal(await p.evaluate(() => document.cookie), '')
  await p.getByRole('button', { name: 'Log out' }).click()
  await p.getByLabel('Token').waitFor()
  await p.goto(w.url + '/')
  await p.getByLabel('Token').waitFor()
  await p.context().close()
})

test('the overview says what is broken and why', async () => {
  await go('/')
  const row = page.locator('.needs li').filter({ hasText: 'See the run' }).first()
  await row.getByText('401 Unauthorized').waitFor()
  assert.match(await row.innerText(), /failed\s+crm\s+tap-crm failed[\s\S]*401 Unauthorized/)
  assert.equal(await page.locator('.numbers a').nth(1).locator('b').innerText(), '1')
  await row.getByRole('link', { name: 'See the run' }).click()
  await page.getByText('401 Unauthorized: the API key has expired').first().waitFor()
  if (shots) {
    await page.setViewportSize({ width: 1120, height: 680 })
    for (const theme of ['light', 'dark']) {
      await page.evaluate((t) => localStorage.setItem('theme', t), theme)
      for (const [name, path] of [['overview', '/'], ['run', `/runs/${failed.id}`], ['pipeline', '/pipelines/shop']]) {
        if (theme === (name === 'pipeline' ? 'dark' : name === 'run' ? 'light' : '')) continue
        await go(path)
        await page.screenshot({ path: `${shots}/${name}-${theme}.png` })
      }
    }
    await page.evaluate(() => localStorage.setItem('theme', 'light'))
    await page.setViewportSize({ width: 1280, height: 800 })
  }
})

test('tables, search and dialogs obey the keyboard', async () => {
  await go('/runs')
  await page.waitForSelector('tbody tr:nth-child(3)')
  await page.keyboard.press('j')
  await page.keyboard.press('j')
  await page.keyboard.press('k')
  await page.keyboard.press('j')
  await page.keyboard.press('x')
  assert.equal(await page.locator('tr[aria-selected=true]').count(), 1)
  const href = await page.locator('tr.here a').first().getAttribute('href')
  await page.keyboard.press('Enter')
  await page.waitForURL(w.url + href)
  await page.goBack()
  await page.waitForURL(/\/runs$/)
  await page.keyboard.press('/')
  await page.getByRole('combobox', { name: 'Search' }).waitFor()
  await page.keyboard.type('pipeline sho')
  await page.getByRole('option', { name: /^pipeline shop/ }).waitFor()
  assert.deepEqual(await violations(page), [])
  await page.keyboard.press('Enter')
  await page.waitForURL(/pipelines\/shop/)
  await page.keyboard.press('Control+k')
  await page.getByRole('combobox', { name: 'Search' }).waitFor()
  await page.keyboard.press('Escape')
  assert.equal(await page.locator('dialog[open]').count(), 0)
  await page.goto(w.url + '/runs')
  await loaded()
  await page.keyboard.press('Tab')
  assert.equal(await page.evaluate(() => document.activeElement.textContent), 'To the content')
})

test('filters of runs stand in the address', async () => {
  await go('/runs')
  await page.getByRole('button', { name: 'failed' }).click()
  await page.waitForURL(/status=failed/)
  await page.waitForFunction(() => document.querySelectorAll('tbody tr').length === 1)
  await page.getByRole('combobox', { name: 'Pipeline' }).selectOption('shop')
  await page.getByText('No run is like that.').waitFor()
  await page.goBack()
  await page.waitForFunction(() => document.querySelectorAll('tbody tr').length === 1)
})

test('a log is searched, filtered, and linked to by line', async () => {
  await go(`/runs/${failed.id}`)
  await page.getByLabel('Search the log').fill('api KEY')
  await page.waitForSelector('.log mark')
  assert.equal((await page.locator('.log mark').first().innerText()).toLowerCase(), 'api key')
  await page.getByRole('button', { name: 'Regular expression' }).click()
  await page.getByLabel('Search the log').fill('\\d{3} Un[a-z]+')
  await page.waitForFunction(() => document.querySelector('.log mark')?.textContent === '401 Unauthorized')
  await page.getByRole('button', { name: 'First error' }).click()
  await page.waitForSelector('.log .line.at')
  assert.match(await page.locator('.log .line.at').innerText(), /401 Unauthorized/)
  const link = page.url()
  assert.match(link, /line=\d+/)
  const other = await page.context().newPage()
  await other.goto(link)
  await other.waitForSelector('.log .line.at')
  assert.match(await other.locator('.log .line.at').innerText(), /401 Unauthorized/)
  await other.close()
  await go(`/runs/${failed.id}?level=error`)
  await page.waitForSelector('.log .line')
  assert.equal(await page.locator('.log .line:not(.error)').count(), 0)
})

test('a run is started by hand, cancelled, and repeated', async () => {
  await go('/pipelines/archive')
  await page.getByRole('button', { name: 'Run now' }).click()
  await page.getByLabel('Only these streams').fill('customers')
  await page.getByText('Only customers').waitFor()
  assert.deepEqual(await violations(page), [])
  await page.getByRole('dialog').getByRole('button', { name: 'Run', exact: true }).click()
  await page.waitForURL(/\/runs\//)
  await page.locator('.head .succeeded').waitFor()
  await page.locator('.tabs').getByRole('link', { name: 'Streams 1' }).click()
  await page.getByRole('link', { name: 'customers' }).waitFor()
  assert.equal(await page.getByRole('link', { name: 'orders' }).count(), 0)
  const first = page.url().split('?')[0]
  await page.getByRole('button', { name: 'Retry' }).click()
  await page.waitForURL((u) => /\/runs\//.test(u.pathname) && !first.endsWith(u.pathname))
  await page.locator('.head .succeeded').waitFor()
})

test('a run over again, of one stream, is planned before it is started', async () => {
  await go('/pipelines/shop')
  await page.keyboard.press('n')
  const dialog = page.getByRole('dialog', { name: 'Run shop' })
  await dialog.getByRole('button', { name: 'Dry run' }).click()
  await dialog.getByText('2 streams').waitFor()
  await dialog.getByRole('row', { name: /customers incremental by created_at after 20/ }).waitFor()
  await dialog.getByRole('radio', { name: /Full refresh/ }).check()
  await dialog.getByRole('button', { name: 'orders' }).click()
  assert.equal(await dialog.getByText('2 streams').count(), 0, 'a plan is of what is asked for')
  await dialog.getByRole('button', { name: 'Dry run' }).click()
  await dialog.getByRole('row', { name: 'orders incremental by created_at from its beginning' }).waitFor()
  await dialog.getByText('1 stream', { exact: true }).waitFor()
  assert.deepEqual(await violations(page), [])
  const before = await w.api(`/bookmarks/${part(stateID)}`)
  await dialog.getByRole('button', { name: 'Run with full refresh' }).click()
  await page.waitForURL(/\/runs\//)
  await page.locator('.head .succeeded').waitFor()
  const [, id] = page.url().match(/runs\/([^?]+)/)
  const r = await w.api('/runs/' + id)
  assert.deepEqual([r.options.full_refresh, r.options.select], [true, ['orders']])
  const bookmark = (b, s) => JSON.stringify(b.state.bookmarks[s])
  const now = await w.api(`/bookmarks/${part(stateID)}`)
  assert.equal(bookmark(now, 'customers'), bookmark(before, 'customers'), 'the other stream keeps its bookmark')
  assert.notEqual(bookmark(now, 'orders'), bookmark(before, 'orders'))
})

test('a run of a window leaves the bookmark alone', async () => {
  await go('/pipelines/shop')
  const before = await w.api(`/bookmarks/${part(stateID)}`)
  await page.getByRole('button', { name: 'Run now' }).click()
  const dialog = page.getByRole('dialog', { name: 'Run shop' })
  await dialog.getByRole('radio', { name: /A window/ }).check()
  await dialog.getByLabel('From', { exact: true }).fill('2026-02-01')
  await dialog.getByLabel('To, exclusive').fill('2026-02-03')
  await dialog.getByRole('button', { name: 'Run', exact: true }).click()
  await page.waitForURL(/\/runs\//)
  await page.locator('.head .succeeded').waitFor()
  assert.deepEqual((await w.api(`/bookmarks/${part(stateID)}`)).state, before.state)
})

test('keys go to pages, and a sheet says which', async () => {
  await go('/')
  await page.keyboard.press('?')
  const sheet = page.getByRole('dialog', { name: 'Keys' })
  await sheet.getByText('Next row').waitFor()
  assert.deepEqual(await violations(page), [])
  await page.keyboard.press('Escape')
  await sheet.waitFor({ state: 'detached' })
  for (const [key, path] of [['r', '/runs'], ['p', '/pipelines'], ['b', '/state'], ['o', '/']]) {
    await page.keyboard.press('g')
    await page.keyboard.press(key)
    await page.waitForURL(w.url + path)
  }
  await go('/pipelines')
  await page.getByRole('searchbox', { name: 'Filter by name' }).fill('gr')
  assert.equal(new URL(page.url()).pathname, '/pipelines', 'what is typed into a field goes nowhere')
})

test('the last day is seen as a timeline', async () => {
  await go('/')
  await page.getByRole('link', { name: 'Last 24 hours' }).click()
  await page.waitForURL(/view=timeline/)
  await page.getByRole('link', { name: /^crm-daily: failed/ }).first().waitFor()
  assert.deepEqual(await violations(page), [])
  await page.getByRole('link', { name: /^crm-daily: failed/ }).first().click()
  await page.waitForURL(/\/runs\//)
})

test('a run that goes on says how fast it is, and what the others wait for', async () => {
  await go(`/runs/${slow.id}?tab=streams`)
  const facts = page.locator('.facts')
  await facts.getByText('tap-slow').waitFor()
  await facts.getByText('the others wait for it').waitFor()
  const rows = async () => Number((await facts.locator('dd').first().innerText()).replace(/\D/g, ''))
  const first = await rows()
  await page.waitForFunction((n) => Number(document.querySelector('.facts dd').innerText.replace(/\D/g, '')) > n, first)
  await page.getByRole('row', { name: /^orders .*\/s/ }).waitFor()
})

test('a stream says how fresh it is, and how its schema changed', async () => {
  await go('/streams')
  await page.getByRole('button', { name: /^failed/ }).click()
  await page.waitForURL(/only=bad/)
  await page.getByRole('row', { name: /orders tap-crm/ }).waitFor()
  await page.getByRole('button', { name: /^schema changed/ }).click()
  await page.getByRole('row', { name: /orders tap-shop .* columns, changed/ }).getByRole('link', { name: 'orders', exact: true }).click()
  await page.waitForURL(/streams\/prod.*orders/)
  await page.locator('.versions .change.added').getByText('coupon').waitFor()
  await page.getByRole('row', { name: /^id integer never key/ }).waitFor()
  await page.getByRole('link', { name: 'Version 2' }).click()
  await page.getByRole('row', { name: /^coupon/ }).waitFor()
  await page.getByRole('link', { name: 'Version 1' }).click()
  await page.getByText('Schema, version 1').waitFor()
  assert.equal(await page.getByRole('row', { name: /^coupon/ }).count(), 0)
})

test('workers say what they run, and queues how long they are', async () => {
  await go('/workers')
  const daemon = page.getByRole('region', { name: 'Daemons' }).getByRole('row').nth(1)
  assert.match(await daemon.innerText(), /alive[\s\S]*scheduler[\s\S]*of 4[\s\S]*events-weekly/)
  const queue = page.getByRole('region', { name: 'Queues' }).getByRole('row', { name: /^default 1 none 0/ })
  await queue.waitFor()
})

test('what the daemon judged stands in the overview, once', async () => {
  const p = await w.page()
  await w.login(p)
  const alert = (kind, summary) => ({ id: kind, kind, summary, pipeline: 'shop-hourly', detail: '', open: true, opened_at: new Date().toISOString() })
  await p.route('**/api/v1/alerts*', (r) => r.fulfill({ json: { items: [alert('odd_volume', 'orders: 5 rows, usually 500'), { ...alert('failure', 'told twice'), pipeline: 'crm-daily' }] } }))
  await p.goto(w.url)
  const row = p.locator('.needs li').filter({ hasText: 'odd volume' })
  assert.match(await row.innerText(), /shop[\s\S]*orders: 5 rows, usually 500/)
  assert.equal(await p.getByText('told twice').count(), 0)
  assert.equal(await p.locator('.numbers b').first().innerText(), '2 / 4')
  await p.context().close()
})

test('a schedule is paused and goes on', async () => {
  await go('/pipelines/shop')
  await page.waitForSelector('text=Next times')
  assert.equal(await page.locator('section', { hasText: 'Next times' }).locator('tbody tr').count(), 10)
  await page.getByRole('button', { name: 'Pause shop-hourly' }).click()
  await page.getByText('No time while it is paused.').waitFor()
  await page.getByRole('button', { name: 'Resume shop-hourly' }).click()
  await page.waitForFunction(() => document.querySelectorAll('section tbody tr').length >= 10)
})

test('a backfill shows its plan before it starts', async () => {
  await go('/pipelines/shop')
  await page.getByRole('button', { name: 'Backfill' }).click()
  await page.getByLabel('From').fill('2026-02-01')
  await page.getByLabel('To, exclusive').fill('2026-02-15')
  await page.getByRole('button', { name: 'Show the plan' }).click()
  await page.getByText('2 chunks').waitFor()
  assert.deepEqual(await violations(page), [])
  await page.getByRole('button', { name: 'Start the backfill' }).click()
  await page.waitForURL(/\/(runs|backfills)\//)
  await page.locator('.head .succeeded').waitFor()
})

test('a state is rolled back only when its id is typed', async () => {
  await go(`/state/${part(stateID)}`)
  assert.match(await page.getByLabel('The bookmark').innerText(), /9007199254740993/)
  const versions = await page.locator('table tbody tr').count()
  await page.getByRole('button', { name: /Roll back to revision/ }).last().click()
  const button = page.getByRole('dialog').getByRole('button', { name: 'Roll back' })
  assert.equal(await button.isDisabled(), true)
  await page.getByLabel('Type the state id to confirm').fill(stateID)
  assert.deepEqual(await violations(page), [])
  await button.click()
  await page.waitForFunction((n) => document.querySelectorAll('table tbody tr').length > n, versions)
  await page.getByRole('cell', { name: 'rollback', exact: true }).waitFor()
})

test('secrets are masked, and each setting names its layer', async () => {
  await go('/plugins?plugin=tap-shop')
  await page.getByText('api_key', { exact: true }).waitFor()
  assert.doesNotMatch(await page.content(), /hunter2/)
  assert.match(await page.getByRole('row').filter({ hasText: 'rows' }).first().innerText(), /500/)
})

test('a token is shown once, and revoked', async () => {
  await go('/tokens')
  await page.getByRole('button', { name: 'New token' }).click()
  await page.getByLabel('Name').fill('reader')
  await page.getByRole('button', { name: 'Create' }).click()
  const secret = (await page.getByLabel('The token').innerText()).trim()
  await page.getByRole('button', { name: 'Done' }).click()
  const use = () => fetch(w.url + '/api/v1/runs', { headers: { Authorization: 'Bearer ' + secret } }).then((r) => r.status)
  assert.equal(await use(), 200)
  assert.doesNotMatch(await page.content(), new RegExp(secret))
  await page.getByRole('button', { name: 'Revoke reader' }).click()
  await page.getByRole('dialog').getByRole('button', { name: 'Revoke' }).click()
  await page.getByRole('cell', { name: 'revoked' }).waitFor()
  assert.equal(await use(), 401)
})

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
