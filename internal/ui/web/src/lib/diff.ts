// What differs between two JSON values, line by line of their indented text.
export type DiffLine = { op: ' ' | '+' | '-'; text: string }

/** JSON text with sorted keys, numbers as the server wrote them where it gave text. */
export function pretty(value: unknown): string {
  return JSON.stringify(sorted(value), null, 2) ?? ''
}

function sorted(v: unknown): unknown {
  if (Array.isArray(v)) return v.map(sorted)
  if (v && typeof v === 'object') return Object.fromEntries(Object.entries(v).sort(([a], [b]) => (a < b ? -1 : 1)).map(([k, x]) => [k, sorted(x)]))
  return v
}

export function diff(before: unknown, after: unknown): DiffLine[] {
  return lines(before == null ? [] : pretty(before).split('\n'), after == null ? [] : pretty(after).split('\n'))
}

/** The longest common subsequence; equal ends are cut off first, so that long states stay quick. */
export function lines(a: string[], b: string[]): DiffLine[] {
  let start = 0
  while (start < a.length && start < b.length && a[start] === b[start]) start++
  let end = 0
  while (end < a.length - start && end < b.length - start && a[a.length - 1 - end] === b[b.length - 1 - end]) end++
  const x = a.slice(start, a.length - end)
  const y = b.slice(start, b.length - end)
  const out: DiffLine[] = a.slice(0, start).map((text) => ({ op: ' ', text }))
  if (x.length * y.length > 4_000_000) {
    out.push(...x.map((text) => ({ op: '-', text }) as DiffLine), ...y.map((text) => ({ op: '+', text }) as DiffLine))
  } else {
    const length = Array.from({ length: x.length + 1 }, () => new Uint32Array(y.length + 1))
    for (let i = x.length - 1; i >= 0; i--)
      for (let j = y.length - 1; j >= 0; j--) length[i][j] = x[i] === y[j] ? length[i + 1][j + 1] + 1 : Math.max(length[i + 1][j], length[i][j + 1])
    let i = 0
    let j = 0
    while (i < x.length || j < y.length) {
      if (i < x.length && j < y.length && x[i] === y[j]) {
        out.push({ op: ' ', text: x[i] })
        i++
        j++
      } else if (i < x.length && (j === y.length || length[i + 1][j] >= length[i][j + 1])) out.push({ op: '-', text: x[i++] })
      else out.push({ op: '+', text: y[j++] })
    }
  }
  out.push(...a.slice(a.length - end).map((text) => ({ op: ' ', text }) as DiffLine))
  return out
}
