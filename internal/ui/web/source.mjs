// The digest of the source of the pages, kept beside what was built from it.
import { createHash } from 'node:crypto'
import { readFileSync, readdirSync, writeFileSync } from 'node:fs'

const sha256 = (text) => createHash('sha256').update(text).digest('hex')

export function digest(root) {
  const names = readdirSync(root, { recursive: true, withFileTypes: true })
    .filter((e) => e.isFile())
    .map((e) => `${e.parentPath ?? e.path}/${e.name}`.slice(root.length + 1))
    .filter((name) => !/^(node_modules|test)\//.test(name))
    .sort((a, b) => (a < b ? -1 : 1))
  return sha256(names.map((name) => `${name} ${sha256(readFileSync(`${root}/${name}`))}\n`).join(''))
}

/** A plugin of vite that writes it when a build has ended. */
export const sourceDigest = (root, out) => ({
  name: 'source-digest',
  closeBundle: () => writeFileSync(`${out}/source.sha256`, digest(root) + '\n'),
})
