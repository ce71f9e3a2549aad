import { svelte } from '@sveltejs/vite-plugin-svelte';
import { mock } from './dev/mock.mjs';
import type { Connect, Plugin } from 'vite';
import { defineConfig } from 'vitest/config';

/** `TRADEPOST_NODE=http://127.0.0.1:7600 npm run dev` works on a real node; without it the mock answers. */
const node = process.env.TRADEPOST_NODE;
/** `TRADEPOST_HUB=http://127.0.0.1:7640 npm run dev` shows the console on a real hub. */
const hub = process.env.TRADEPOST_HUB;
const behind = hub ?? node;

/** The node serves `till.html` at `/`, the hub `admin.html`; Vite's servers do the same, and answer the API in its place. */
function development(): Plugin {
  return {
    name: 'tradepost-development',
    configureServer: (server) => serve(server.middlewares),
    configurePreviewServer: (server) => serve(server.middlewares),
  };
}

function serve(middlewares: Connect.Server): void {
  middlewares.use((request, _response, next) => {
    if (request.url === '/' || request.url?.startsWith('/?')) request.url = hub ? '/admin.html' : '/till.html';
    if (request.url?.startsWith('/display')) request.url = '/display.html';
    next();
  });
  if (!behind) middlewares.use(mock());
}

// The node lets only its own pages write: to it, a developer's page is one.
const answers = behind && { target: behind, changeOrigin: true, headers: { origin: behind } };
const proxy = answers ? Object.fromEntries(['/v1', '/readyz', '/problems'].map((path) => [path, answers])) : undefined;

export default defineConfig({
  plugins: [svelte(), development()],
  test: { include: ['src/**/*.test.ts'] },
  server: { proxy },
  preview: { proxy, headers: { 'content-security-policy': "default-src 'self'" } },
  build: {
    target: 'es2022',
    // Nothing is inlined: the node's policy is `default-src 'self'`, which forbids data: addresses.
    assetsInlineLimit: 0,
    modulePreload: { polyfill: false },
    rollupOptions: { input: ['till.html', 'display.html', 'admin.html'] },
  },
});
