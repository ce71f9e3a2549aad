/** Papers: by the till's printer where the store's computer has one, else from this browser. */
import { Problem, api, credentials, text } from '../api/client.ts';
import { day } from '../api/day.ts';
import { uuid7 } from '../core/uuid7.ts';
import { settings } from '../ui/settings.svelte.ts';
import { toasts } from '../ui/toasts.svelte.ts';
import { attempt } from './allow.ts';
import { shop } from './shop.svelte.ts';

/** Long enough for the new window to have read it. */
const SHOWN_MS = 60_000;

/** Prints a receipt or a refund slip; a second time it is a copy and says so. */
export function printSale(id: string, copy = false): Promise<boolean> {
  return printed({ document: 'receipt', of: id }, api.receiptPage(id, copy));
}

/** Sends a paper to the till's printer; `page` is what the browser prints where there is none. */
export function printed(what: { document: string; of?: string }, page: string): Promise<boolean> {
  return attempt(async () => {
    if (!(await hasPrinter())) return show(page);
    const job = await day.print({ id: uuid7(), till: shop.till, ...what });
    toasts.show({ kind: 'info', text: job.copy ? settings.t.printingCopy(job.copy) : settings.t.printing });
  });
}

/** A page of the node's in a window of its own; a new window can't show a token, so a paired till fetches it first. */
async function show(page: string): Promise<void> {
  if (!credentials.token) return void window.open(page, '_blank', 'noopener');
  const address = URL.createObjectURL(new Blob([await text(page)], { type: 'text/html' }));
  window.open(address, '_blank', 'noopener');
  setTimeout(() => URL.revokeObjectURL(address), SHOWN_MS);
}

async function hasPrinter(): Promise<boolean> {
  try {
    return (await day.printers()).some((printer) => printer.till === shop.till);
  } catch (error) {
    if (error instanceof Problem) return false;
    throw error;
  }
}
