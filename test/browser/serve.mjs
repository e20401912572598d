/** A server of one folder, which also takes the report of a page that posts it. */
import { existsSync, readFileSync } from 'node:fs';
import { createServer } from 'node:http';
import { extname, join } from 'node:path';
import { text } from 'node:stream/consumers';

const kinds = { '.html': 'text/html', '.js': 'text/javascript', '.wasm': 'application/wasm' };
/** So that SharedArrayBuffer is there, and clocks tell microseconds. */
const isolated = {
  'Cross-Origin-Opener-Policy': 'same-origin',
  'Cross-Origin-Embedder-Policy': 'require-corp',
};

export async function serve(folder) {
  let take;
  const posted = new Promise((resolve) => {
    take = resolve;
  });
  const server = createServer(async (request, response) => {
    if (request.method === 'POST') {
      take(JSON.parse(await text(request)));
      return response.end();
    }
    const path = join(folder, request.url === '/' ? 'index.html' : request.url);
    if (!existsSync(path)) return response.writeHead(404).end();
    response.writeHead(200, { 'Content-Type': kinds[extname(path)] ?? 'text/plain', ...isolated });
    response.end(readFileSync(path));
  });
  await new Promise((resolve) => server.listen(0, '127.0.0.1', resolve));
  return {
    origin: `http://127.0.0.1:${server.address().port}/`,
    posted,
    close: () => {
      server.closeAllConnections();
      server.close();
    },
  };
}
