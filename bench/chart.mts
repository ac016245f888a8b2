// A bar chart of a run as SVG: one group a scenario, one horizontal bar a contender, operations a second. Colours and
// text follow the viewer's light or dark preference; without one they are readable on both.
import { orientation, raw, type Scenario } from './plan.mts';
import { isEvenkeel, type ScenarioResult } from './results.mts';

const width = 860;
const labelWidth = 150;
const valueWidth = 110;
const barHeight = 15;
const barGap = 4;
const groupGap = 30;
const top = 66;

type Scale = (value: number) => number;

/** Linear while the shortest bar is still visible beside the longest, logarithmic from there on. */
function scaleFor(values: number[]): { name: string; at: Scale } {
  const most = Math.max(...values);
  const least = Math.min(...values);
  const room = width - labelWidth - valueWidth;
  if (most / least < 100) return { name: 'linear', at: (v) => (v / most) * room };
  const floor = 10 ** Math.floor(Math.log10(least));
  return { name: 'logarithmic', at: (v) => (Math.log(v / floor) / Math.log(most / floor)) * room };
}

function kind(name: string): string {
  if (isEvenkeel(name)) return name === 'evenkeel-host' ? 'own' : 'own2';
  if (name === raw) return 'raw';
  return name === orientation ? 'other' : 'npm';
}

function escapeXml(text: string): string {
  return text.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;');
}

function describe(s: Scenario): string {
  const what = {
    get: 'get',
    set: 'set',
    mix: '80 % get, 20 % set',
    getmany: `getMany of ${s.batch}`,
    replay: `traffic of ${s.workload}`,
  }[s.operation];
  const size = s.valueSize >= 1 << 20 ? ', 1 MB values' : '';
  const timers = s.pendingTimers ? `, ${s.pendingTimers.toLocaleString('en')} pending timers` : '';
  return `${what}, ${s.depth.toLocaleString('en')} in flight${size}${timers} (${s.servers === 1 ? '' : `${s.servers} `}${s.server}${s.tls ? ', TLS' : ''})`;
}

const style = `
  text { font: 12px system-ui, sans-serif; fill: #6e7681; }
  .title { font-size: 16px; font-weight: 600; } .group { font-weight: 600; }
  .own { fill: #1f77d0; } .own2 { fill: #6fa8dc; } .raw { fill: #7d8590; } .npm { fill: #d9822b; } .other { fill: #a371c7; }
  @media (prefers-color-scheme: dark) { text { fill: #b8c0c8; } }
  @media (prefers-color-scheme: light) { text { fill: #24292f; } }`;

export function chart(title: string, subtitle: string, results: ScenarioResult[]): string {
  const measured = results.filter((r) => Object.keys(r.medians).length > 0);
  const body: string[] = [];
  let y = top;
  for (const { scenario, medians } of measured) {
    const scale = scaleFor(Object.values(medians).map((m) => m.operationsPerSecond));
    const note = scale.name === 'linear' ? '' : ' · log scale';
    body.push(`<text class="group" x="0" y="${y}">${escapeXml(describe(scenario) + note)}</text>`);
    y += 8;
    for (const name of scenario.contenders) {
      const rate = medians[name]?.operationsPerSecond;
      if (!rate) continue;
      const length = Math.max(1, scale.at(rate)).toFixed(1);
      const middle = y + barHeight - 3;
      const end = (labelWidth + Number(length) + 6).toFixed(1);
      body.push(
        `<text x="${labelWidth - 8}" y="${middle}" text-anchor="end">${escapeXml(name)}</text>`,
        `<rect class="${kind(name)}" x="${labelWidth}" y="${y}" width="${length}" height="${barHeight}" rx="2"/>`,
        `<text x="${end}" y="${middle}">${Math.round(rate).toLocaleString('en')}</text>`,
      );
      y += barHeight + barGap;
    }
    y += groupGap;
  }
  return [
    `<svg xmlns="http://www.w3.org/2000/svg" viewBox="-16 0 ${width + 32} ${y}" width="${width + 32}" role="img">`,
    `<title>${escapeXml(title)}</title>`,
    `<style>${style}\n</style>`,
    `<text class="title" x="0" y="22">${escapeXml(title)}</text>`,
    `<text x="0" y="42">${escapeXml(subtitle)}</text>`,
    ...body,
    '</svg>\n',
  ].join('\n');
}
