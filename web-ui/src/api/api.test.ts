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
