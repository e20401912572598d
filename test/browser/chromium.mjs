/** A page shown by Chromium, which Playwright drives: what it reports, its errors, and what it drew from outside. */
import { chromium } from 'playwright-core';

export async function show(executablePath, origin) {
  const browser = await chromium.launch({
    executablePath,
    args: ['--no-sandbox', '--disable-gpu', '--disable-dev-shm-usage'],
  });
  try {
    const page = await browser.newPage();
    const complaints = [];
    const outside = [];
    // What a page throws ends it: it would never report.
    const thrown = new Promise((_, reject) => {
      page.on('pageerror', (error) => {
        complaints.push(error.stack);
        reject(error);
      });
    });
    thrown.catch(() => {});
    page.on('request', (request) => {
      if (!request.url().startsWith(origin) && !request.url().startsWith('data:'))
        outside.push(request.url());
    });
    await page.goto(origin, { waitUntil: 'commit', timeout: 120_000 });
    const reported = page.waitForFunction(() => document.body.dataset.report, null, { timeout: 900_000 });
    await Promise.race([reported, thrown]).catch((error) => {
      throw new Error([error.message, ...complaints].join('\n'));
    });
    if (process.env.SCREENSHOT) await page.screenshot({ path: process.env.SCREENSHOT });
    const report = JSON.parse(await page.evaluate(() => document.body.dataset.report));
    return { named: `chromium ${browser.version()}`, report, complaints, outside };
  } finally {
    await browser.close();
  }
}
