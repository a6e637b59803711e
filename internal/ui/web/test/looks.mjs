// What the pages show.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { colours, everyPage, everything, failed, go, loaded, page, shots, slow, violations, w } from './stage.mjs'

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

test('secrets are masked, and each setting names its layer', async () => {
  await go('/plugins?plugin=tap-shop')
  await page.getByText('api_key', { exact: true }).waitFor()
  assert.doesNotMatch(await page.content(), /hunter2/)
  assert.match(await page.getByRole('row').filter({ hasText: 'rows' }).first().innerText(), /500/)
})
