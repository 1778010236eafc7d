// Opens pages in headless Chromium and says as JSON what is there: node look.cjs MODE URL [FILE].
//   look   each scheme and width: texts, console, requests, what axe-core finds; with FILE, a
//          screenshot of each beside it (FILE-light-1280.png)
//   watch  one line "refreshed" when the page has renewed itself, then "gone" when it says that the
//          agent does not answer
// Needs NODE_PATH with axe-core and playwright-core, and $CHROMIUM or `chromium` of Debian.
'use strict';
const fs = require('fs');
const { chromium } = require('playwright-core');

const [mode, url, file] = process.argv.slice(2);
const widths = [1280, 390];
const schemes = ['light', 'dark'];
const quiet = ['--disable-gpu', '--disable-quic', '--no-first-run',
  '--disable-background-networking', '--disable-component-update', '--disable-sync'];

/// Runs in the page.
function facts() {
  const texts = (selector) => [...document.querySelectorAll(selector)].map(
    (element) => element.innerText.replace(/\s+/g, ' ').trim());
  return {
    title: document.title,
    heading: texts('h1'),
    body: document.body.innerText,
    facts: texts('dl > div'),
    checks: [...document.querySelectorAll('table.c tbody tr')].map((row) => ({
      name: row.querySelector('th').firstChild.textContent,
      cells: [...row.cells].map((cell) => cell.innerText.replace(/\s+/g, ' ').trim()),
    })),
    changes: texts('table.t tbody tr'),
    sparklines: [...document.querySelectorAll('svg')].map((svg) => ({
      label: svg.getAttribute('aria-label'),
      failures: (svg.querySelector('path.x')?.getAttribute('d').match(/M/g) || []).length,
    })),
    scripts: document.scripts.length,
    hacked: Boolean(window.hacked),
    overflows: document.documentElement.scrollWidth > window.innerWidth,
    background: getComputedStyle(document.body).backgroundColor,
  };
}

async function look(browser, scheme, width) {
  const context = await browser.newContext({
    colorScheme: scheme, viewport: { width, height: 900 }, deviceScaleFactor: 1,
  });
  const page = await context.newPage();
  const seen = { scheme, width, console: [], requests: [] };
  page.on('console', (message) => seen.console.push(message.text()));
  page.on('pageerror', (error) => seen.console.push(String(error)));
  // Each address once: a page that is looked at for long renews itself meanwhile.
  page.on('request', (request) => {
    if (!seen.requests.includes(request.url())) seen.requests.push(request.url());
  });
  const answer = await page.goto(url);
  seen.status = answer.status();
  Object.assign(seen, await page.evaluate(facts));
  // Through the debugger, past the policy of the page.
  await page.evaluate(fs.readFileSync(require.resolve('axe-core/axe.min.js'), 'utf8'));
  const found = await page.evaluate(() => window.axe.run());
  seen.violations = found.violations.map((violation) => violation.id + ': ' + violation.help +
    ' ' + violation.nodes.map((node) => node.target.join(' ')).slice(0, 3).join('; '));
  seen.rules_passed = found.passes.length;
  if (file) await page.screenshot({ path: `${file}-${scheme}-${width}.png`, fullPage: true });
  await context.close();
  return seen;
}

async function watch(browser) {
  const page = await browser.newPage();
  await page.goto(url);
  const before = await page.locator('footer').innerText();
  await page.waitForFunction((old) => document.querySelector('footer').innerText !== old, before,
    { timeout: 60000 });
  console.log('refreshed');
  await page.waitForFunction(() => !document.getElementById('gone').hidden, null,
    { timeout: 60000 });
  console.log('gone: ' + await page.locator('#gone').innerText());
}

async function main() {
  const browser = await chromium.launch({
    executablePath: process.env.CHROMIUM || '/usr/bin/chromium',
    chromiumSandbox: false, args: quiet,
  });
  try {
    if (mode === 'watch') return await watch(browser);
    const looks = [];
    for (const scheme of schemes) {
      for (const width of widths) looks.push(await look(browser, scheme, width));
    }
    console.log(JSON.stringify(looks));
  } finally {
    await browser.close();
  }
}

main().catch((error) => {
  console.error(error);
  process.exit(1);
});
