import { existsSync, readFileSync } from 'node:fs';
import { expect, test } from 'vitest';
import { parser, type ServerEvent } from './events.ts';

test('server-sent events are understood in pieces of any size', () => {
  const stream = 'event: cart.updated\r\ndata: {"id":"1"}\r\n\r\n: keep alive\n\nevent: sync.state\ndata: a\ndata: b\n\ndata: bare\n\n';
  const heard = [
    { name: 'cart.updated', data: '{"id":"1"}' },
    { name: 'sync.state', data: 'a\nb' },
    { name: 'message', data: 'bare' },
  ];
  for (const size of [1, 2, 3, 7, 1000]) {
    const events: ServerEvent[] = [];
    const take = parser((event) => events.push(event));
    for (let at = 0; at < stream.length; at += size) take(stream.slice(at, at + size));
    expect(events, `pieces of ${size}`).toEqual(heard);
  }
});

/** The fields each hand-written type of `types.ts` names, as its source says. */
function fieldsOf(type: string): string[] {
  const source = readFileSync(new URL('./types.ts', import.meta.url), 'utf8');
  const body = new RegExp(`export interface ${type}(?:<\\w+>)? \\{\\n([\\s\\S]*?)\\n\\}`).exec(source)?.[1] ?? '';
  return [...body.matchAll(/^ {2}(\w+)\??:/gm)].map((match) => match[1]!);
}

/** Our name and the document's. */
const SAME: Record<string, string> = {
  Bootstrap: 'Bootstrap', Product: 'ProductOut', Lookup: 'LookupOut', NewLine: 'LineBody', AgeCheck: 'AgeCheckBody',
  Discount: 'DiscountBody', CartLine: 'CartLine', TaxGroup: 'TaxGroupBody', CartTotals: 'CartTotals', Cart: 'CartOut',
  Tender: 'TenderBody', Sale: 'Sale', SaleLine: 'SaleLine', Neighbour: 'NeighbourOut', SyncStatus: 'SyncStatus', ProblemBody: 'ProblemBody',
};

const document = new URL('../../../node/openapi.json', import.meta.url);
test.skipIf(!existsSync(document)).each(Object.entries(SAME))('%s has only fields the document has', (ours, theirs) => {
  const schemas = JSON.parse(readFileSync(document, 'utf8')).components.schemas as Record<string, { properties?: object }>;
  const schema = schemas[theirs];
  expect(schema, `${theirs} is in the document`).toBeDefined();
  const fields = fieldsOf(ours);
  expect(fields.length).toBeGreaterThan(0);
  expect(fields.filter((field) => !(field in (schema!.properties ?? {})))).toEqual([]);
});

/** The addresses that a source asks for, as the documents write them: `GET /v1/sales/{}`, and names after the `?`. */
function asked(source: string): { call: string; names: string[] }[] {
  // What stands in `${…}` is one piece of an address; nested ones are taken from the inside out.
  let plain = source;
  for (let before = ''; before !== plain; ) {
    before = plain;
    plain = plain.replace(/\$\{(?:[^{}`]|\{[^{}`]*\})*\}/g, '\u0001').replace(/\$\{[^{}`]*`[^`]*`[^{}`]*\}/g, '\u0001');
  }
  const calls = [...plain.matchAll(/'(GET|POST|PUT|PATCH|DELETE)',\s*(['`])(\/v1\/[^'`]*)\2/g)];
  return calls.map(([, method, , address]) => {
    const [path, query = ''] = address!.split('?');
    const names = query.split('&').map((pair) => pair.split('=')[0]!.replaceAll('\u0001', '')).filter(Boolean);
    return { call: `${method} ${path!.replaceAll('\u0001', '{}').replace(/(?<!\/)\{\}$/, '')}`, names };
  });
}

interface Operation { parameters?: { name: string; in: string }[] }

const SIDES: [string, string, string[]][] = [
  ['node', '../../../node/openapi.json', ['client.ts', 'store.ts', 'day.ts', 'tenders.ts']],
  ['hub', '../../../central/openapi.json', ['../admin/api.ts']],
];

test.each(SIDES)('every call of the %s is one that it serves', (_, file, sources) => {
  const document = new URL(file, import.meta.url);
  if (!existsSync(document)) return;
  const paths = JSON.parse(readFileSync(document, 'utf8')).paths as Record<string, Record<string, Operation>>;
  const served = new Map<string, Set<string>>();
  for (const [path, operations] of Object.entries(paths)) {
    for (const [method, operation] of Object.entries(operations)) {
      const names = (operation.parameters ?? []).filter((one) => one.in === 'query').map((one) => one.name);
      served.set(`${method.toUpperCase()} ${path.replace(/\{\w+\}/g, '{}')}`, new Set(names));
    }
  }
  const calls = sources.flatMap((source) => asked(readFileSync(new URL(source, import.meta.url), 'utf8')));
  expect(calls.length, 'calls were found').toBeGreaterThan(10);
  expect(calls.filter(({ call }) => !served.has(call)).map(({ call }) => call)).toEqual([]);
  const strange = calls.flatMap(({ call, names }) => names.filter((name) => !served.get(call)?.has(name)).map((name) => `${call}?${name}`));
  expect(strange).toEqual([]);
});
