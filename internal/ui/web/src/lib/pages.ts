// The pages of the rail: where they are, and the key after g that goes there.
import type { IconName } from '../components/Icon.svelte'

export type Place = { path: string; name: string; icon: IconName; key: string; /** In the bar of a phone. */ first?: boolean }

export const places: Place[] = [
  { path: '/', name: 'Overview', icon: 'overview', key: 'o', first: true },
  { path: '/runs', name: 'Runs', icon: 'runs', key: 'r', first: true },
  { path: '/pipelines', name: 'Pipelines', icon: 'pipelines', key: 'p', first: true },
  { path: '/streams', name: 'Streams', icon: 'streams', key: 's', first: true },
  { path: '/lineage', name: 'Lineage', icon: 'lineage', key: 'l' },
  { path: '/state', name: 'State', icon: 'state', key: 'b' },
  { path: '/workers', name: 'Workers', icon: 'workers', key: 'w' },
  { path: '/plugins', name: 'Plugins', icon: 'plugins', key: 'n' },
  { path: '/settings', name: 'Settings', icon: 'settings', key: 'e' },
  { path: '/tokens', name: 'Tokens', icon: 'tokens', key: 't' },
]
