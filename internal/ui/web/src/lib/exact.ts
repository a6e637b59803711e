// JSON whose numbers stay as they were written: a bookmark may hold an integer
// or a decimal that a float cannot.

/** A number that JavaScript cannot hold. */
export class Exact {
  constructor(readonly text: string) {}
}

export function parse(text: string): unknown {
  let i = 0
  const space = () => {
    while (' \t\n\r'.includes(text[i]) && i < text.length) i++
  }
  const fail = (): never => {
    throw new SyntaxError(i < text.length ? `Unexpected ${JSON.stringify(text[i])} in line ${text.slice(0, i).split('\n').length}` : 'It ends too early')
  }
  const take = (pattern: RegExp): string | undefined => {
    pattern.lastIndex = i
    const m = pattern.exec(text)
    if (m) i += m[0].length
    return m?.[0]
  }
  const string = () => {
    const s = take(/"(?:[^"\\\u0000-\u001f]|\\(?:["\\/bfnrt]|u[0-9a-fA-F]{4}))*"/y)
    return s === undefined ? fail() : (JSON.parse(s) as string)
  }
  const value = (): unknown => {
    space()
    if (text[i] === '"') return string()
    if (text[i] === '{') {
      const out: [string, unknown][] = []
      i++
      for (space(); text[i] !== '}'; space()) {
        if (out.length && text[i++] !== ',') return i--, fail()
        space()
        const name = string()
        space()
        if (text[i++] !== ':') return i--, fail()
        out.push([name, value()])
      }
      i++
      return Object.fromEntries(out)
    }
    if (text[i] === '[') {
      const out: unknown[] = []
      i++
      for (space(); text[i] !== ']'; space()) {
        if (out.length && text[i++] !== ',') return i--, fail()
        out.push(value())
      }
      i++
      return out
    }
    const word = take(/true|false|null/y)
    if (word) return JSON.parse(word)
    const n = take(/-?(?:0|[1-9]\d*)(?:\.\d+)?(?:[eE][+-]?\d+)?/y)
    if (n === undefined) return fail()
    return String(Number(n)) === n ? Number(n) : new Exact(n)
  }
  const v = value()
  space()
  return i < text.length ? fail() : v
}

/** print writes indented text; names are sorted, so that two states compare. */
export function print(v: unknown, indent = ''): string {
  const deeper = indent + '  '
  if (v instanceof Exact) return v.text
  if (Array.isArray(v)) return v.length ? `[\n${v.map((x) => deeper + print(x, deeper)).join(',\n')}\n${indent}]` : '[]'
  if (v && typeof v === 'object') {
    const names = Object.keys(v).sort((a, b) => (a < b ? -1 : 1))
    return names.length ? `{\n${names.map((n) => `${deeper}${JSON.stringify(n)}: ${print((v as Record<string, unknown>)[n], deeper)}`).join(',\n')}\n${indent}}` : '{}'
  }
  return JSON.stringify(v) ?? 'null'
}
