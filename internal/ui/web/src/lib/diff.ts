import { print } from './exact'

// What differs between two JSON values, line by line of their indented text.
export type DiffLine = { op: ' ' | '+' | '-'; text: string }

export function diff(before: unknown, after: unknown): DiffLine[] {
  return lines(before == null ? [] : print(before).split('\n'), after == null ? [] : print(after).split('\n'))
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
