// The pictures of docs/images: make ui-images. A real daemon and real runs, as
// in the tests, but more of them.
import { World } from './world.mjs'

const shots = process.env.SHOTS
if (!shots) throw new Error('SHOTS names no folder: run make ui-images')
const w = await World.make()
try {
  const rows = (n) => ({ TAP_SHOP_ROWS: String(n) })
  for (let i = 0; i < 14; i++) await w.run({ schedule: 'shop-hourly', env: { ...rows(300 + ((i * 7) % 5) * 120 + i * 20), TAP_SHOP_FAIL: String(i === 9) } }, i === 9 ? 'failed' : 'succeeded')
  for (let i = 0; i < 5; i++) await w.run({ job: 'archive', env: rows(900 + i * 40) }, 'succeeded')
  await w.run({ job: 'shop', env: { ...rows(700), TAP_SHOP_WIDE: 'true' } }, 'succeeded')
  for (let i = 0; i < 6; i++) await w.run({ job: 'crm', env: { TAP_CRM_FAIL: 'false' } }, 'succeeded')
  const failed = await w.run({ schedule: 'crm-daily' }, 'failed')
  const slow = await w.run({ schedule: 'events-weekly' }, 'running')

  const picture = async (name, path, { theme = 'light', phone, ready, act } = {}) => {
    const page = await w.page({ viewport: phone ? { width: 390, height: 800 } : { width: 1200, height: 740 }, colorScheme: theme })
    await w.login(page)
    await page.goto(w.url + path)
    await page.locator(ready).first().waitFor()
    await act?.(page)
    await w.until(`${name} is calm`, () => !page.asked.size)
    await page.screenshot({ path: `${shots}/${name}.png` })
    await page.context().close()
  }
  for (const theme of ['light', 'dark']) await picture(`overview-${theme}`, '/', { theme, ready: '.needs pre' })
  await picture('overview-phone', '/', { phone: true, theme: 'dark', ready: '.needs pre' })
  await picture('run-dark', `/runs/${failed.id}`, { theme: 'dark', ready: '.log .line.error' })
  await picture('run-phone', `/runs/${failed.id}`, { phone: true, ready: '.log .line.error' })
  await picture('running-light', `/runs/${slow.id}`, { ready: '.facts strong' })
  await picture('pipeline-light', '/pipelines/shop', { ready: 'section tbody tr:nth-child(10)' })
  await picture('stream-light', '/streams/prod%3Atap-shop-to-target-sqlite/orders', { ready: '.versions .change' })
  await picture('plan-light', '/pipelines/shop', {
    ready: 'section tbody tr:nth-child(10)',
    act: async (page) => {
      await page.keyboard.press('n')
      await page.getByRole('radio', { name: /Full refresh/ }).check()
      await page.getByRole('button', { name: 'orders' }).click()
      await page.getByRole('button', { name: 'Dry run' }).click()
      await page.getByText('1 stream', { exact: true }).waitFor()
    },
  })
} finally {
  await w.close()
}
