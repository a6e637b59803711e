// Numbers, sizes and times as people read them.
const number = new Intl.NumberFormat('en', { maximumFractionDigits: 0 })

export const count = (n: number | undefined | null) => (n == null ? '–' : number.format(n))

export function bytes(n: number | undefined | null): string {
  if (n == null) return '–'
  const units = ['B', 'KiB', 'MiB', 'GiB', 'TiB', 'PiB']
  let i = 0
  while (n >= 1024 && i < units.length - 1) {
    n /= 1024
    i++
  }
  return `${i && n < 10 ? n.toFixed(1) : Math.round(n)} ${units[i]}`
}

/** A duration of milliseconds: 1 m 12 s. The two greatest units. */
export function duration(ms: number | undefined | null): string {
  if (ms == null || Number.isNaN(ms)) return '–'
  if (ms < 0) ms = 0
  if (ms < 1000) return `${Math.round(ms)} ms`
  if (ms < 10_000) return `${(Math.floor(ms / 100) / 10).toFixed(1)} s`
  let s = Math.round(ms / 1000)
  const parts: [number, string][] = [
    [86400, 'd'],
    [3600, 'h'],
    [60, 'm'],
    [1, 's'],
  ]
  const said: string[] = []
  for (const [size, unit] of parts) {
    if (s >= size || said.length) said.push(`${Math.floor(s / size)} ${unit}`)
    s %= size
    if (said.length === 2) break
  }
  return said.join(' ')
}

export function relative(at: number, now: number): string {
  const ms = at - now
  if (Math.abs(ms) < 2000) return 'now'
  const text = Math.abs(ms) < 10_000 ? `${Math.round(Math.abs(ms) / 1000)} s` : duration(Math.abs(ms)).replace(/ ms$/, ' ms')
  const short = Math.abs(ms) >= 3600_000 * 24 * 2 ? text.split(' ').slice(0, 2).join(' ') : text
  return ms < 0 ? `${short} ago` : `in ${short}`
}

const long = new Intl.DateTimeFormat('en-GB', { dateStyle: 'medium', timeStyle: 'medium' })
export const ownZone = Intl.DateTimeFormat().resolvedOptions().timeZone

/** The moment in the reader's own zone, with that zone. */
export const absolute = (at: string | number | Date) => `${long.format(new Date(at))} ${ownZone}`

/** The moment in a given zone; UTC where the browser does not know it. */
export function inZone(at: string | Date, zone: string): string {
  try {
    return new Intl.DateTimeFormat('en-GB', { dateStyle: 'medium', timeStyle: 'short', timeZone: zone }).format(new Date(at))
  } catch {
    return new Date(at).toISOString()
  }
}

export const words = (n: number, one: string, many = one + 's') => `${count(n)} ${n === 1 ? one : many}`
