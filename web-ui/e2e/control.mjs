/**
 * The test that started the node also kills and starts it: a line `@kill` or `@start` on the standard output asks for
 * it, a line on the standard input says that it is done.
 */
import { createInterface } from 'node:readline';

export const mayAsk = process.env.TRADEPOST_E2E_CONTROL === '1';

const answers = mayAsk ? createInterface({ input: process.stdin })[Symbol.asyncIterator]() : null;

export async function ask(what) {
  console.log(`@${what}`);
  const { done } = await answers.next();
  if (done) throw new Error(`nobody answered to @${what}`);
}
