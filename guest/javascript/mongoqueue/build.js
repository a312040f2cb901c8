// Makes a component of a handler: `node mongoqueue/build.js src/handler.js` writes build/handler.wasm.

import { mkdir, writeFile } from 'node:fs/promises';
import { resolve } from 'node:path';

import { componentize } from '@bytecodealliance/componentize-js';

const [source] = process.argv.slice(2);
const { component } = await componentize({
  sourcePath: resolve(source),
  witPath: resolve('wit'),
  worldName: 'handler',
  // A clock, chance and the console stay.
  disableFeatures: ['http', 'fetch-event'],
});
await mkdir('build', { recursive: true });
await writeFile('build/handler.wasm', component);
console.log(`build/handler.wasm: ${(component.length / 1e6).toFixed(1)} MB`);
