import { defineConfig } from 'vite'
import { svelte } from '@sveltejs/vite-plugin-svelte'
// @ts-expect-error plain JavaScript
import { sourceDigest } from './source.mjs'

const here = import.meta.dirname

// The build goes to ../dist, which Go embeds. Nothing is inlined as data: the
// content security policy allows files of our own origin only.
export default defineConfig({
  plugins: [svelte(), sourceDigest(here, here + '/../dist')],
  base: '/',
  build: { outDir: '../dist', emptyOutDir: true, assetsInlineLimit: 0, modulePreload: { polyfill: false }, target: 'es2022', reportCompressedSize: false },
  server: { proxy: { '/api': process.env.ELT_SERVER ?? 'http://127.0.0.1:8080' } },
})
